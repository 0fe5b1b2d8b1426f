package httpapi

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestWrongMethodNamesTheAllowedOnes(t *testing.T) {
	b := newBench(t)
	id := uuid.NewString()
	for _, c := range []struct{ method, path, use, allow string }{
		{"GET", imagePath, "use POST", "OPTIONS, POST"}, {"GET", clonePath, "use POST", "OPTIONS, POST"},
		{"PUT", speechPath, "use POST", "OPTIONS, POST"}, {"DELETE", avatarPath, "use POST", "OPTIONS, POST"},
		{"HEAD", imagePath, "", "OPTIONS, POST"}, {"GET", "/api/v1/jobs/" + id + "/cancel", "use POST",
			"OPTIONS, POST"}, {"POST", "/api/v1/jobs/" + id, "use DELETE, GET or PATCH",
			"DELETE, GET, HEAD, OPTIONS, PATCH"},
		{"POST", "/api/v1/jobs", "use GET", "GET, HEAD, OPTIONS"}, {"POST", "/api/v1/jobs/" + id + "/content",
			"use GET", "GET, HEAD, OPTIONS"}, {"POST", "/api/v1/queue", "use GET or PUT", "GET, HEAD, OPTIONS, PUT"},
		{"POST", "/api/v1/files/" + id, "use GET", "GET, HEAD, OPTIONS"}, {"PUT", "/api/v1/assets", "use GET or POST",
			"GET, HEAD, OPTIONS, POST"}, {"POST", "/healthz", "use GET", "GET, HEAD, OPTIONS"},
		{"POST", "/", "use GET", "GET, HEAD, OPTIONS"}, {"DELETE", "/app-1234.js", "use GET", "GET, HEAD, OPTIONS"},
		{"POST", "/login", "use GET", "GET, OPTIONS"}, {"HEAD", "/login", "", "GET, OPTIONS"},
		{"POST", "/api/openapi.json", "use GET", "GET, HEAD, OPTIONS"}, {"BREW", imagePath, "does not take BREW",
			"OPTIONS, POST"},
	} {
		a := b.send(c.method, c.path, nil)
		require.Equal(t, 405, a.status, "%s %s: %s", c.method, c.path, a.body)
		require.Equal(t, []string{c.allow}, a.header.Values("Allow"), c.path)
		if c.method == "HEAD" {
			require.Empty(t, a.body)
			continue
		}
		require.Contains(t, a.json(t)["detail"], c.use, c.path)
		require.Equal(t, "method_not_allowed", member(a.json(t), "error.code"))
		require.Contains(t, b.send(c.method, c.path, nil, "Accept-Language", "pt-BR").json(t)["detail"],
			"este endereço não aceita")
	}
}

func TestHeadAndOptionsAreAnswered(t *testing.T) {
	b := newBench(t)
	job := b.speech()["id"].(string)
	for _, path := range []string{"/api/v1/jobs", "/api/v1/jobs/" + job, "/api/v1/queue", "/api/v1/engines", "/readyz",
		"/", "/api/openapi.json"} {
		read, head := b.send("GET", path, nil), b.send("HEAD", path, nil)
		require.Equal(t, 200, head.status, path)
		require.Empty(t, head.body, path)
		require.Equal(t, read.header.Get("Content-Type"), head.header.Get("Content-Type"), path)
	}
	require.Equal(t, 405, b.send("HEAD", "/api/v1/jobs/"+job+"/events", nil).status)
	require.Equal(t, 404, b.send("HEAD", "/api/v1/jobs/"+uuid.NewString(), nil).status)
	require.Equal(t, 404, b.send("HEAD", "/api/v1/nothing", nil).status)
	require.Equal(t, 401, b.send("HEAD", "/api/v1/jobs", nil, "Authorization", "").status)
	options := b.send("OPTIONS", imagePath, nil, "Authorization", "")
	require.Equal(t, 204, options.status)
	require.Equal(t, "OPTIONS, POST", options.header.Get("Allow"))
	require.Equal(t, 404, b.send("OPTIONS", "/api/v1/nothing", nil).status)
}

