package httpapi

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mostMemory is what one request may take in bytes, whatever its body.
const mostMemory = 64 << 20

// peakOf is how much more of the heap was in use while f ran than before, at most, in bytes.
func peakOf(f func()) int64 {
	const name = "/memory/classes/heap/objects:bytes"
	inUse := func() int64 {
		sample := []metrics.Sample{{Name: name}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before, peak := inUse(), int64(0)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				peak = max(peak, inUse()-before)
			}
		}
	}()
	f()
	close(end)
	<-ended
	return peak
}

// repeated is a text of one part after the other, made as it is read.
func repeated(begin, part, end string, times int) io.Reader {
	return io.MultiReader(strings.NewReader(begin), &repeater{part: []byte(part), left: times * len(part)},
		strings.NewReader(end))
}

type repeater struct {
	part     []byte
	at, left int
}

func (r *repeater) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.left > 0 {
		k := copy(p[n:min(len(p), n+r.left)], r.part[r.at:])
		n, r.at, r.left = n+k, (r.at+k)%len(r.part), r.left-k
	}
	return n, nil
}

// post a body that is not in memory.
func (b *bench) post(path, contentType string, body io.Reader) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.ctx, "POST", b.http.URL+path, body)
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-API-Key", b.key)
	response, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	require.NoError(b.t, err)
	return answer{response.StatusCode, response.Header, content}
}

// otherNames is a form with so many parts.
func otherNames(parts int) io.Reader {
	r, w := io.Pipe()
	go func() {
		var err error
		for i := 0; i < parts && err == nil; i++ {
			_, err = fmt.Fprintf(w, "--b\r\nContent-Disposition: form-data; name=\"x%d\"\r\n\r\ny\r\n", i)
		}
		w.Close()
	}()
	return r
}

// numbered is an object with so many fields of different names.
func numbered(fields int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, `{"a":1`)
		var piece bytes.Buffer
		for i := 0; i < fields && err == nil; i++ {
			fmt.Fprintf(&piece, `,"k%d":1`, i)
			if piece.Len() > 32<<10 || i == fields-1 {
				_, err = w.Write(piece.Bytes())
				piece.Reset()
			}
		}
		_, _ = io.WriteString(w, "}")
		w.Close()
	}()
	return r
}

// TestBodiesTakeLittleMemory: reading and refusing a body costs the same for every size and shape.
func TestBodiesTakeLittleMemory(t *testing.T) {
	b := newBench(t)
	const form = "multipart/form-data; boundary=b"
	part := "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n"
	for _, c := range []struct {
		name, contentType string
		body              func() io.Reader
		status            int
		detail            string
	}{
		{"two million unknown fields", "application/json", func() io.Reader { return numbered(2_000_000) }, 413,
			"http.max_text_bytes"},
		{"sixty MB of empty objects", "application/json", func() io.Reader {
			return repeated(`{"lines":[{}`, ",{}",
				"]}", 20_000_000)
		}, 413, "http.max_text_bytes"},
		{"empty lists in one MB", "application/json", func() io.Reader {
			return repeated(`{"lines":[[]`, ",[]", "]}",
				300_000)
		}, 422, "20000 values"},
		{"fields in one MB", "application/json", func() io.Reader { return numbered(80_000) }, 422, "200 fields"},
		{"fields of an object inside", "application/json", func() io.Reader {
			return io.MultiReader(strings.NewReader(`{"text":"a","lines":[`), numbered(201), strings.NewReader("]}"))
		}, 422, "200 fields"},
		{"depth", "application/json", func() io.Reader { return repeated(`{"lines":`, "[", "", 100_000) }, 422,
			"20 levels"},
		{"depth of objects", "application/json", func() io.Reader { return repeated("", `{"a":`, "", 100_000) }, 422,
			"20 levels"},
		{"a number of one MB", "application/json", func() io.Reader {
			return repeated(`{"seed":`, "1", "}",
				1_000_000)
		}, 422, "seed"},
		{"a text of escapes", "application/json", func() io.Reader {
			return repeated(`{"text":"`, `\u00e9`, `"}`,
				170_000)
		}, 422, "text has"},
		{"backslashes", "application/json", func() io.Reader { return repeated(`{"text":"`, `\\`, `"}`, 30_000_000) },
			413, "http.max_text_bytes"},
		{"a name of one MB", "application/json", func() io.Reader { return repeated(`{"`, "n", `":1}`, 1_000_000) },
			422, "is not a field"},
		{"a data: URI for a text", "application/json", func() io.Reader {
			return repeated(`{"text":"data:`, "AAAA",
				`"}`, 10_000_000)
		}, 413, "http.max_text_bytes"},
		{"a JSON text without end", "application/json", func() io.Reader {
			return repeated(`{"text":"`, "a", "",
				70_000_000)
		}, 413, "http.max_text_bytes"},
		{"two million parts", form, func() io.Reader { return repeated("", part, "--b--\r\n", 500_000) }, 422,
			"x was sent twice"},
		{"parts of different names", form, func() io.Reader { return otherNames(200_000) }, 422, "more than 64 parts"},
		{"a head of a part without end", form, func() io.Reader {
			return repeated("--b\r\n", "X-A: b\r\n", "",
				4_000_000)
		}, 422, "form"},
		{"long texts of a form", form, func() io.Reader {
			return repeated("--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n", "a", "\r\n--b--\r\n",
				60_000_000)
		}, 413, "http.max_text_bytes"},
		{"a list in a form", form, func() io.Reader {
			return repeated("--b\r\nContent-Disposition: form-data; name=\"lines\"\r\n\r\n[{}", ",{}", "]\r\n--b--\r\n",
				300_000)
		}, 422, "lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a answer
			peak := peakOf(func() { a = b.post(speechPath, c.contentType, c.body()) })
			require.Equal(t, c.status, a.status, string(a.body[:min(len(a.body), 500)]))
			require.Contains(t, a.json(t)["detail"], c.detail)
			require.Less(t, len(a.body), 16<<10, "the refusal is short")
			require.Less(t, peak, int64(mostMemory))
		})
	}
}

