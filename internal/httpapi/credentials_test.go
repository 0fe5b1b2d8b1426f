package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/i18n"
)

// Each cause of a refusal has its own sentence in both languages, and no sentence repeats a possible secret.
func TestEvery401SaysWhatToChange(t *testing.T) {
	b := newBench(t)
	key := b.newKey(auth.LocalAdmin, auth.Read)
	revoked, expired := b.newKey(auth.LocalAdmin, auth.Read), b.newKey(auth.LocalAdmin, auth.Read)
	_, err := b.pool.Exec(b.ctx, `update api_keys set revoked_at = now() where prefix = $1`, revoked[:12])
	require.NoError(t, err)
	_, err = b.pool.Exec(b.ctx, `update api_keys set expires_at = now() - interval '1 hour' where prefix = $1`,
		expired[:12])
	require.NoError(t, err)
	unknown := key[:len(key)-2] + strings.Map(func(r rune) rune {
		return map[bool]rune{true: '3',
			false: '2'}[r == '2']
	}, key[len(key)-2:])
	seen := map[string]string{}
	for _, c := range []struct {
		name, path string
		headers    []string
		says       string
	}{
		{name: "nothing", says: "send an API key"},
		{name: "an empty header", headers: []string{"Authorization", " "}, says: "the header Authorization is empty"},
		{name: "an empty X-API-Key", headers: []string{"X-API-Key", " "}, says: "the header X-Api-Key is empty"},
		{name: "another header", headers: []string{"Api-Key", key}, says: "the header Api-Key"},
		{name: "a key in the address", path: "?api_key=" + key, says: "a key in the address"},
		{name: "a token in the address", path: "?access_token=" + key, says: "a key in the address"},
		{name: "Bearer alone", headers: []string{"Authorization", "Bearer "}, says: "no key after it"},
		{name: "Bearer twice", headers: []string{"Authorization", "Bearer Bearer " + key}, says: "Bearer twice"},
		{name: "Bearer with a colon", headers: []string{"Authorization", "Bearer: " + key}, says: "colon"},
		{name: "no Bearer", headers: []string{"Authorization", key}, says: "lacks the word Bearer"},
		{name: "Basic", headers: []string{"Authorization", "Basic dXNlcjpwYXNz"}, says: "scheme basic"},
		{name: "quotes", headers: []string{"Authorization", `Bearer "` + key + `"`}, says: "quotes or brackets"},
		{name: "brackets", headers: []string{"X-API-Key", "<" + key + ">"}, says: "quotes or brackets"},
		{name: "Bearer in X-API-Key", headers: []string{"X-API-Key", "Bearer " + key},
			says: "X-API-Key takes the key alone"},
		{name: "an expression", headers: []string{"Authorization", "Bearer {{ $json.key }}"}, says: "not evaluated"},
		{name: "an expression that found nothing", headers: []string{"Authorization", "Bearer undefined"},
			says: "found no value"},
		{name: "the same in the other header", headers: []string{"Authorization", "", "X-API-Key", "null"},
			says: "found no value"},
		{name: "a JWT", headers: []string{"Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"}, says: "JWT"},
		{name: "another service's key", headers: []string{"Authorization", "Bearer sk-1234567890"},
			says: "begins with apibr_"},
		{name: "a blank inside", headers: []string{"Authorization", "Bearer " + key[:20] + " " + key[20:]},
			says: "blank inside"},
		{name: "cut", headers: []string{"Authorization", "Bearer " + key[:30]},
			says: "the key has 30 characters and should have 40"},
		{name: "more behind it", headers: []string{"Authorization", "Bearer " + key + key[6:9]},
			says: "something after it"},
		{name: "a comma", headers: []string{"X-API-Key", key + ","}, says: "a character that no key has"},
		{name: "as a list shows it", headers: []string{"X-API-Key", key[:12] + "..."}, says: "shortened"},
		{name: "unknown", headers: []string{"Authorization", "Bearer " + unknown}, says: "does not know this key"},
		{name: "revoked", headers: []string{"Authorization", "Bearer " + revoked}, says: "was revoked"},
		{name: "expired", headers: []string{"X-API-Key", expired}, says: "has expired"},
		{name: "a session that ended", headers: []string{"Cookie", auth.SessionCookie + "=x"}, says: "session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := append([]string{"Authorization", ""}, c.headers...)
			a := b.send("GET", "/api/v1/jobs"+c.path, nil, headers...)
			require.Equal(t, http.StatusUnauthorized, a.status, string(a.body))
			detail := a.json(t)["detail"].(string)
			require.Contains(t, detail, c.says)
			require.Equal(t, "unauthenticated", member(a.json(t), "error.code"))
			require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
			require.NotContains(t, string(a.body), key[6:])
			require.NotContains(t, string(a.body), "dXNlcjpwYXNz")
			spoken := b.send("GET", "/api/v1/jobs"+c.path, nil,
				append(headers, "Accept-Language", "pt-BR")...).json(t)["detail"]
			require.NotEqual(t, detail, spoken)
			seen[detail] = c.name
		})
	}
	require.Greater(t, len(seen), 20, "one sentence for each cause")
	require.Equal(t, 200, b.send("GET", "/api/v1/jobs", nil, "Authorization", "bearer  "+key+" ").status,
		"blanks around a key mean nothing")
}

// The API names routes, and the command line's users read of commands: one sentence serves both.
func TestSentencesNameRoutesToTheAPIAndCommandsToTheCLI(t *testing.T) {
	b := newBench(t)
	reader := []string{"Authorization", "Bearer " + b.newKey(auth.LocalAdmin, auth.Read)}
	api := b.send("POST", imagePath, object{"prompt": "a"}, reader...)
	detail := api.json(t)["detail"]
	require.Contains(t, detail, "lacks the scope generate")
	require.Contains(t, detail, "POST /api/v1/keys")
	require.NotContains(t, detail, "apibr keys")

	cli := b.send("POST", imagePath, object{"prompt": "a"}, append(reader, i18n.DoorHeader, string(i18n.CLI))...)
	require.Equal(t, strings.Replace(detail.(string), "POST /api/v1/keys", "`apibr keys create`", 1),
		cli.json(t)["detail"])
	for _, a := range []answer{api, cli} {
		require.Contains(t, a.header.Get("Vary"), i18n.DoorHeader, "a cache keeps both")
	}
}
