package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A terminal in another encoding hands over its bytes: they are read as a file's are, and never sent with signs of
// replacement.
func TestArgumentsOfATerminalInAnotherEncodingAreReadOrRefused(t *testing.T) {
	var sent bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = sent.ReadFrom(r.Body)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	picture := filepath.Join(t.TempDir(), "caf\xe9.png")
	require.NoError(t, os.WriteFile(picture, []byte("\x89PNG"), 0o600))
	const western, known, unknown = "S\xe3o Paulo \xe9 bonita", "São Paulo é bonita", "\x8f\xf0\xa8\xa2\xa5\xe2"
	for _, command := range [][]string{
		{"speech", "TEXT"}, {"image", "TEXT"}, {"image", "x", "--negative", "TEXT"}, {"edit", picture, "TEXT"},
		{"clone", picture, "--name", "TEXT"},
		{"clone", picture, "--name", "x", "--consent-note", "TEXT"}, {"avatar", "--image", picture, "--voice", "v",
			"--script", "TEXT"},
		{"speech", "x", "--voice", "TEXT"}, {"voices", "rename", "1", "TEXT"}, {"projects", "create", "TEXT"},
		{"keys", "create", "TEXT"},
	} {
		run := func(text string) (code int, said string) {
			sent.Reset()
			var stdout, stderr bytes.Buffer
			args := append(
				strings.Split(strings.ReplaceAll(strings.Join(command, "\x00"), "TEXT", text), "\x00"),
				"--server",
				server.URL,
				"--token",
				"apibr_x",
			)
			return Main(args, strings.NewReader(""), &stdout, &stderr), stderr.String()
		}
		code, said := run(western)
		require.NotEqual(t, ExitUsage, code, "%v: %s", command, said)
		require.Contains(t, sent.String(), known, command)
		require.NotContains(t, sent.String(), "\ufffd", command)

		code, said = run(unknown)
		require.Equal(t, ExitUsage, code, "%v: %s", command, said)
		require.Contains(t, said, "UTF-8", command)
		require.Empty(t, sent.String(), command)
	}
}
