package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/voices"
)

func TestAJobHasEveryFieldOfTheContract(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	for _, name := range strings.Fields(
		`id job_id object type status reason progress progress_detail queue_position eta_seconds quality model engine
		warnings input outputs output_url voice_id error metrics project_id parent_id version content_id step
		client_reference attempt created_at started_at completed_at urls`) {
		require.Contains(t, j, name)
	}
	for _, name := range []string{"get", "cancel", "events", "content", "web"} {
		require.True(t, strings.HasPrefix(member(j, "urls."+name).(string), b.http.URL+"/"), "%s is absolute", name)
	}
	require.EqualValues(t, 1, j["queue_position"])
	require.Equal(t, j["id"], j["job_id"])
	for _, name := range strings.Fields("queue_seconds run_seconds model_load_seconds peak_vram_bytes peak_ram_bytes " +
		"device timeline") {
		require.Contains(t, j["metrics"], name)
	}

	b.finish(b.claim(idIn(t, j)))
	done := b.get("/api/v1/jobs/" + j["id"].(string))
	require.Equal(t, "completed", done["status"])
	require.EqualValues(t, 1, done["progress"])
	require.Equal(t, member(done, "outputs.0.url"), done["output_url"])
	for _, name := range strings.Fields("id kind url mime_type filename size_bytes sha256 width height " +
		"duration_seconds expires_at") {
		require.Contains(t, member(done, "outputs.0"), name)
	}
	require.Equal(t, done, b.get("/api/v1/video/status/"+j["id"].(string)))
	require.Equal(t, done, b.get("/api/v1/jobs/"+j["id"].(string)), "an unchanged job reads the same")
}

func TestPublicBaseURLAndForwardedHeaders(t *testing.T) {
	b := newBench(t, func(c *Config) { c.AllowedHosts = []string{"studio.example"} })
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string)
	forwarded := []string{"X-Forwarded-Host", "studio.example", "X-Forwarded-Proto", "https"}
	require.Contains(t, member(b.send("GET", path, nil, forwarded...).json(t), "urls.get"), b.http.URL,
		"not believed unless configured")
	b.api.cfg.TrustForwarded = true
	require.Equal(t, "https://studio.example"+path, member(b.send("GET", path, nil, forwarded...).json(t), "urls.get"))
	b.api.cfg.PublicBaseURL = "https://public.example/"
	require.Equal(t, "https://public.example"+path, member(b.get(path), "urls.get"))
}

func TestWaiting(t *testing.T) {
	b := newBench(t)
	request := object{"text": "Olá", "voice_id": b.builtin.String()}
	a := b.send("POST", speechPath+"?wait=1", request)
	require.Equal(t, 202, a.status, "not finished in time")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Equal(t, "/api/v1/jobs/"+a.json(t)["id"].(string), a.header.Get("Location"))

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.finish(b.claim(b.awaitQueued(2)))
	}()
	a = b.send("POST", speechPath, request, "Prefer", "respond-async, wait=15")
	<-ended
	require.Equal(t, 200, a.status)
	require.Equal(t, "completed", a.json(t)["status"])
	require.Equal(t, "wait=15", a.header.Get("Preference-Applied"))
	require.Empty(t, a.header.Get("Retry-After"))
}

// awaitQueued waits for the n-th job and returns its id.
func (b *bench) awaitQueued(n int) uuid.UUID {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		var id uuid.UUID
		if b.pool.QueryRow(b.ctx, `select id from generation_jobs order by created_at, id offset $1`,
			n-1).Scan(&id) == nil {
			return id
		}
	}
	panic("no such job came")
}

func TestStoppingServerAnswersWaitingCallers(t *testing.T) {
	b := newBench(t)
	answered := make(chan answer, 1)
	go func() {
		answered <- b.send("POST", speechPath+"?wait=60", object{"text": "Olá", "voice_id": b.builtin.String()})
	}()
	b.awaitQueued(1)
	b.api.stop()
	select {
	case a := <-answered:
		require.Equal(t, 202, a.status)
	case <-time.After(patience):
		t.Fatal("the answer waited on")
	}
}

