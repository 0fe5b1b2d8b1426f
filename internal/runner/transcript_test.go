package runner

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

func TestTranscriptOfASampleIsKeptWithItsVoice(t *testing.T) {
	n := startNode(t, storetest.New(t))
	said := strings.Repeat("é", longestTranscript)
	run := sidecartest.RawRun{Files: map[string]string{"voice.json": `{"v":1}`}, Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[$FILES],"seed":7,"metadata":{"transcript":"` + said + `!"}}}`}}
	job, err := n.jobs.Submit(context.Background(), jobs.Spec{Owner: owner, Type: jobs.TypeCloneVoice, Quality: "draft",
		Engine: "draft-voice", Model: "draft-voice", Params: run.Params(),
		NewVoice: &jobs.NewVoice{Name: "Ana", Language: "pt-BR"}})
	require.NoError(t, err)
	done := n.await(job.ID, jobs.Completed)
	var kept string
	require.NoError(t, n.store.Pool().QueryRow(context.Background(),
		"select transcript from voices where id = $1", *done.VoiceID).Scan(&kept))
	require.Equal(t, said, kept, "cut at the most that is kept")
}
