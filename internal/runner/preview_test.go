package runner

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// The newest picture of a running job is kept in memory until its run ends. A picture that is not a JPEG, or too
// large, is not shown.
func TestPreviewIsRemovedWithItsRun(t *testing.T) {
	n := startNode(t, storetest.New(t), func(c *Config, s *sidecar.Config) {
		s.CancelGrace, s.TermGrace = 10*time.Millisecond, 10*time.Millisecond
		m, _ := c.Catalogue.Get("draft-avatar")
		m.BlockSeconds = 0.01
	})
	const jpeg = "\xff\xd8\xff\xe0 a picture"
	run := func(name, content string) *jobs.Job {
		line := `{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":"second","step":1,"total":2,` +
			`"message":null,"preview":"` + name + `"}}`
		return n.submit(
			jobs.TypeAvatar,
			sidecartest.RawRun{Files: map[string]string{"p.jpg": content}, Lines: []string{line}}.Params(),
		)
	}
	end := func(job *jobs.Job) {
		_, err := n.jobs.Cancel(context.Background(), owner, job.ID)
		require.NoError(t, err)
		n.await(job.ID, jobs.Canceled)
		_, ok := n.hub.LatestPreview(job.ID)
		require.False(t, ok, "gone with the run")
	}
	shown := run("p.jpg", jpeg)
	n.until(shown.ID, func(*jobs.Job) bool { _, ok := n.hub.LatestPreview(shown.ID); return ok })
	picture, _ := n.hub.LatestPreview(shown.ID)
	require.Equal(t, jpeg, string(picture))
	end(shown)

	for name, content := range map[string]string{"not a JPEG": "<script>", "too large": "\xff\xd8\xff$BIG"} {
		job := run("p.jpg", content)
		n.until(job.ID, func(j *jobs.Job) bool { return j.Progress != nil && j.Progress.Step == 1 })
		_, ok := n.hub.LatestPreview(job.ID)
		require.False(t, ok, name)
		end(job)
	}
}