func TestETag(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string)
	c := b.claim(idIn(t, j))
	running := b.send("GET", path, nil)
	require.Equal(t, 200, b.send("GET", path, nil, "If-None-Match", running.header.Get("ETag")).status,
		"progress is not in the tag")
	require.Equal(t, "2", running.header.Get("Retry-After"))
	b.finish(c)
	done := b.send("GET", path, nil)
	require.NotEqual(t, running.header.Get("ETag"), done.header.Get("ETag"))
	same := b.send("GET", path, nil, "If-None-Match", `"x", W/`+done.header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, same.status)
	require.Equal(t, done.header.Get("ETag"), same.header.Get("ETag"))
	require.Empty(t, same.body)
	require.Equal(t, 200, b.send("GET", path, nil, "If-None-Match", done.header.Get("ETag"), "Host", "other.example",
		"Accept-Language", "pt-BR").status)
	now := b.api.now
	b.api.now = func() time.Time { return now().Add(24 * time.Hour) }
	require.Equal(t, 200, b.send("GET", path, nil, "If-None-Match", done.header.Get("ETag")).status,
		"the links of a day later differ")
}

func TestCancelRetryDelete(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string)
	a := b.send("POST", path+"/retry", nil)
	require.Equal(t, 409, a.status)
	require.Contains(t, a.json(t)["detail"], "only a failed or canceled job")
	canceled := b.send("POST", path+"/cancel", nil)
	require.Equal(t, 200, canceled.status)
	require.Equal(t, "canceled", canceled.json(t)["status"])
	events := b.count(`select seq from event_counter`)
	require.Equal(t, canceled.json(t), b.send("POST", path+"/cancel", nil).json(t), "a second time answers it as it is")
	require.Equal(t, events, b.count(`select seq from event_counter`))
	again := b.send("POST", path+"/retry", nil).json(t)
	require.Equal(t, "queued", again["status"])
	require.Nil(t, again["completed_at"])

	b.claim(idIn(t, j))
	a = b.send("DELETE", path, nil)
	require.Equal(t, 409, a.status, string(a.body))
	require.Equal(t, "canceling", b.send("POST", path+"/cancel", nil).json(t)["reason"])

	other := b.speech()
	require.Equal(t, 204, b.send("DELETE", "/api/v1/jobs/"+other["id"].(string), nil).status)
	require.Equal(t, 404, b.send("GET", "/api/v1/jobs/"+other["id"].(string), nil).status)
	foreign := b.stranger()
	for _, verb := range []string{"/cancel", "/retry", ""} {
		method := map[bool]string{true: "DELETE", false: "POST"}[verb == ""]
		require.Equal(t, 404, b.send(method, path+verb, nil, "Authorization", "Bearer "+foreign).status,
			"a foreign job is unknown")
	}
	require.NotZero(t, b.count(`select count(*) from audit_log where action = 'job.delete'`))
}

// What a job tells of its voice goes with the voice that it has now.
func TestAQueuedJobsVoiceIsChangedAndTakenOut(t *testing.T) {
	b := newBench(t)
	ana := uuid.New()
	require.NoError(t, voices.New(b.pool, voices.Defaults{}).EnsureBuiltins(b.ctx, []voices.Builtin{
		{ID: b.builtin, Name: "Dora", Language: "pt-BR", Default: true}, {ID: ana, Name: "Ana", Language: "pt-BR"}}))
	job := b.submit(speechPath, object{"text": "Olá"})
	change := func(input object) (voice any, codes []string) {
		a := b.send("PATCH", "/api/v1/jobs/"+job["id"].(string), object{"input": input})
		require.Equal(t, 200, a.status, string(a.body))
		for _, warning := range a.json(t)["warnings"].([]any) {
			codes = append(codes, warning.(object)["code"].(string))
		}
		return member(a.json(t), "input.voice_id"), codes
	}
	voice, codes := change(object{"text": "Oi"})
	require.Equal(t, b.builtin.String(), voice)
	require.Contains(t, codes, "default_voice", "it still was not chosen")
	voice, codes = change(object{"voice_id": "Ana"})
	require.Equal(t, ana.String(), voice)
	require.NotContains(t, codes, "default_voice")
	require.Contains(t, codes, "draft_quality", "the engine stays")
	voice, codes = change(object{"voice_id": nil})
	require.Equal(t, b.builtin.String(), voice)
	require.Contains(t, codes, "default_voice")
}

