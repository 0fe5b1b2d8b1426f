package runner

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/blob/blobtest"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

func (n *node) bytesOf(sha string) string {
	n.t.Helper()
	f, _, err := n.blobs.Open(context.Background(), sha)
	require.NoError(n.t, err)
	defer f.Close()
	content, err := io.ReadAll(f)
	require.NoError(n.t, err)
	return string(content)
}

func (n *node) outputOf(job uuid.UUID) (asset uuid.UUID, sha string) {
	n.t.Helper()
	require.NoError(n.t, n.store.Pool().QueryRow(context.Background(),
		"select id, sha256 from media_assets where job_id = $1", job).Scan(&asset, &sha))
	return asset, sha
}

// An engine that writes over its inputs, and goes on writing to what it has delivered, changes no file of the studio.
func TestAnEngineCannotChangeAKeptFile(t *testing.T) {
	t.Run("on a disk", func(t *testing.T) { keepsFiles(t, startNode(t, storetest.New(t))) })
	t.Run("in a store without a disk", func(t *testing.T) {
		remote := blobtest.NewRemote(t.TempDir())
		keepsFiles(t, startNode(t, storetest.New(t), func(c *Config, _ *sidecar.Config) { c.Blobs = remote }))
	})
}

func keepsFiles(t *testing.T, n *node) {
	asset, sha := n.outputOf(n.await(n.submit(jobs.TypeSpeech, map[string]any{"text": "a recording"}).ID,
		jobs.Completed).ID)
	var kept []string
	for _, text := range []string{"first output", "second output"} {
		job, err := n.jobs.Submit(context.Background(), jobs.Spec{Owner: owner, Type: jobs.TypeAvatar, Quality: "draft",
			Engine: "draft-avatar", Model: "draft-avatar",
			Inputs: []jobs.InputRef{{Name: "image", Kind: jobs.KindData, AssetID: &asset}},
			Params: map[string]any{"mode": sidecartest.Vandal, "text": text, "seed": 7}})
		require.NoError(t, err)
		done := n.await(job.ID, jobs.Completed)
		require.Equal(t, 1, done.Attempt, "the same process runs both")
		_, output := n.outputOf(job.ID)
		kept = append(kept, output)
	}
	require.Equal(t, "a recording", n.bytesOf(sha), "the input")
	require.Equal(t, "first output", n.bytesOf(kept[0]), "the output and the segment of the first run, which the "+
		"program still had open in the second")
	again, err := n.blobs.Put(context.Background(), strings.NewReader("a recording"), 0)
	require.NoError(t, err)
	require.Equal(t, "a recording", n.bytesOf(again.SHA256), "the same upload")
	n.requireNoWorkFiles()
}

// Segments of an earlier run and samples of voices are staged in the same way.
func TestStagedSegmentsAreCopies(t *testing.T) {
	n := startNode(t, storetest.New(t))
	ref, err := n.blobs.Put(context.Background(), strings.NewReader("a segment"), 0)
	require.NoError(t, err)
	a := &attempt{runner: n.runner, dir: t.TempDir(), claimed: &jobs.Claimed{Job: &jobs.Job{},
		Segments: []jobs.Segment{{SHA256: ref.SHA256, MIME: "video/mp4", Size: ref.Size}}}}
	require.NoError(t, os.MkdirAll(filepath.Join(a.dir, "in", "segments"), 0o700))
	resume, err := a.stageSegments(context.Background())
	require.NoError(t, err)
	path := resume.Segments[0].Path
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode()&0o222, "nobody writes to it by accident")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("xx"), 0o600))
	require.Equal(t, "a segment", n.bytesOf(ref.SHA256))

	a.claimed.Segments[0].SHA256 = strings.Repeat("0", 64)
	a.dir = t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(a.dir, "in", "segments"), 0o700))
	_, err = a.stageSegments(context.Background())
	require.ErrorIs(t, err, blob.ErrNotFound)
}