// TestAFileInJSONIsNotHeldInMemory: many requests at once write their long data: URIs to the disk as they arrive.
func TestAFileInJSONIsNotHeldInMemory(t *testing.T) {
	b := newBench(t)
	const parallel = 4
	// 19 MB, made before anything is measured
	uri := []byte("data:audio/wav;base64," + base64.StdEncoding.EncodeToString(wav(900)))
	answers := make([]answer, parallel)
	peak := peakOf(func() {
		var wait sync.WaitGroup
		for i := range parallel {
			wait.Go(func() {
				body := io.MultiReader(strings.NewReader(`{"name":"V`+fmt.Sprint(i)+`","reference_audio":"`),
					bytes.NewReader(uri), strings.NewReader(`"}`))
				answers[i] = b.post(clonePath, "application/json", body)
			})
		}
		wait.Wait()
	})
	for _, a := range answers {
		require.Equal(t, 202, a.status, string(a.body))
	}
	require.Less(t, peak, int64(mostMemory), "all of them together hold less than one may")
	require.Equal(t, parallel, b.count(`select count(*) from media_assets where size_bytes > 10000000`))
}

func TestLongDataURIsAreFilesOfTheRequest(t *testing.T) {
	b := newBench(t)
	picture, sound := picture(400), wav(20)
	escaped := strings.ReplaceAll(base64.StdEncoding.EncodeToString(sound), "/", `\/`)
	escaped = escaped[:100] + `\n\u000a` + escaped[100:]
	big := append(bytes.Clone(picture), make([]byte, 200<<10)...) // what follows a PNG's end is dropped
	image := "data:image/png;base64," + base64.StdEncoding.EncodeToString(big)

	body := `{"name":"Eu","audio":"data:audio/wav;base64,` + escaped + `"}`
	first := b.send("POST", clonePath, body, "Idempotency-Key", "k1")
	require.Equal(t, 202, first.status, string(first.body))
	again := b.send("POST", clonePath, body, "Idempotency-Key", "k1")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"), string(again.body))

	for name, refused := range map[string]string{
		"of another kind":    `{"name":"Ela","audio":"` + image + `"}`,
		"twice":              `{"name":"Ela","audio":"` + image + `","reference_audio":"` + image + `"}`,
		"for a text":         `{"name":"` + image + `","audio":"data:,"}`,
		"of no known field":  `{"name":"Ela","sound":"` + image + `"}`,
		"damaged":            `{"name":"Ela","audio":"` + strings.Replace(image, "AAAA", "A*AA", 1) + `"}`,
		"with a wrong field": `{"name":"Ela","audio":"data:audio/wav;base64,` + escaped + `","x":1}`,
		"cut":                `{"name":"Ela","audio":"` + image,
		"a bad escape":       `{"name":"Ela","audio":"` + image + `\x"}`,
	} {
		a := b.send("POST", clonePath, refused)
		require.Equal(t, 422, a.status, "%s: %s", name, a.body)
		require.NotEmpty(t, a.json(t)["detail"], name)
	}
	require.Equal(t, 413, b.send("POST", "/api/v1/studio/create-project", `{"name":"`+strings.Repeat(image,
		8)+`","type":"image"}`).status)
	require.Equal(t, 1, b.count(`select count(*) from media_assets`), "what was refused leaves nothing")

	// The input of a job that waits is changed so, too.
	job := b.submit(editPath, object{"image": b.upload("a.png", picture), "instruction": "sepia"})
	before := b.count(`select count(*) from media_assets`)
	path := "/api/v1/jobs/" + job["id"].(string)
	require.Equal(t, 422, b.send("PATCH", path, `{"input":{"image":"`+image+`","instruction":""}}`).status)
	require.Equal(t, before, b.count(`select count(*) from media_assets`))
	a := b.send("PATCH", path, `{"input":{"image":"`+image+`"}}`)
	require.Equal(t, 200, a.status, string(a.body))
	require.Equal(t, before+1, b.count(`select count(*) from media_assets`))
}