func TestPriorityPositionAndInputOfAQueuedJob(t *testing.T) {
	b := newBench(t)
	first, second := b.speech(), b.speech()
	path := "/api/v1/jobs/" + second["id"].(string)
	require.EqualValues(t, 1, b.send("PATCH", path, object{"position": 1}).json(t)["queue_position"])
	require.EqualValues(t, 5, b.send("PATCH", "/api/v1/jobs/"+first["id"].(string),
		object{"priority": 5}).json(t)["priority"])

	changed := b.send("PATCH", path, object{"input": object{"script": "Outro texto", "speed": 1.5,
		"outputFormat": "ogg"}})
	require.Equal(t, 200, changed.status, string(changed.body))
	input := changed.json(t)["input"].(object)
	require.Equal(t, "Outro texto", input["text"])
	require.EqualValues(t, 1.5, input["speed"])
	require.Equal(t, "ogg", input["output_format"])
	require.Equal(t, member(second, "input.seed"), input["seed"], "what is not named stays")
	require.Equal(t, b.builtin.String(), input["voice_id"])
	lines := b.send("PATCH", path, object{"input": object{"text": nil, "lines": []any{object{"text": "Um"}}}})
	require.Equal(t, 200, lines.status, string(lines.body))
	require.NotContains(t, lines.json(t)["input"], "text")

	for _, refused := range []struct {
		body    object
		pointer string
	}{
		{object{}, "/priority"},
		{object{"input": object{"sped": 1}}, "/input/sped"},
		{object{"input": object{"speed": 9}}, "/input/speed"},
		{object{"input": object{"voice_id": "Ninguém"}}, "/input/voice_id"},
		{object{"input": object{"quality": "final"}}, "/input/quality"},
		{object{"input": object{"cfg_weight": 1}}, "/input/cfg_weight"},
		{object{"priority": 1, "position": 1}, "/position"},
		{object{"priority": 11}, "/priority"},
	} {
		a := b.send("PATCH", path, refused.body)
		require.Equal(t, 422, a.status, string(a.body))
		require.Equal(t, refused.pointer, member(a.json(t), "errors.0.pointer"), string(a.body))
	}
	b.claim(idIn(t, second))
	require.Equal(t, 409, b.send("PATCH", path, object{"input": object{"text": "x"}}).status)

	clone := b.submit(clonePath, object{"name": "V", "audio": b.upload("v.wav", wav(4))})
	require.Equal(t, 422, b.send("PATCH", "/api/v1/jobs/"+clone["id"].(string),
		object{"input": object{"name": "W"}}).status)
}

func TestListsArePagedByAbsoluteAddresses(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.speech()
		b.submit(imagePath, object{"prompt": "a cat"})
	}
	next := "/api/v1/jobs?type=audio.speech&status=queued&limit=2"
	var seen []string
	for pages := 0; next != ""; pages++ {
		require.Less(t, pages, 3)
		page := b.get(strings.TrimPrefix(next, b.http.URL))
		for _, j := range page["data"].([]any) {
			require.Equal(t, "audio.speech", j.(object)["type"], "the filter stays in next_url")
			seen = append(seen, j.(object)["id"].(string))
		}
		next, _ = page["next_url"].(string)
		if next == "" {
			require.Nil(t, page["next_cursor"])
		}
	}
	require.Len(t, seen, 3)
	require.Empty(t, b.send("GET", "/api/v1/jobs", nil, "Authorization", "Bearer "+b.stranger()).json(t)["data"])
}

