package assets

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestFilename(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, mime, want string }{
		{"minha_voz.mp3", "audio/mpeg", "minha_voz.mp3"},
		{"Olá, São Paulo.png", "image/png", "Olá, São Paulo.png"},
		{"foto.JPEG", "image/jpeg", "foto.jpeg"},
		{"foto.png", "image/jpeg", "foto.jpg"},
		{"take 2.5", "audio/wav", "take 2.5.wav"},
		{"archive.tar.gz", "video/mp4", "archive.tar.mp4"},
		{"clip.mp4", "audio/mp4", "clip.mp4"},
		{"../../etc/passwd", "image/png", "passwd.png"},
		{`..\..\windows\system32\evil.exe`, "image/png", "evil.png"},
		{"/", "image/png", "image.png"},
		{"..", "audio/wav", "audio.wav"},
		{"", "video/mp4", "video.mp4"},
		{"   . . ", "video/mp4", "video.mp4"},
		{".png", "image/png", "png.png"},
		{"a\x00b\nc\r\n.png", "image/png", "ab c.png"},
		{"a\"; filename=x;.png", "image/png", "a__ filename=x_.png"},
		{"photo\u202egnp.exe", "image/png", "photognp.png"},
		{"zero\u200bwidth\ufeff.png", "image/png", "zerowidth.png"},
		{"CON.png", "image/png", "_CON.png"},
		{"lpt1", "image/png", "_lpt1.png"},
		{"a:b*c?<d>|e%2e.png", "image/png", "a_b_c__d__e_2e.png"},
		{"e\u0301.png", "image/png", "é.png"},
		{"bad\xff\xfeutf8.png", "image/png", "badutf8.png"},
		{"timings", "application/json", "timings.json"},
		{"x.html", "application/octet-stream", "x.bin"},
	} {
		require.Equal(t, c.want, Filename(c.given, c.mime), "%q", c.given)
	}
	long := Filename(strings.Repeat("ção", 500)+".png", "image/png")
	require.LessOrEqual(t, len(long), maxFilenameBytes)
	require.True(t, utf8.ValidString(long))
	require.True(t, strings.HasSuffix(long, ".png"))
	for _, s := range []string{"a/b", "\\\\srv\\x", "\u2028", strings.Repeat(".", 900), "%2e%2e%2f"} {
		got := Filename(s, "image/png")
		require.NotContains(t, got, "/")
		require.NotContains(t, got, "..")
		require.Equal(t, got, Filename(got, "image/png"), "a safe name stays")
	}
}

func TestSignedLinks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "links.key")
	s, err := NewSigner(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	id := uuid.New()
	morning := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	link, expires := s.Link(id, morning)
	evening, _ := s.Link(id, morning.Add(24*time.Hour-time.Second))
	require.Equal(t, link, evening, "a job that did not change reads the same all day")
	tomorrow, _ := s.Link(id, morning.Add(24*time.Hour))
	require.NotEqual(t, link, tomorrow)
	require.Equal(t, morning.Add(48*time.Hour), expires)

	u, err := url.Parse(link)
	require.NoError(t, err)
	require.Equal(t, "/api/v1/files/"+id.String(), u.Path)
	exp, sig := u.Query().Get("exp"), u.Query().Get("sig")
	require.NoError(t, s.Verify(id, exp, sig, morning))
	require.NoError(t, s.Verify(id, exp, sig, expires.Add(-time.Second)))
	again, err := NewSigner(path)
	require.NoError(t, err)
	require.NoError(t, again.Verify(id, exp, sig, morning), "the key outlives the process")

	other, err := NewSigner(filepath.Join(t.TempDir(), "other.key"))
	require.NoError(t, err)
	for name, err := range map[string]error{
		"expired":      s.Verify(id, exp, sig, expires),
		"other asset":  s.Verify(uuid.New(), exp, sig, morning),
		"later expiry": s.Verify(id, "99999999999", sig, morning),
		"other key":    other.Verify(id, exp, sig, morning),
		"no signature": s.Verify(id, exp, "", morning),
		"no expiry":    s.Verify(id, "", s.sign(id, ""), morning),
		"cut":          s.Verify(id, exp, sig[:len(sig)-1], morning),
	} {
		require.ErrorIs(t, err, ErrBadLink, name)
	}
	require.NoError(t, os.WriteFile(path, []byte("short"), 0o600))
	_, err = NewSigner(path)
	require.Error(t, err)
	require.NotContains(t, err.Error(), filepath.Dir(path))
}
