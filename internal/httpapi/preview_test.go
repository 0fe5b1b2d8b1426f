package httpapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/report"
)

// A running job with a preview names it wherever it is shown; the link needs no header, serves the newest picture and
// ends with the run.
func TestPreviewURL(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string)
	without := []string{"Authorization", ""}
	none := b.send("GET", path+"/preview", nil)
	require.Equal(t, 404, none.status, "queued")
	require.Contains(t, string(none.body), "only while it runs")

	c := b.claim(idIn(t, j))
	stream := b.listen(j)
	require.Equal(t, "job.snapshot", stream.next().event)
	require.NoError(t, b.jobs.SetProgress(b.ctx, c.ID, c.Fence, report.Progress{Fraction: 0.1, Stage: "sample"}))
	require.Nil(t, member(b.get(path), "progress_detail.preview_url"), "before the first picture")

	first, second := []byte{0xFF, 0xD8, 0xFF, 1}, []byte{0xFF, 0xD8, 0xFF, 2}
	b.hub.Preview(events.Preview{Job: c.ID, Owner: c.OwnerID, JPEG: first})
	link, ok := member(b.get(path), "progress_detail.preview_url").(string)
	require.True(t, ok)
	require.True(t, strings.HasPrefix(link, b.http.URL+path+"/preview?"), link)
	b.hub.Progress(events.JobProgress{Job: c.ID, Owner: c.OwnerID, Progress: report.Progress{Fraction: 0.5,
		Stage: "sample"}})
	told := stream.next()
	require.Equal(t, "progress", told.event)
	var message object
	require.NoError(t, json.Unmarshal([]byte(told.data), &message))
	require.Equal(t, link, member(message, "progress_detail.preview_url"))

	signed := strings.TrimPrefix(link, b.http.URL)
	shown := b.send("GET", signed, nil, without...)
	require.Equal(t, 200, shown.status)
	require.Equal(t, first, shown.body)
	for name, want := range map[string]string{"Content-Type": "image/jpeg", "Cache-Control": "no-store",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Resource-Policy": "cross-origin"} {
		require.Equal(t, want, shown.header.Get(name))
	}
	b.hub.Preview(events.Preview{Job: c.ID, Owner: c.OwnerID, JPEG: second})
	require.Equal(t, second, b.send("GET", signed, nil, without...).body, "the newest")
	require.Equal(t, second, b.send("GET", path+"/preview", nil).body, "with the key")
	head := b.send("HEAD", signed, nil, without...)
	require.Equal(t, 200, head.status)
	require.Equal(t, "4", head.header.Get("Content-Length"))

	require.Equal(t, 401, b.send("GET", path+"/preview", nil, without...).status)
	require.Equal(t, 403, b.send("GET", signed+"x", nil, without...).status)
	require.Equal(t, 404, b.send("GET", path+"/preview", nil, "Authorization", "Bearer "+b.stranger()).status)
	other := "/api/v1/jobs/" + b.speech()["id"].(string) + "/preview" + signed[strings.Index(signed, "?"):]
	require.Equal(t, 403, b.send("GET", other, nil, without...).status, "a link is for one job")
	file := "/api/v1/files/" + j["id"].(string) + signed[strings.Index(signed, "?"):]
	require.Equal(t, 403, b.send("GET", file, nil, without...).status, "and for nothing else")

	b.hub.Forget(c.ID)
	b.finish(c)
	require.Equal(t, 404, b.send("GET", signed, nil, without...).status)
	require.Nil(t, b.get(path)["progress_detail"])
	gone := b.send("GET", path+"/preview", nil, "Accept-Language", "pt-BR")
	require.Equal(t, 404, gone.status)
	require.Contains(t, string(gone.body), "não tem prévia")
}