func TestTheLimitsOfABody(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxJSONBytes = 300 << 10; c.MaxTextBytes = 50 << 10 })
	data := func(n int) string {
		return `"data:image/png;base64,` + base64.StdEncoding.EncodeToString(append(picture(40),
			make([]byte, n)...)) + `"`
	}
	require.Equal(t, 202, b.send("POST", editPath, `{"instruction":"sepia","image":`+data(150<<10)+`}`).status)
	a := b.send("POST", editPath, `{"instruction":"sepia","image":`+data(300<<10)+`}`)
	require.Equal(t, 413, a.status)
	require.Contains(t, a.json(t)["detail"], "http.max_json_bytes")
	a = b.send("POST", speechPath, object{"text": strings.Repeat("a", 60<<10)})
	require.Equal(t, 413, a.status)
	require.Contains(t, a.json(t)["detail"], "http.max_text_bytes")
	a = b.send("POST", speechPath, form{texts: map[string]string{"text": strings.Repeat("a", 30<<10),
		"voice_id": strings.Repeat("a", 30<<10)}}, "Accept-Language", "pt-BR")
	require.Equal(t, 413, a.status)
	require.Contains(t, a.json(t)["detail"], "os textos do formulário")

	a = b.send("POST", speechPath, `{"text":"a","text":"b"}`)
	require.Equal(t, 422, a.status)
	require.Equal(t, "text was sent twice", a.json(t)["detail"])
	require.Equal(t, 422, b.send("POST", speechPath, "{\"text\":\"ol\xe1\"}").status)
	require.Equal(t, 202, b.send("POST", speechPath,
		"\xef\xbb\xbf{\"text\":\"olá\",\"voice_id\":\""+b.builtin.String()+"\"}").status,
		"a mark that some editors put first")
	nested := strings.Repeat("[", 21) + strings.Repeat("]", 21)
	require.Contains(t, string(b.send("POST", speechPath, `{"lines":`+nested+`}`).body), "20 levels")

	unknown := object{"text": "a"}
	for i := range 150 {
		unknown[fmt.Sprintf("field_%d", i)] = i
	}
	require.Len(t, b.send("POST", speechPath, unknown).json(t)["errors"], 10)
	query := "?wait=1"
	for i := range 3000 {
		query += fmt.Sprintf("&q%d=1", i)
	}
	a = b.send("POST", speechPath+query, object{"text": "a"})
	require.Equal(t, 422, a.status)
	require.Less(t, len(a.body), 16<<10)
}
