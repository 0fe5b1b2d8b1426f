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

// A name that no result can have ends the command before the studio hears of it.
func TestTheNameOfTheResultIsCheckedBeforeAnythingIsSubmitted(t *testing.T) {
	var asked []string
	var sent bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		_, _ = sent.ReadFrom(r.Body)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	picture := filepath.Join(dir, "a.png")
	require.NoError(t, os.WriteFile(picture, []byte("\x89PNG"), 0o600))
	for _, language := range []string{"en", "pt-BR"} {
		t.Setenv("APIBR_LANG", language)
		speech, image, avatar := []string{
			"speech",
			"Oi",
		}, []string{
			"image",
			"x",
		}, []string{
			"avatar",
			"--image",
			picture,
			"--script",
			"Oi",
		}
		for _, c := range []struct {
			command []string
			flags   string
			format  string // what the studio is asked for; "" for a refusal
			says    string
		}{
			{speech, "-o DIR/x.m4a", "", "wav, mp3, flac, ogg"}, {speech, "-o DIR/x.txt", "", "wav, mp3, flac, ogg"},
			{speech, "-o DIR/x.png", "", "wav, mp3, flac, ogg"}, {speech, "-o DIR/x.tar.gz", "", "x.tar.gz"},
			{speech, "-o DIR/x", "", "wav, mp3, flac, ogg"},
			{speech, "-o DIR/x.", "", "wav, mp3, flac, ogg"}, {speech, "-o DIR/x.mp3 --format wav", "", "--format wav"},
			{speech, "--format m4a", "", "--format m4a"},
			{speech, "-o DIR", "", dir}, {speech, "-o DIR/", "", dir}, {speech, "-o DIR/none/x.wav", "", "none"},
			{image, "-o DIR/x.gif", "", "png, jpg, webp"}, {image, "-o DIR/x.mp4", "", "png, jpg, webp"},
			{image, "-o DIR/x.heic", "", "png, jpg, webp"},
			{avatar, "-o DIR/x.mov", "", "mp4, webm"}, {avatar, "-o DIR/x.MKV", "", "mp4, webm"},
			{[]string{"clone", picture, "--name", "x"}, "-o DIR/x.wav", "", "-o"},
			{speech, "-o DIR/x.opus", "ogg", ""}, {speech, "-o DIR/x.oga", "ogg", ""}, {speech, "-o DIR/x.WAV", "wav",
				""}, {speech, "-o DIR/x.v2.mp3", "mp3", ""},
			{speech, "-o DIR/x.opus --format ogg", "ogg", ""}, {speech, "-o DIR/x --format flac", "flac", ""},
			{speech, "-o - --format MP3", "mp3", ""},
			{speech, "--format opus", "ogg", ""}, {speech, "-o /dev/null --format mp3", "mp3", ""},
			{image, "-o DIR/x.jpeg", "jpg", ""}, {image, "-o DIR/x.JPG --format jpeg", "jpg", ""},
			{avatar, "-o DIR/x.webm", "webm", ""},
		} {
			asked = nil
			sent.Reset()
			var stdout, stderr bytes.Buffer
			args := append(append([]string{}, c.command...), strings.Fields(strings.ReplaceAll(c.flags, "DIR", dir))...)
			code := Main(
				append(args, "--server", server.URL, "--token", "apibr_x"),
				strings.NewReader(""),
				&stdout,
				&stderr,
			)
			if c.format == "" {
				require.Equal(t, ExitUsage, code, "%v: %s", args, stderr.String())
				require.Contains(t, stderr.String(), c.says, args)
				require.Empty(t, asked, "the studio was asked by %v", args)
				continue
			}
			require.NotEqual(t, ExitUsage, code, "%v: %s", args, stderr.String())
			require.Len(t, asked, 1, args)
			require.Regexp(t, `output_format"?[\s:"]+`+c.format, sent.String(), args)
		}
	}
}

func TestAResultIsNotWrittenUnderAnotherFormatsName(t *testing.T) {
	dir := t.TempDir()
	for name, fine := range map[string]bool{"a.wav": true, "a.WAV": true, "a": true, "a.opus": false, "a.mp3": false,
		"a.txt": false} {
		require.Equal(t, fine, checkName(filepath.Join(dir, name), "speech-1234.wav") == nil, name)
	}
	require.NoError(t, checkName(filepath.Join(dir, "a.opus"), "speech-1234.ogg"))
	require.NoError(t, checkName("-", "speech-1234.ogg"))
	require.Error(t, checkName(dir, "speech-1234.ogg"))
}