func TestAnUnknownAddressNamesTheNearest(t *testing.T) {
	b := newBench(t)
	id := uuid.NewString()
	for _, c := range []struct{ method, path, near string }{
		{"POST", "/api/v1/image/generat", "POST /api/v1/image/generate"}, {"POST", "/api/v1/images/generate",
			"POST /api/v1/image/generate"}, {"POST", "/api/v1/image/generate/", "POST /api/v1/image/generate"},
		{"POST", "/api/v1//image/generate", "POST /api/v1/image/generate"}, {"POST", "/api/v1/Image/Generate",
			"POST /api/v1/image/generate"}, {"POST", "/image/generate", "POST /api/v1/image/generate"},
		{"POST", "/api/image/generate", "POST /api/v1/image/generate"}, {"POST", "/v1/image/generate",
			"POST /api/v1/image/generate"}, {"POST", "/api/v1/audio/generate_speech",
			"POST /api/v1/audio/generate-speech"},
		{"POST", "/api/v1/generate-speech", "POST /api/v1/audio/generate-speech"}, {"POST", "/api/v1/audio/speech",
			"POST /api/v1/audio/generate-speech"}, {"POST", "/api/v1/video/avatar", "POST /api/v1/video/create-avatar"},
		{"GET", "/api/v1/job/" + id, "GET /api/v1/jobs/{id}"}, {"DELETE", "/api/v1/job/" + id,
			"DELETE /api/v1/jobs/{id}"}, {"GET", "/api/v1/jobs/", "GET /api/v1/jobs"}, {"GET", "/api/v1/jobs//content",
			"a part of this address is empty"},
		{"GET", "/api/v1/audio/voice", "GET /api/v1/audio/voices"}, {"GET", "/api/v1/voices",
			"GET /api/v1/audio/voices"}, {"GET", "/api/v1/projects", "GET /api/v1/studio/projects"}, {"GET",
			"/api/v1/asset", "GET /api/v1/assets"},
		{"POST", "/api/v1/jobs/" + id + "/cancle", "POST /api/v1/jobs/{id}/cancel"}, {"GET", "/api/v2/jobs",
			"GET /api/v1/jobs"}, {"GET", "/heathz", "GET /healthz"}, {"GET", "/API/V1/JOBS", "GET /api/v1/jobs"},
	} {
		a := b.send(c.method, c.path, nil)
		require.Equal(t, 404, a.status, "%s: %s", c.path, a.body)
		require.Contains(t, a.json(t)["detail"], c.near, "%s %s", c.method, c.path)
		require.NotEqual(t, a.json(t)["detail"], b.send(c.method, c.path, nil, "Accept-Language",
			"pt-BR").json(t)["detail"])
	}
	for _, path := range []string{"/api/v1/nothing", "/favicon.ico", "/wp-admin/setup.php", "/api/v1/" +
		strings.Repeat("a/", 500), "/" + strings.Repeat("é", 2000)} {
		a := b.send("GET", path, nil)
		require.Equal(t, 404, a.status, path)
		require.NotContains(t, a.json(t)["detail"], "did you mean", path)
	}
}

// n8n names application/json and text/html in one Accept. Only a browser, which never names the first, is given the
// page for an address without a file.
func TestThePageIsForBrowsersOnly(t *testing.T) {
	b := newBench(t)
	const n8n = "application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, " +
		"image/*;q=0.8, */*;q=0.7"
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for path, words := range map[string]string{"/v1/models": "OpenAI", "/image/generat": "did you mean",
		"/nothing": "nothing at this address"} {
		for _, accept := range []string{n8n, "Application/JSON, text/html"} {
			a := b.send("GET", path, nil, "Accept", accept)
			require.Equal(t, 404, a.status, path)
			require.Equal(t, "application/json", a.header.Get("Content-Type"))
			require.Contains(t, a.json(t)["detail"], words, path)
		}
		require.Equal(t, 200, b.send("GET", path, nil, "Accept", browser).status, path)
		require.Empty(t, b.send("POST", path, nil).header.Get("Allow"), "an address without anything allows nothing")
	}
	require.Equal(t, 200, b.send("GET", "/", nil, "Accept", n8n).status)
}

func TestPlannedAddressesSayThatTheyComeLater(t *testing.T) {
	b := newBench(t)
	for path, words := range map[string]string{
		"/api/v1/video/animate": "animate", "/api/v1/studio/batch": "batches",
		"/api/v1/studio/generate-content": "chains", "/api/v1/webhooks": "webhooks",
		"/api/v1/webhooks/deliveries": "webhooks", "/v1/models": "OpenAI", "/v1/audio/speech": "OpenAI",
		"/v1/images/generations": "OpenAI", "/v1/chat/completions": "OpenAI", "/v1/videos": "OpenAI",
		"/api/scrape":       "scraper",
		"/api/scrape-batch": "scraper", "/api/scrape/1": "scraper", "/api/jobs/1": "scraper",
		"/api/v1/scraper": "scraper", "/api/v1/auth/login": "passwords", "/api/v1/studio/templates": "templates",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := b.send(method, path, nil)
			require.Equal(t, 404, a.status, path)
			require.Contains(t, a.json(t)["detail"], "this version ", path)
			require.Contains(t, a.json(t)["detail"], words, path)
			require.Contains(t, b.send(method, path, nil, "Accept-Language", "pt-BR").json(t)["detail"], "esta versão ")
		}
	}
}