func TestQueue(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	q := b.send("PUT", "/api/v1/queue", object{"paused": true}).json(t)
	require.Equal(t, true, q["paused"])
	require.Equal(t, "user", q["cause"])
	require.Equal(t, []any{j["id"]}, q["waiting"])
	require.Equal(t, "paused", b.get("/api/v1/jobs/" + j["id"].(string))["reason"])
	require.Equal(t, false, b.send("PUT", "/api/v1/queue", object{"paused": false}).json(t)["paused"])
	require.Equal(t, 422, b.send("PUT", "/api/v1/queue", object{}).status)
}

func TestVoices(t *testing.T) {
	b := newBench(t)
	clone := b.submit(clonePath, object{"name": "Minha Voz", "audio": b.upload("v.wav", wav(4)), "consent_note": "eu"})
	list := b.get("/api/v1/audio/voices")
	require.Equal(t, list["data"], list["voices"])
	require.Len(t, list["data"], 2)
	for _, name := range strings.Fields("id name status language builtin sample_seconds transcript created_at") {
		require.Contains(t, member(list, "data.0"), name)
	}
	path := "/api/v1/audio/voices/" + clone["voice_id"].(string)
	require.Equal(t, []any{"pending", nil}, []any{b.get(path)["status"], b.get(path)["transcript"]})
	c := b.claim(idIn(t, clone))
	_, err := b.jobs.Finish(b.ctx, c.ID, c.Fence, jobs.Result{
		Voice: &jobs.VoiceResult{Conditionals: json.RawMessage("{}"), Transcript: "Olá!"}})
	require.NoError(t, err)
	require.Equal(t, []any{"ready", "Olá!"}, []any{b.get(path)["status"], b.get(path)["transcript"]})
	require.Equal(t, "Voz nova", b.send("PATCH", path, object{"name": "Voz nova"}).json(t)["name"])
	a := b.send("POST", clonePath, object{"name": "Voz nova", "audio": b.upload("v.wav", wav(4))})
	require.Equal(t, 422, a.status)
	require.Contains(t, a.json(t)["detail"], "already have a voice of this name")
	require.Equal(t, 404, b.send("GET", path, nil, "Authorization", "Bearer "+b.stranger()).status)

	b.submit(speechPath, object{"text": "Olá", "voice_id": "Voz nova"})
	require.Equal(t, 409, b.send("DELETE", path, nil).status, "a job needs it")
}

func TestFailedJobIsShownInTheCallersLanguage(t *testing.T) {
	b := newBench(t)
	clone := b.submit(clonePath, object{"name": "V", "audio": b.upload("v.wav", wav(4))})
	c := b.claim(idIn(t, clone))
	// The detail has no key, like those that were stored before sentences had keys: its English text is shown
	// unchanged.
	failed := jobs.Problem{Title: i18n.Say("The input cannot be used"), Status: 422, Code: "invalid_input",
		Detail: i18n.Plain("the form has more than 64 parts"), Pointer: "/sample"}
	require.NoError(t, b.jobs.Fail(b.ctx, c.ID, c.Fence, failed, false))
	path := "/api/v1/jobs/" + clone["id"].(string)
	require.Equal(t, "/audio", member(b.get(path), "error.errors.0.pointer"), "by the request's name for it")
	require.Equal(t, false, member(b.get(path), "error.retryable"))
	read := b.send("GET", path, nil, "Accept-Language", "pt").json(t)
	require.Equal(t, "A entrada não pode ser usada", member(read, "error.title"))
	require.Equal(t, "the form has more than 64 parts", member(read, "error.detail"))
}

