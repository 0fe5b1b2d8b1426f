-- +goose Up
-- A long history must cost nothing: each statement finds what it returns by an index, however many jobs have finished.

-- What a run's length and memory depend on, written at submit: a forecast of the whole queue decodes no parameters.
alter table generation_jobs
    add column units    double precision not null default 1,
    add column width    integer not null default 0,
    add column height   integer not null default 0,
    add column pictures integer not null default 0,
    -- What a job with reason no_memory needs, and what there was: {"needed_ram_bytes": ..., ...}.
    add column shortage jsonb;

-- Jobs that may still run. Speech counts characters, pictures megapixels, video megapixels times frames.
update generation_jobs j
   set width = n.width, height = n.height, pictures = n.pictures,
       units = case
           when j.type = 'audio.speech' then greatest(n.letters, 1)
           when j.type in ('image.generate', 'image.edit', 'image.upscale')
               then n.megapixels * coalesce(nullif(n.pictures, 0), 1)
           when j.type in ('video.avatar', 'video.animate')
               then n.megapixels * coalesce(nullif(greatest(n.duration, n.letters / 15.0), 0), 5) * n.fps
           else 1 end
  from (select g.id, coalesce(width.n, 0)::int as width, coalesce(height.n, 0)::int as height, coalesce(pictures.n, 0)::int as pictures,
               coalesce(width.n, 512) * coalesce(height.n, 512) / 1e6 as megapixels, coalesce(fps.n, 25) as fps,
               coalesce(duration.n, 0) as duration,
               length(coalesce(g.parameters #>> '{params,text}', '')) + length(coalesce(g.parameters #>> '{params,script}', ''))
                   + (select coalesce(sum(length(coalesce(l ->> 'text', ''))), 0)
                        from jsonb_array_elements(case jsonb_typeof(g.parameters #> '{params,lines}')
                                                  when 'array' then g.parameters #> '{params,lines}' else '[]' end) l
                       where jsonb_typeof(l) = 'object') as letters
          from generation_jobs g,
               lateral (select case jsonb_typeof(g.parameters #> '{params,width}')
                               when 'number' then greatest(least((g.parameters #>> '{params,width}')::numeric, 1e6), 0) end as n) width,
               lateral (select case jsonb_typeof(g.parameters #> '{params,height}')
                               when 'number' then greatest(least((g.parameters #>> '{params,height}')::numeric, 1e6), 0) end as n) height,
               lateral (select case jsonb_typeof(g.parameters #> '{params,num_images}')
                               when 'number' then greatest(least((g.parameters #>> '{params,num_images}')::numeric, 1e6), 0) end as n) pictures,
               lateral (select case jsonb_typeof(g.parameters #> '{params,duration}')
                               when 'number' then greatest(least((g.parameters #>> '{params,duration}')::numeric, 1e6), 0) end as n) duration,
               lateral (select case jsonb_typeof(g.parameters #> '{params,fps}')
                               when 'number' then greatest(least((g.parameters #>> '{params,fps}')::numeric, 1e6), 0) end as n) fps
         where g.status <> 'completed') n
 where j.id = n.id;

-- Unfinished jobs, of one owner and of all: those lie together where the newest jobs are.
create index generation_jobs_open on generation_jobs (owner_id, status, created_at, id) where status in ('queued', 'processing');
create index generation_jobs_open_all on generation_jobs (created_at, status) where status in ('queued', 'processing');
-- Only unfinished jobs keep what their inputs name from being deleted.
create index generation_jobs_inputs on generation_jobs using gin ((parameters -> 'inputs') jsonb_path_ops)
    where status in ('queued', 'processing');

-- What a claim looks for, in two parts: jobs that may run, and jobs that back off until a time.
drop index generation_jobs_waiting;
create index generation_jobs_waiting on generation_jobs (lane, priority desc, rank)
    where status = 'queued' and blocked_by = 0 and not_before = '-infinity';
create index generation_jobs_backing_off on generation_jobs (not_before)
    where status = 'queued' and blocked_by = 0 and not_before > '-infinity';
create index generation_jobs_no_memory on generation_jobs (owner_id, rank) where status = 'queued' and reason = 'no_memory';
-- Positions, which blocked jobs have too.
create index generation_jobs_places on generation_jobs (lane, priority desc, rank, id) where status = 'queued';

-- One page of a list, whatever it is filtered by.
create index generation_jobs_owner_type on generation_jobs (owner_id, type, status, created_at desc, id desc);
drop index generation_jobs_project;
create index generation_jobs_project on generation_jobs (project_id, created_at desc, id desc) where project_id is not null;
create index generation_jobs_project_type on generation_jobs (project_id, type, status, created_at desc, id desc)
    where project_id is not null;
drop index generation_jobs_parent;
create index generation_jobs_parent on generation_jobs (parent_id, created_at desc, id desc) where parent_id is not null;
drop index generation_jobs_content;
create index generation_jobs_content on generation_jobs (content_id, created_at desc, id desc) where content_id is not null;

create index media_assets_kind on media_assets (owner_id, type, origin, created_at desc, id desc);
drop index media_assets_project;
create index media_assets_project on media_assets (project_id, type, origin, created_at desc, id desc) where project_id is not null;

create index voices_builtin on voices (name) where builtin;

create index events_owner on events (owner_id, seq) where job_id is not null;
create index events_system on events (seq) where job_id is null;

drop index run_history_lookup;
create index run_history_lookup on run_history (node_id, type, engine, model, at desc);

-- The last runs of each kind, the newest first: a measure over a window forgets what happened once.
alter table memory_peaks
    add column rams  bigint[] not null default '{}',
    add column vrams bigint[] not null default '{}',
    add column times timestamptz[] not null default '{}';
update memory_peaks set rams = array[ram], vrams = array[vram], times = array[updated_at];
alter table phase_history
    add column steps double precision[] not null default '{}',
    add column times timestamptz[] not null default '{}';
update phase_history set steps = array[max_step_seconds], times = array[updated_at];

-- +goose Down
alter table phase_history drop column steps, drop column times;
alter table memory_peaks drop column rams, drop column vrams, drop column times;
drop index run_history_lookup;
create index run_history_lookup on run_history (type, engine, model, at desc);
drop index events_owner, events_system, voices_builtin, media_assets_kind, media_assets_project;
create index media_assets_project on media_assets (project_id, created_at desc) where project_id is not null;
drop index generation_jobs_open, generation_jobs_open_all, generation_jobs_inputs, generation_jobs_waiting, generation_jobs_backing_off, generation_jobs_no_memory,
    generation_jobs_places,
    generation_jobs_owner_type, generation_jobs_project, generation_jobs_project_type,
    generation_jobs_parent, generation_jobs_content;
create index generation_jobs_waiting on generation_jobs (lane, priority desc, rank) where status = 'queued' and blocked_by = 0;
create index generation_jobs_project on generation_jobs (project_id, created_at desc) where project_id is not null;
create index generation_jobs_parent on generation_jobs (parent_id) where parent_id is not null;
create index generation_jobs_content on generation_jobs (content_id) where content_id is not null;
alter table generation_jobs drop column units, drop column width, drop column height, drop column pictures,
    drop column shortage;
