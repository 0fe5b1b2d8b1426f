package httpapi

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestContent(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string) + "/content"
	running := b.send("GET", path, nil)
	require.Equal(t, 409, running.status)
	require.Equal(t, "2", running.header.Get("Retry-After"))
	b.finish(b.claim(idIn(t, j)))

	whole := b.send("GET", path, nil)
	require.Equal(t, 200, whole.status)
	require.Equal(t, wav(1), whole.body)
	require.Equal(t, "audio/wav", whole.header.Get("Content-Type"))
	require.Equal(t, `inline; filename="fala _.wav"; filename*=UTF-8''fala%20%C3%A9.wav`,
		whole.header.Get("Content-Disposition"))
	require.Equal(t, "bytes", whole.header.Get("Accept-Ranges"))
	require.Equal(t, "nosniff", whole.header.Get("X-Content-Type-Options"))
	require.True(t, strings.HasPrefix(whole.header.Get("Content-Security-Policy"), "sandbox"))

	part := b.send("GET", path, nil, "Range", "bytes=4-7")
	require.Equal(t, http.StatusPartialContent, part.status)
	require.Equal(t, wav(1)[4:8], part.body)
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, b.send("GET", path, nil, "Range", "bytes=999999-").status)
	require.Equal(t, http.StatusNotModified, b.send("GET", path, nil, "If-None-Match", whole.header.Get("ETag")).status)
	head := b.send("HEAD", path, nil)
	require.Equal(t, 200, head.status)
	require.Empty(t, head.body)
	require.Equal(t, strconv.Itoa(len(wav(1))), head.header.Get("Content-Length"))
	require.Equal(t, 404, b.send("GET", path, nil, "Authorization", "Bearer "+b.stranger()).status)
}

func TestSignedLinks(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	b.finish(b.claim(idIn(t, j)))
	link := strings.TrimPrefix(b.get("/api/v1/jobs/" + j["id"].(string))["output_url"].(string), b.http.URL)
	without := []string{"Authorization", ""}
	a := b.send("GET", link, nil, without...)
	require.Equal(t, 200, a.status, "needs no header")
	require.Equal(t, wav(1), a.body)
	require.Equal(t, "cross-origin", a.header.Get("Cross-Origin-Resource-Policy"))
	require.Equal(t, 206, b.send("GET", link, nil, append(without, "Range", "bytes=0-3")...).status)
	require.Equal(t, 200, b.send("HEAD", link, nil, without...).status)
	stable, _, _ := strings.Cut(link, "?")
	require.Equal(t, 401, b.send("GET", stable, nil, without...).status)
	require.Equal(t, "same-origin", b.send("GET", stable, nil).header.Get("Cross-Origin-Resource-Policy"))
	require.Equal(t, 404, b.send("GET", stable, nil, "Authorization", "Bearer "+b.stranger()).status)
	require.Equal(t, 403, b.send("GET", link+"x", nil, without...).status)
	require.Equal(t, 403, b.send("GET", strings.Replace(link, "exp=", "exp=9", 1), nil, without...).status)
	other := b.upload("p.png", picture(16))
	require.Equal(t, 403, b.send("GET", "/api/v1/files/"+other+"?"+strings.SplitN(link, "?", 2)[1], nil,
		without...).status, "of another file")
	b.api.now = func() time.Time { return time.Now().Add(49 * time.Hour) }
	require.Equal(t, 403, b.send("GET", link, nil, without...).status, "it ends")
}

func TestExecutableContentIsServedAsADownload(t *testing.T) {
	require.Equal(t, `attachment; filename=x.svg`, disposition(inline("image/svg+xml"), "x.svg"))
	require.Equal(t, `attachment; filename=x.html`, disposition(inline("text/html"), "x.html"))
	require.Equal(t, `inline; filename=x.png`, disposition(inline("image/png"), "x.png"))
	require.Equal(t, `inline; filename=a__b.png; filename*=UTF-8''a%22%0Ab.png`, disposition(true, "a\"\nb.png"))
}