// knowEngines adds the engines' translations to the studio's, as a start does.
func knowEngines(t *testing.T) {
	t.Helper()
	before := i18n.Default()
	c, err := i18n.Load(i18n.Embedded(), i18n.Beside("../../pyworkers/apibr_worker"))
	require.NoError(t, err)
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(before) })
}

func TestEngineTextsAreInTheCallersLanguage(t *testing.T) {
	knowEngines(t)
	b := newBench(t)
	failed := b.submit(clonePath, object{"name": "V", "audio": b.upload("v.wav", wav(4))})
	c := b.claim(idIn(t, failed))
	said := i18n.Say("the voice's sample cannot be used: %s", i18n.Say(
		"the sample is %.1f s long; the shortest is %g s: record %g s or more of clear speech", 1.2, 3.0, 15.0))
	problem := jobs.Problem{
		Title: i18n.Plain("The input cannot be used"), Status: 422, Code: "invalid_input", Detail: said,
		Pointer: "/sample",
	}
	require.NoError(t, b.jobs.Fail(b.ctx, c.ID, c.Fence, problem, false))
	detail := "the voice's sample cannot be used: " +
		"the sample is 1.2 s long; the shortest is 3 s: record 15 s or more of clear speech"
	path := "/api/v1/jobs/" + failed["id"].(string)
	english, spoken := b.get(path), b.send("GET", path, nil, "Accept-Language", "pt-BR").json(t)
	translated := "a amostra da voz não pode ser usada: " +
		"a amostra tem 1,2 s; o mínimo é 3 s: grave 15 s ou mais de fala clara"
	for field, want := range map[string][2]string{"error.detail": {detail, translated}, "error.error.message": {detail,
		translated}, "error.errors.0.detail": {detail, translated}} {
		require.Equal(t, want[0], member(english, field), field)
		require.Equal(t, want[1], member(spoken, field), field)
	}

	warned := b.speech()
	c = b.claim(idIn(t, warned))
	progress := report.Progress{Fraction: 0.5, Stage: "sample", Message: i18n.Say("no model is loaded: try again")}
	require.NoError(t, b.jobs.SetProgress(b.ctx, c.ID, c.Fence, progress))
	path = "/api/v1/jobs/" + warned["id"].(string)
	require.Equal(t, progress.Message.String(), member(b.get(path), "progress_detail.message"))
	require.Equal(t, "nenhum modelo está carregado: tente de novo", member(b.send("GET", path, nil, "Accept-Language",
		"pt").json(t), "progress_detail.message"))
	warning := report.Warning{Code: "voice_language", Message: i18n.Say(
		"%s was recorded in %s, and its accent is heard: cfg_weight 0 makes it weaker", i18n.Say("the voice"), "en")}
	_, err := b.jobs.Finish(b.ctx, c.ID, c.Fence, jobs.Result{Warnings: []report.Warning{warning}})
	require.NoError(t, err)
	last := func(job object) any {
		warnings := job["warnings"].([]any)
		return warnings[len(warnings)-1].(object)["message"]
	}
	require.Equal(t, warning.Message.String(), last(b.get(path)))
	require.Equal(t, "a voz foi gravada em en, e o sotaque aparece: cfg_weight 0 o deixa mais fraco",
		last(b.send("GET", path, nil, "Accept-Language", "pt-BR").json(t)),
		"an engine's own words in a sentence too")
}

func TestAFullQueue(t *testing.T) {
	b := newBench(t)
	b.api.cfg.Jobs = jobs.New(jobs.Config{Pool: b.pool, Hub: b.hub, NodeID: uuid.New(), BootID: uuid.New(),
		KernelBootID: "k", MaxQueued: 1})
	b.speech()
	a := b.send("POST", speechPath, object{"text": "Olá", "voice_id": b.builtin.String()})
	require.Equal(t, 429, a.status)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Equal(t, "queue_full", member(a.json(t), "error.code"))
}
