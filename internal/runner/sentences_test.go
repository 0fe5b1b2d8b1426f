package runner

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/sidecar/sidecartest"
	"github.com/apibr/studio/internal/store/storetest"
)

// An error with values that a sidecar's process raises is stored as a key, and is still read in each language after
// the server has started again.
func TestAnEnginesErrorIsReadInEachLanguageAfterARestart(t *testing.T) {
	before := i18n.Default()
	t.Cleanup(func() { i18n.SetDefault(before) })
	start := func() {
		c, err := i18n.Load(i18n.Embedded(), i18n.Beside("../../pyworkers/apibr_worker"))
		require.NoError(t, err)
		i18n.SetDefault(c)
	}
	start()
	n := startNode(t, storetest.New(t))
	job := n.submit(jobs.TypeSpeech, sidecartest.RawRun{Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32000,"message":"the voice's sample cannot be used: in English",` +
			`"data":{"code":"invalid_input","phase":"first","field":"voice_id","say":{"key":` +
			`"the voice's sample cannot be used: %s","args":[{"key":"the sample is %.1f s long; ` +
			`the shortest is %g s: ` +
			`record %g s or more of clear speech","args":[1.25,3.0,15]}]}}}}`,
	}}.Params())
	foreign := n.submit(jobs.TypeSpeech, sidecartest.RawRun{Lines: []string{
		`{"jsonrpc":"2.0","id":$ID,"error":{"code":-32000,"message":"only English","data":{"code":"invalid_input",` +
			`"phase":null,"field":null,"say":{"key":"%s of nobody","args":["x"]}}}}`,
	}}.Params())
	n.await(job.ID, jobs.Failed)
	n.await(foreign.ID, jobs.Failed)

	start()
	again := jobs.New(jobs.Config{Pool: n.store.Pool(), NodeID: uuid.New(), BootID: uuid.New(), KernelBootID: "k"})
	failed, err := again.Get(context.Background(), owner, job.ID)
	require.NoError(t, err)
	require.Equal(t, "the voice's sample cannot be used: the sample is 1.2 s long; the shortest is 3 s: "+
		"record 15 s or more of clear speech", failed.Error.Detail.String())
	require.Equal(t, "a amostra da voz não pode ser usada: a amostra tem 1,2 s; o mínimo é 3 s: "+
		"grave 15 s ou mais de fala clara", failed.Error.Detail.In(language.BrazilianPortuguese))
	failed, err = again.Get(context.Background(), owner, foreign.ID)
	require.NoError(t, err)
	require.Equal(t, "only English", failed.Error.Detail.In(language.BrazilianPortuguese))
}