func TestAssets(t *testing.T) {
	b := newBench(t)
	id := b.upload("../../etc/retrato é.png", picture(90))
	asset := b.get("/api/v1/assets/" + id)
	require.Equal(t, "retrato é.png", asset["filename"])
	require.Equal(t, "image", asset["kind"])
	require.EqualValues(t, 90, asset["width"])
	require.Equal(t, b.http.URL+"/api/v1/files/"+id, asset["url"])
	require.Len(t, b.get("/api/v1/assets?kind=image")["data"], 1)
	require.Empty(t, b.get("/api/v1/assets?kind=audio")["data"])
	j := b.submit(avatarPath, object{"image": id, "voice_id": b.builtin.String(), "script": "Olá"})
	require.Equal(t, 409, b.send("DELETE", "/api/v1/assets/"+id, nil).status, "a job needs it")
	b.send("POST", "/api/v1/jobs/"+j["id"].(string)+"/cancel", nil)
	require.Equal(t, 204, b.send("DELETE", "/api/v1/assets/"+id, nil).status)
	require.Equal(t, 404, b.send("GET", "/api/v1/assets/"+id, nil).status)
}

// TestAnUploadNeedsLittleMemory: 40 MB through the form reader; the 500 MB of the contract are measured by make bench.
func TestAnUploadNeedsLittleMemory(t *testing.T) {
	b := newBench(t)
	const size = 40 << 20
	reader, writer := io.Pipe()
	w := multipart.NewWriter(writer)
	go func() {
		part, err := w.CreateFormFile("file", "long.wav")
		if err == nil {
			head := wav(0)
			for i, v := range []uint32{size + 36, size} { // the two lengths of the header
				at := []int{4, 40}[i]
				head[at], head[at+1], head[at+2], head[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
			}
			_, _ = part.Write(head)
			block := make([]byte, 1<<20)
			for range size / len(block) {
				if _, err := part.Write(block); err != nil {
					return
				}
			}
		}
		_ = w.Close()
		writer.Close()
	}()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the high-water mark of memory cannot be reset: %v", err)
	}
	before := memory(t, "VmRSS")
	r, err := http.NewRequestWithContext(b.ctx, "POST", b.http.URL+"/api/v1/assets", reader)
	require.NoError(t, err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("X-API-Key", b.key)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	require.Equal(t, 201, response.StatusCode, string(content))
	require.Less(t, memory(t, "VmHWM")-before, int64(20<<20))
}

func memory(t *testing.T, key string) int64 {
	t.Helper()
	content, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			require.NoError(t, err)
			return kb << 10
		}
	}
	t.Fatalf("no %s", key)
	return 0
}

// slow sends a beginning and then nothing until it is closed.
type slow struct {
	first *bytes.Reader
	once  sync.Once
	end   chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if s.first.Len() > 0 {
		return s.first.Read(p)
	}
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

func (s *slow) Close() error { s.once.Do(func() { close(s.end) }); return nil }

func TestStalledBodyIsCutOff(t *testing.T) {
	b := newBench(t, func(c *Config) { c.ReadTimeout = 200 * time.Millisecond })
	body := &slow{first: bytes.NewReader([]byte(`{"prompt":`)), end: make(chan struct{})}
	r, err := http.NewRequestWithContext(b.ctx, "POST", b.http.URL+imagePath, body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", b.key)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	require.Equal(t, http.StatusRequestTimeout, response.StatusCode, string(content))
	require.Contains(t, string(content), "http.read_timeout")

	// The limit is on the body alone: an answer that takes longer arrives.
	a := b.send("POST", speechPath+"?wait=1", object{"text": "Olá", "voice_id": b.builtin.String()})
	require.Equal(t, 202, a.status)
}

func TestAbortedUploadLeavesNothing(t *testing.T) {
	b := newBench(t)
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	part, err := w.CreateFormFile("file", "v.wav")
	require.NoError(t, err)
	_, err = part.Write(wav(4)[:20000])
	require.NoError(t, err)
	body := &slow{first: bytes.NewReader(buffer.Bytes()), end: make(chan struct{})}
	r, err := http.NewRequestWithContext(b.ctx, "POST", b.http.URL+"/api/v1/assets", body)
	require.NoError(t, err)
	r.ContentLength = int64(len(wav(4)) + 500)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("X-API-Key", b.key)
	go func() {
		for b.temporary() == 0 { // until the server has begun to write
		}
		body.Close()
	}()
	_, err = http.DefaultClient.Do(r) //nolint:bodyclose // there is none
	require.Error(t, err)
	require.Eventually(t, func() bool { return b.temporary() == 0 }, patience, time.Millisecond,
		"the half file is gone")
	require.Zero(t, b.count(`select count(*) from media_assets`))
	require.Empty(t, b.log.String(), "no failure of ours")
}

func (b *bench) temporary() int {
	entries, _ := os.ReadDir(b.blobs.TempDir())
	n := 0
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "upload-") {
			n++
		}
	}
	return n
}

