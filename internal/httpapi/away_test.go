package httpapi

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

// A database that dies under a submit, at whichever answer: the caller reads 503 and when to come back, and the same
// key leads to one job, at once.
func TestSubmitDuringADatabaseOutageMakesOneJob(t *testing.T) {
	proxy := storetest.NewProxy(t, storetest.DSN(t))
	b := newBenchOn(t, proxy.Open(t))
	request := object{"text": "Olá", "voice_id": b.builtin.String()}
	b.send("POST", speechPath, request) // statements are prepared
	before := b.count(`select count(*) from generation_jobs`)
	lost := 0
	for ; ; lost++ {
		key := fmt.Sprintf("k%d", lost)
		had := proxy.Lost()
		proxy.LoseAnyAnswer(lost + 1)
		first := b.send("POST", speechPath, request, "Idempotency-Key", key)
		proxy.LoseAnyAnswer(0)
		if proxy.Lost() > had && first.status != 202 {
			require.Equal(t, 503, first.status, "answer %d: %s", lost+1, first.body)
			require.Equal(t, "database_unavailable", member(first.json(t), "error.code"))
			require.NotEmpty(t, first.header.Get("Retry-After"))
		}
		again := b.send("POST", speechPath, request, "Idempotency-Key", key)
		require.Equal(t, 202, again.status, "answer %d: the key must be free or answered: %s", lost+1, again.body)
		id := idIn(t, again.json(t))
		require.Equal(t, id, idIn(t, b.send("POST", speechPath, request, "Idempotency-Key", key).json(t)))
		if first.status == 202 {
			require.Equal(t, id, idIn(t, first.json(t)))
		}
		require.Equal(t, before+lost+1, b.count(`select count(*) from generation_jobs`), "answer %d", lost+1)
		if proxy.Lost() == had {
			break
		}
	}
	require.Greater(t, lost, 3, "the test lost too little to say anything")
}

// No operation takes a lost connection for a fault of the studio.
func TestEveryOperationReportsADatabaseOutage(t *testing.T) {
	proxy := storetest.NewProxy(t, storetest.DSN(t))
	b := newBenchOn(t, proxy.Open(t))
	job := idIn(t, b.send("POST", speechPath, object{"text": "a", "voice_id": b.builtin.String()}).json(t))
	project := idIn(t, b.send("POST", "/api/v1/studio/create-project", object{"name": "P", "type": "mixed"}).json(t))
	asset := idIn(t, b.send("POST", "/api/v1/assets", picture(20)).json(t))
	for _, operation := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/api/v1/jobs", nil}, {"GET", "/api/v1/jobs/" + job.String(), nil},
		{"PATCH", "/api/v1/jobs/" + job.String(), object{"priority": 3}},
		{"POST", "/api/v1/jobs/" + job.String() + "/cancel", nil}, {"POST", "/api/v1/jobs/" + job.String() + "/retry",
			nil},
		{"GET", "/api/v1/queue", nil}, {"PUT", "/api/v1/queue", object{"paused": false}},
		{"GET", "/api/v1/voices", nil}, {"GET", "/api/v1/assets", nil}, {"GET", "/api/v1/assets/" + asset.String(),
			nil}, {"POST", "/api/v1/assets", picture(20)},
		{"GET", "/api/v1/studio/projects", nil}, {"GET", "/api/v1/studio/projects/" + project.String(), nil},
		{"POST", "/api/v1/studio/create-project", object{"name": "P", "type": "mixed"}},
		{"POST", imagePath, object{"prompt": "a cat"}}, {"POST", clonePath, form{texts: map[string]string{"name": "V"},
			files: map[string]file{"audio": {name: "v.wav", content: wav(4)}}}},
		{"GET", "/api/v1/keys", nil}, {"POST", "/api/v1/keys", object{"name": "k", "scopes": []string{"read"}}},
		{"GET", "/api/v1/models", nil},
		{"DELETE", "/api/v1/assets/" + asset.String(), nil}, {"DELETE", "/api/v1/jobs/" + job.String(), nil},
	} {
		for nth := 1; nth <= 12; nth++ {
			had := proxy.Lost()
			proxy.LoseAnyAnswer(nth)
			got := b.send(operation.method, operation.path, operation.body)
			proxy.LoseAnyAnswer(0)
			if got.status >= 500 {
				require.Equal(t, 503, got.status, "%s %s, answer %d: %s\n%s", operation.method, operation.path, nth,
					got.body, b.log)
				require.NotEmpty(t, got.header.Get("Retry-After"), "%s %s", operation.method, operation.path)
			}
			if proxy.Lost() == had {
				break // it needs no more answers than that
			}
		}
	}
}
