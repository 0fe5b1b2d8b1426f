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
func TestWaitParameterAndHeaderFollowOneRule(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	c := b.claim(uuid.MustParse(job))
	b.finish(c)
	request := object{"text": "a", "voice_id": b.builtin.String()}
	for _, wait := range []string{"1", "1s", " 1 ", "1S", "01"} {
		a := b.send("POST", speechPath+"?wait="+strings.ReplaceAll(wait, " ", "%20"), request)
		require.Equal(t, 202, a.status, wait)
		require.Empty(t, a.header.Get("Preference-Applied"), "nothing was preferred")
		for _, prefer := range []string{"wait=" + wait, "respond-async, wait=" + wait,
			`Wait="` + strings.TrimSpace(wait) + `"; foo=1`} {
			a = b.send("GET", "/api/v1/jobs/"+job, nil, "Prefer", prefer)
			require.Equal(t, 200, a.status, prefer)
			require.Equal(t, "wait=1", a.header.Get("Preference-Applied"), prefer)
		}
	}
	require.Equal(t, "wait=1", b.send("POST", speechPath, request, "Prefer",
		"wait=1s").header.Get("Preference-Applied"))
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
			byAddress, byHeader := b.send(method, path+"?wait="+wait, body), b.send(method, path, body, "Prefer",
				"wait="+wait)
			require.Equal(t, 422, byAddress.status, wait)
			require.Equal(t, 422, byHeader.status, wait)
			require.Equal(t, byAddress.json(t)["detail"], byHeader.json(t)["detail"])
			require.Contains(t, byHeader.json(t)["detail"], "from 1 to 60")
			require.Equal(t, "/wait", member(byHeader.json(t), "errors.0.pointer"))
			require.Contains(t, b.send(method, path, body, "Prefer", "wait="+wait, "Accept-Language",
				"pt-BR").json(t)["detail"], "segundos inteiros")
		}
	}
	require.Contains(t, b.send("POST", speechPath+"?wait=1", request, "Prefer", "wait=2").json(t)["detail"],
		"one of them")
	require.Equal(t, 422, b.send("POST", speechPath, request, "Prefer", "wait").status, "a wait of nothing")
	require.Equal(t, before, b.count(`select count(*) from generation_jobs`))
	require.Equal(t, 422, b.send("POST", "/api/v1/studio/create-project?wait=1",
		object{"name": "P", "type": "mixed"}).status, "there is nothing to wait for")
}

// No answer has a header twice.
func TestHeadersAreNotRepeated(t *testing.T) {
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
			"as it is": b.send(known.method, path, nil), "without a key": b.send(known.method, path, nil,
				"Authorization", ""), "with a body": b.send(known.method, path, object{"nonsense": 1}),
			"of nothing":        b.send(known.method, strings.ReplaceAll(path, job, uuid.NewString()), nil),
			"by a wrong method": b.send("BREW", path, nil), "in Portuguese": b.send(known.method, path+"?x=1", nil,
				"Accept-Language", "pt-BR"),
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
		"made": b.send("POST", speechPath, object{"text": "a", "voice_id": b.builtin.String()}, "Prefer",
			"wait=1"),
		"unchanged": b.send("GET", "/api/v1/jobs/"+job, nil, "If-None-Match", etag),
		"a file":    b.send("GET", "/api/v1/files/"+portrait, nil), "a part": b.send("GET", "/api/v1/files/"+portrait,
			nil,
			"Range", "bytes=0-3"), "the page": b.send("GET", "/", nil), "nothing": b.send("GET", "/x", nil),
		"n8n": b.send("GET", "/api/v1/jobs/"+uuid.NewString(), nil, "Accept", "application/json"),
	} {
		once(name, a)
	}
	require.Equal(t, jobCaching, b.send("GET", "/api/v1/jobs/"+job, nil).header.Get("Cache-Control"))
	require.Equal(t, "no-store", b.send("GET", "/api/v1/jobs/"+uuid.NewString(), nil).header.Get("Cache-Control"))
	require.Equal(t, http.StatusNotModified, b.send("GET", "/api/v1/jobs/"+job, nil, "If-None-Match", etag).status)
}

// No parameter of an address is taken and ignored, with a value or without.
func TestStrayParametersAreRefused(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	portrait := b.upload("p.png", picture(32))
	for _, c := range []struct{ method, path, says string }{
		{"GET", "/api/v1/jobs?name", "name is not a parameter"}, {"GET", "/api/v1/jobs?name=",
			"name is not a parameter"}, {"GET", "/api/v1/jobs?Status=queued", "did you mean status?"},
		{"GET", "/api/v1/jobs?stat", "did you mean status?"}, {"GET", "/api/v1/jobs?projects=x",
			"did you mean project?"}, {"GET", "/api/v1/jobs?=5", "is not a parameter"}, {"GET",
			"/api/v1/jobs?limit=1&limit=2", "limit was sent twice"},
		{"GET", "/api/v1/engines?x", "it takes none"}, {"GET", "/api/v1/jobs/" + job + "?waits=1",
			"did you mean wait?"}, {"DELETE", "/api/v1/jobs/" + job + "?force", "it takes none"}, {"HEAD",
			"/api/v1/jobs?name", ""},
		{"POST", speechPath + "?text=a", "text is not a parameter"}, {"POST", speechPath + "?seed", "it takes wait"},
		{"PUT", "/api/v1/queue?paused=true", "it takes none"}, {"GET", "/api/v1/files/" + portrait + "?download",
			"it takes exp, sig"},
		{"GET", "/api/v1/jobs?limit=0&state=x", "limit is out of range"}, {"GET", "/api/v1/jobs?limit=0&state=x",
			"state is not a parameter"}, {"GET", "/api/v1/jobs/" + job + "/events?since=0&x", "x is not a parameter"},
	} {
		a := b.send(c.method, c.path, nil)
		require.Equal(t, 422, a.status, "%s %s: %s", c.method, c.path, a.body)
		if c.method != "HEAD" {
			require.Contains(t, a.json(t)["detail"], c.says, c.path)
			require.NotEqual(t, a.json(t)["detail"], b.send(c.method, c.path, nil, "Accept-Language",
				"pt-BR").json(t)["detail"])
		}
	}
	for _, path := range []string{"/api/v1/jobs?", "/api/v1/jobs?&", "/api/v1/jobs?status",
		"/api/v1/jobs?status=&project=&limit=&cursor=", "/api/v1/jobs/" + job + "?wait",
		"/api/v1/audio/voices?language=&status="} {
		require.Equal(t, 200, b.send("GET", path, nil).status, path)
	}
}

// Seconds have no more than three decimals.
func TestSecondsHaveAtMostThreeDecimals(t *testing.T) {
	b := newBench(t)
	asset := b.get("/api/v1/assets/" + b.upload("v.wav", wav(1.68)))
	require.EqualValues(t, 1.68, asset["duration_seconds"])
	stored := 0.0
	require.NoError(t, b.pool.QueryRow(b.ctx, `select duration_seconds from media_assets`).Scan(&stored))
	require.Equal(t, 1.68, stored)
	_, err := b.pool.Exec(b.ctx, `update media_assets set duration_seconds = 1.6800000000000002`)
	require.NoError(t, err)
	require.EqualValues(t, 1.68, b.get("/api/v1/assets")["data"].([]any)[0].(object)["duration_seconds"],
		"of before, too")
	require.Equal(t, 0.1, millis(0.1+1e-17))
	require.Nil(t, millisOf(nil))
}