// An uploaded file can belong to a project, however it is sent.
func TestAnUploadBelongsToAProject(t *testing.T) {
	b := newBench(t)
	project := b.send("POST", "/api/v1/studio/create-project",
		object{"name": "P", "type": "mixed"}).json(t)["id"].(string)
	picture20 := "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture(20))
	uploads := map[string]answer{
		"a form": b.send("POST", "/api/v1/assets", form{texts: map[string]string{"project_id": project},
			files: map[string]file{"file": {name: "a.png", content: picture(21)}}}),
		"a form, camelCase": b.send("POST", "/api/v1/assets", form{texts: map[string]string{"projectId": " " + project},
			files: map[string]file{"file": {name: "a.png", content: picture(22)}}}),
		"by its address": b.send("POST", "/api/v1/assets", object{"file": picture20, "project_id": project}),
		"the raw body":   b.send("POST", "/api/v1/assets?project_id="+project+"&filename=b.png", picture(23)),
	}
	for name, a := range uploads {
		require.Equal(t, 201, a.status, "%s: %s", name, a.body)
		require.Equal(t, project, a.json(t)["project_id"], name)
	}
	require.Len(t, b.get("/api/v1/assets?project=" + project)["data"], len(uploads))
	require.Nil(t, b.send("POST", "/api/v1/assets", object{"file": picture20, "project_id": ""}).json(t)["project_id"],
		"empty is none")
	before := b.count(`select count(*) from media_assets`)
	foreign := b.stranger()
	for _, c := range []struct {
		path    string
		body    any
		headers []string
		pointer string
	}{
		{"/api/v1/assets", object{"file": picture20, "project_id": uuid.NewString()}, nil, "/project_id"},
		{"/api/v1/assets", object{"file": picture20, "project_id": "x"}, nil, "/project_id"},
		{"/api/v1/assets", form{texts: map[string]string{"project_id": uuid.NewString()},
			files: map[string]file{"file": {name: "a.png", content: picture(24)}}}, nil, "/project_id"},
		{"/api/v1/assets?project_id=" + uuid.NewString(), picture(25), nil, "/project_id"},
		{"/api/v1/assets?project_id=x", picture(25), nil, "/project_id"},
		{"/api/v1/assets", object{"file": picture20, "project_id": project}, []string{"Authorization", "Bearer " +
			foreign}, "/project_id"},
		{"/api/v1/assets?project_id=" + project, object{"file": picture20}, nil, "/project_id"},
		{"/api/v1/assets?filename=x.png", object{"file": picture20}, nil, "/filename"},
	} {
		a := b.send("POST", c.path, c.body, c.headers...)
		require.Equal(t, 422, a.status, string(a.body))
		require.Equal(t, c.pointer, member(a.json(t), "errors.0.pointer"), string(a.body))
	}
	require.Equal(t, before, b.count(`select count(*) from media_assets`))
	again := b.send("POST", "/api/v1/assets", object{"file": picture20, "project_id": project}, "Idempotency-Key", "k")
	require.Equal(t, again.json(t)["id"], b.send("POST", "/api/v1/assets", object{"file": picture20,
		"projectId": project}, "Idempotency-Key", "k").json(t)["id"])
	require.Equal(t, 422, b.send("POST", "/api/v1/assets", object{"file": picture20}, "Idempotency-Key", "k").status,
		"another request")
	require.Empty(t, b.log.String(), "nothing failed inside")
}
