package jobs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// A job's sentences are stored as keys with arguments, next to English text for people who read the tables.
func TestSentencesOfAJobAreReadInEveryLanguage(t *testing.T) {
	b := newBench(t)
	made := b.submit(avatar())
	waits := b.submit(avatar(InputRef{Name: "image", Kind: KindVideo, JobID: &made.ID}))
	_, err := b.Cancel(b.ctx, localAdmin, made.ID)
	require.NoError(t, err)

	failed := b.job(waits.ID).Error
	english := "the video.avatar job " + made.ID.String() +
		", which this one needs, was canceled: retry that one, and this one goes on by itself"
	require.Equal(t, english, failed.Detail.String())
	require.Equal(t, "o trabalho video.avatar "+made.ID.String()+
		", do qual este precisa, foi cancelado: repita aquele, e este continua sozinho",
		failed.Detail.In(language.BrazilianPortuguese))
	require.Equal(t, "Não foi possível fazer uma entrada", failed.Title.In(language.BrazilianPortuguese))
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs where error ->> 'detail' = $1
		and error ->> 'title' = 'An input could not be made'`, english), "the table is readable without this program")

	message := ErrQueueFull.Sentence()
	running := b.submit(speech())
	c := b.claim(running.ID)
	require.NoError(t, b.SetProgress(b.ctx, running.ID, c.Fence, report.Progress{Fraction: 0.5, Message: message}))
	require.Equal(t, message, b.job(running.ID).Progress.Message)
	_, err = b.Finish(b.ctx, running.ID, c.Fence, Result{Warnings: []report.Warning{{Code: "x", Message: message}}})
	require.NoError(t, err)
	require.Equal(t, message, b.job(running.ID).Warnings[0].Message)
}

// Rows of older versions have no sentences, and a damaged one must not hide the job.
func TestJobIsReadWithAnyStoredSentence(t *testing.T) {
	b := newBench(t)
	j := b.submit(speech())
	c := b.claim(j.ID)
	require.NoError(t, b.Fail(b.ctx, j.ID, c.Fence, boom, false))
	for name, sentence := range map[string]string{
		"none":            `null`,
		"another type":    `7`,
		"a foreign one":   `{"key": "%1000000d%1000000d", "args": [1, 2]}`,
		"another's":       `{"key": "no job of yours has this id"}`,
		"without its key": `{"args": [[1]]}`,
		"long":            `{"key": "` + strings.Repeat("%s", i18n.MaxStored) + `"}`,
	} {
		_, err := b.pool.Exec(b.ctx, `update generation_jobs set error = error || jsonb_build_object(
			'detail', 'it broke', 'detail_sentence', $2::jsonb, 'title_sentence', $2::jsonb),
			warnings = jsonb_build_array(
			  jsonb_build_object('code', 'x', 'message', 'it is slow', 'sentence', $2::jsonb))
			where id = $1`, j.ID, sentence)
		require.NoError(t, err, name)
		_, err = b.pool.Exec(b.ctx, `update queue_state set message = 'it waits', sentence = $1::jsonb`, sentence)
		require.NoError(t, err, name)
		got := b.job(j.ID)
		require.Equal(t, "it broke", got.Error.Detail.In(language.BrazilianPortuguese), name)
		require.Equal(t, "It broke", got.Error.Title.In(language.BrazilianPortuguese), name)
		require.Equal(t, "it is slow", got.Warnings[0].Message.In(language.BrazilianPortuguese), name)
		state, err := b.QueueState(b.ctx)
		require.NoError(t, err, name)
		require.Equal(t, "it waits", state.Message.In(language.BrazilianPortuguese), name)
	}
}

// An event of the queue carries the key and the arguments of its message.
func TestEventsCarryTheSentence(t *testing.T) {
	b := newBench(t)
	gpu := b.submit(gpuAvatar())
	b.claim(gpu.ID)
	b.boot("kernel-2")
	var message, key string
	require.NoError(t, b.pool.QueryRow(b.ctx, `select data ->> 'message', data -> 'sentence' ->> 'key' from events
		where type = 'queue.paused'`).Scan(&message, &key))
	require.Contains(t, message, gpu.ID.String())
	require.Contains(t, key, "The machine restarted while the %s job %s was on the GPU")
	state, err := b.QueueState(b.ctx)
	require.NoError(t, err)
	require.Contains(t, state.Message.In(language.BrazilianPortuguese), "O computador reiniciou")
}
