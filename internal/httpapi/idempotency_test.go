package httpapi

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
)

func TestIdempotencyKey(t *testing.T) {
	b := newBench(t)
	voice := b.builtin.String()
	request := object{"text": "Olá", "voice_id": voice}
	key := []string{"Idempotency-Key", "42-create"}
	first := b.send("POST", speechPath, request, key...)
	require.Equal(t, 202, first.status)
	require.Empty(t, first.header.Get("Idempotency-Replayed"))
	b.claim(idIn(t, first.json(t)))
	again := b.send("POST", speechPath, object{"voice": voice, "script": "Olá"}, key...)
	require.Equal(t, 202, again.status)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, first.json(t)["id"], again.json(t)["id"], "other spellings are the same request")
	require.Equal(t, "processing", again.json(t)["status"], "as it is now")
	form := form{texts: map[string]string{"text": "Olá", "voice_id": voice}}
	require.Equal(t, first.json(t)["id"], b.send("POST", speechPath, form, key...).json(t)["id"], "and another form")

	other := b.send("POST", speechPath, object{"text": "Outra", "voice_id": voice}, key...)
	require.Equal(t, 422, other.status)
	require.Equal(t, "idempotency_key_reused", member(other.json(t), "error.code"))
	require.Equal(t, 202, b.send("POST", imagePath, object{"prompt": "a cat"}, key...).status,
		"on another route it is another key")
	another := b.newKey(auth.LocalAdmin, auth.Generate)
	elsewhere := b.send("POST", speechPath, request, "Idempotency-Key", "42-create", "Authorization", "Bearer "+another)
	require.NotEqual(t, first.json(t)["id"], elsewhere.json(t)["id"], "and for another API key")
}

func TestARefusedRequestFreesItsKey(t *testing.T) {
	b := newBench(t)
	key := []string{"Idempotency-Key", "k"}
	require.Equal(t, 422, b.send("POST", speechPath, object{"text": "a", "voice_id": "Ninguém"}, key...).status)
	require.Equal(t, 202, b.send("POST", speechPath, object{"text": "a", "voice_id": b.builtin.String()},
		key...).status)
}

func TestFilesCountForTheKeyByTheirContent(t *testing.T) {
	b := newBench(t)
	request := func(content []byte) form {
		return form{texts: map[string]string{"name": "V"}, files: map[string]file{"audio": {name: "v.wav",
			content: content}}}
	}
	key := []string{"Idempotency-Key", "k"}
	first := b.send("POST", clonePath, request(wav(4)), key...)
	require.Equal(t, 202, first.status, string(first.body))
	require.Equal(t, first.json(t)["id"], b.send("POST", clonePath, request(wav(4)), key...).json(t)["id"],
		"each try has another boundary")
	require.Equal(t, 422, b.send("POST", clonePath, request(wav(5)), key...).status)
	require.Equal(t, 1, b.count(`select count(*) from media_assets`), "the files of the other tries are gone")
}

func TestOtherCreationsAreReplayedToo(t *testing.T) {
	b := newBench(t)
	for path, body := range map[string]any{
		"/api/v1/studio/create-project": object{"name": "P", "type": "mixed"},
		"/api/v1/assets":                picture(20),
	} {
		first := b.send("POST", path, body, "Idempotency-Key", "k")
		require.Equal(t, 201, first.status, string(first.body))
		again := b.send("POST", path, body, "Idempotency-Key", "k")
		require.Equal(t, 201, again.status)
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
		require.Equal(t, first.json(t), again.json(t))
	}
	require.Equal(t, 1, b.count(`select count(*) from projects`))
	require.Equal(t, 1, b.count(`select count(*) from media_assets`))
	require.Equal(t, 422, b.send("POST", "/api/v1/keys", object{"name": "k", "scopes": []string{"read"}},
		"Idempotency-Key", "k").status, "a secret is kept nowhere")
}

func TestConcurrentRequestsWithOneKeyMakeOneJob(t *testing.T) {
	b := newBench(t)
	answers := make([]answer, 8)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			answers[i] = b.send("POST", imagePath, object{"prompt": "a cat"}, "Idempotency-Key", "k")
		})
	}
	group.Wait()
	for _, a := range answers {
		if a.status == 409 {
			require.Equal(t, "2", a.header.Get("Retry-After"), "the first is in flight: try again")
			continue
		}
		require.Equal(t, 202, a.status, string(a.body))
	}
	require.Equal(t, 1, b.count(`select count(*) from generation_jobs`))
}
