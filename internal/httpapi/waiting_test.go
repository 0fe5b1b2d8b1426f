package httpapi

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// The address and the header take the same waits and refuse the same.
func TestOneRuleForWaiting(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	c := b.claim(uuid.MustParse(job))
	b.finish(c)
	request := object{"text": "a", "voice_id": b.builtin.String()}
	for _, wait := range []string{"1", "1s", " 1 ", "1S", "01"} {
		a := b.send("POST", speechPath+"?wait="+strings.ReplaceAll(wait, " ", "%20"), request)
		require.Equal(t, 202, a.status, wait)
		require.Empty(t, a.header.Get("Preference-Applied"), "nothing was preferred")
		for _, prefer := range []string{"wait=" + wait, "respond-async, wait=" + wait, `Wait="` + strings.TrimSpace(wait) + `"; foo=1`} {
			a = b.send("GET", "/api/v1/jobs/"+job, nil, "Prefer", prefer)
			require.Equal(t, 200, a.status, prefer)
			require.Equal(t, "wait=1", a.header.Get("Preference-Applied"), prefer)
		}
	}
	require.Equal(t, "wait=1", b.send("POST", speechPath, request, "Prefer", "wait=1s").header.Get("Preference-Applied"))
	require.Equal(t, 202, b.send("POST", speechPath+"?wait=0", request).status)
	require.Equal(t, 202, b.send("POST", speechPath+"?wait=", request).status)
	require.Empty(t, b.send("POST", speechPath, request, "Prefer", "return=minimal").header.Get("Preference-Applied"))
	before := b.count(`select count(*) from generation_jobs`)
	for _, wait := range []string{"61", "120", "-1", "1.5", "1m", "ten", "30s30", "1e9", "0x1"} {
		for _, path := range []string{speechPath, "/api/v1/jobs/" + job, "/api/v1/video/status/" + job} {
			method, body := "GET", any(nil)
			if path == speechPath {
				method, body = "POST", request
			}
			byAddress, byHeader := b.send(method, path+"?wait="+wait, body), b.send(method, path, body, "Prefer", "wait="+wait)
			require.Equal(t, 422, byAddress.status, wait)
			require.Equal(t, 422, byHeader.status, wait)
			require.Equal(t, byAddress.json(t)["detail"], byHeader.json(t)["detail"])
			require.Contains(t, byHeader.json(t)["detail"], "from 1 to 60")
			require.Equal(t, "/wait", member(byHeader.json(t), "errors.0.pointer"))
			require.Contains(t, b.send(method, path, body, "Prefer", "wait="+wait, "Accept-Language", "pt-BR").json(t)["detail"], "segundos inteiros")
		}
	}
	require.Contains(t, b.send("POST", speechPath+"?wait=1", request, "Prefer", "wait=2").json(t)["detail"], "one of them")
	require.Equal(t, 422, b.send("POST", speechPath, request, "Prefer", "wait").status, "a wait of nothing")
	require.Equal(t, before, b.count(`select count(*) from generation_jobs`))
	require.Equal(t, 422, b.send("POST", "/api/v1/studio/create-project?wait=1", object{"name": "P", "type": "mixed"}).status, "there is nothing to wait for")
}

// No header comes twice with two values, whatever the answer.
func TestEachHeaderComesOnce(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	b.finish(b.claim(uuid.MustParse(job)))
	portrait := b.upload("p.png", picture(32))
	once := func(name string, a answer) {
		t.Helper()
		for header, values := range a.header {
			require.Len(t, values, 1, "%s: %s is %v", name, header, values)
		}
	}
	for _, known := range slices.Backward(b.api.known) { // what deletes comes last
		path := "/" + strings.NewReplacer(":job_id", job, ":id", job).Replace(strings.Join(known.parts, "/"))
		if strings.HasSuffix(path, "/ws") {
			continue
		}
		for name, a := range map[string]answer{
			"as it is": b.send(known.method, path, nil), "without a key": b.send(known.method, path, nil, "Authorization", ""), "with a body": b.send(known.method, path, object{"nonsense": 1}),
			"of nothing": b.send(known.method, strings.ReplaceAll(path, job, uuid.NewString()), nil), "by a wrong method": b.send("BREW", path, nil), "in Portuguese": b.send(known.method, path+"?x=1", nil, "Accept-Language", "pt-BR"),
		} {
			once(known.String()+" "+name, a)
			if strings.HasPrefix(path, "/api/") {
				require.NotEmpty(t, a.header.Get("Cache-Control"), "%s %s", known, name)
			}
		}
	}
	job = b.speech()["id"].(string)
	b.finish(b.claim(uuid.MustParse(job)))
	etag := b.send("GET", "/api/v1/jobs/"+job, nil).header.Get("ETag")
	for name, a := range map[string]answer{
		"made": b.send("POST", speechPath, object{"text": "a", "voice_id": b.builtin.String()}, "Prefer", "wait=1"), "unchanged": b.send("GET", "/api/v1/jobs/"+job, nil, "If-None-Match", etag),
		"a file": b.send("GET", "/api/v1/files/"+portrait, nil), "a part": b.send("GET", "/api/v1/files/"+portrait, nil, "Range", "bytes=0-3"), "the page": b.send("GET", "/", nil), "nothing": b.send("GET", "/x", nil),
		"n8n": b.send("GET", "/api/v1/jobs/"+uuid.NewString(), nil, "Accept", "application/json"),
	} {
		once(name, a)
	}
	require.Equal(t, jobCaching, b.send("GET", "/api/v1/jobs/"+job, nil).header.Get("Cache-Control"))
	require.Equal(t, "no-store", b.send("GET", "/api/v1/jobs/"+uuid.NewString(), nil).header.Get("Cache-Control"))
	require.Equal(t, http.StatusNotModified, b.send("GET", "/api/v1/jobs/"+job, nil, "If-None-Match", etag).status)
}
