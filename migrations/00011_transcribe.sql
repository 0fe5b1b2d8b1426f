-- +goose Up
-- Jobs that write down what a recording says.
alter table generation_jobs drop constraint generation_jobs_type_check;
alter table generation_jobs add constraint generation_jobs_type_check
    check (type in ('audio.speech', 'audio.clone_voice', 'audio.transcribe', 'image.generate', 'image.edit',
        'image.upscale', 'video.avatar', 'video.animate', 'studio.content', 'media.export', 'scrape'));

-- +goose Down
delete from generation_jobs where type = 'audio.transcribe';
alter table generation_jobs drop constraint generation_jobs_type_check;
alter table generation_jobs add constraint generation_jobs_type_check
    check (type in ('audio.speech', 'audio.clone_voice', 'image.generate', 'image.edit', 'image.upscale',
        'video.avatar', 'video.animate', 'studio.content', 'media.export', 'scrape'));
