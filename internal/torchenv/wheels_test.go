package torchenv

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wheel is a package of one module with one line.
type wheel struct{ name, version, source string }

func (w wheel) file() string { return fmt.Sprintf("%s-%s-py3-none-any.whl", w.name, w.version) }

func (w wheel) bytes(t *testing.T) []byte {
	t.Helper()
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	info := fmt.Sprintf("%s-%s.dist-info/", w.name, w.version)
	files := map[string]string{
		w.name + "/__init__.py": w.source,
		info + "METADATA":       fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.name, w.version),
		info + "WHEEL":          "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "RECORD": fmt.Sprintf(
			"%s/__init__.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n",
			w.name,
			info,
			info,
			info,
		),
	}
	for _, name := range []string{w.name + "/__init__.py", info + "METADATA", info + "WHEEL", info + "RECORD"} {
		file, err := archive.Create(name)
		require.NoError(t, err)
		_, err = file.Write([]byte(files[name]))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	return buffer.Bytes()
}

// index serves the wheels as a package index does.
func index(t *testing.T, wheels ...wheel) string {
	t.Helper()
	mux := http.NewServeMux()
	pages := map[string]string{}
	for _, w := range wheels {
		content := w.bytes(t)
		pages[w.name] += fmt.Sprintf(`<a href="/files/%s">%s</a>`, w.file(), w.file())
		mux.HandleFunc("/files/"+w.file(), func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(content) })
	}
	for name, page := range pages {
		mux.HandleFunc("/simple/"+name+"/", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write([]byte("<!DOCTYPE html><html><body>" + page + "</body></html>"))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL + "/simple"
}

// torch is a wheel whose self-test ends as told.
func torch(version, behaviour string) wheel {
	return wheel{"torch", version, fmt.Sprintf("__version__ = %q\nbehaviour = %q\n", version, behaviour)}
}

// checkout is a studio's folder with the test's workers, a hashed requirement of its own index, and uv.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(root, "pyworkers"), os.DirFS("testdata/workers")))
	helper := wheel{"helperpackage", "1.0", "x = 1\n"}
	sum := sha256.Sum256(helper.bytes(t))
	lock := "helperpackage==1.0 --hash=sha256:" + hex.EncodeToString(sum[:]) + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(root, "requirements.txt"), []byte(lock), 0o600))
	t.Setenv("UV_DEFAULT_INDEX", index(t, helper))
	t.Setenv("UV_CACHE_DIR", t.TempDir())
	return root
}

func testUV(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	uv, err := FindUV(root)
	require.NoError(t, err, "the tests need uv: make setup")
	return uv
}

// profile is a profile of the test: torch of that version from that index.
func profile(id, index, version string) Profile {
	return Profile{
		ID:           id,
		Device:       ROCm,
		Index:        index,
		Packages:     []string{"torch==" + version},
		Requirements: []string{"requirements.txt"},
		Python:       ">=3.11",
	}
}

// steps is what a setup told, in short.
type steps []string

func (s *steps) report(p Progress) {
	text := p.Profile + " " + p.Step
	if p.Check != nil {
		text += " " + p.Check.Check
	}
	*s = append(*s, text)
}

func (s *steps) String() string { return strings.Join(*s, "\n") }
