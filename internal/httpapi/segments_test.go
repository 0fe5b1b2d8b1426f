package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/report"
)

// segment adds a finished part to a claimed job; 0 seconds is a part that cannot be played.
func (b *bench) segment(c *jobs.Claimed, index int, seconds float64) []byte {
	b.t.Helper()
	content, mime, length := []byte(fmt.Sprint("part ", index)), "application/json", (*float64)(nil)
	if seconds > 0 {
		content, mime, length = wav(seconds), "audio/wav", &seconds
	}
	ref, err := b.blobs.Put(b.ctx, bytes.NewReader(content), 1<<20)
	require.NoError(b.t, err)
	require.NoError(b.t, b.jobs.AddSegment(b.ctx, c.ID, c.Fence, jobs.Segment{Index: index, SHA256: ref.SHA256,
		MIME: mime, Size: ref.Size, Seconds: length}))
	return content
}

// Each finished sentence can be heard while the rest is made.
func TestFinishedSentencesArePlayedWhileTheRestIsMade(t *testing.T) {
	b := newBench(t)
	j := b.speech()
	path := "/api/v1/jobs/" + j["id"].(string)
	without := []string{"Authorization", ""}
	require.Equal(t, object{"data": []any{}, "complete": false}, b.get(path+"/segments"), "queued")
	c := b.claim(idIn(t, j))
	first := b.segment(c, 0, 0.5)
	second := b.segment(c, 1, 0.25)
	b.segment(c, 2, 0)
	b.segment(c, 4, 0.5) // after a gap

	stream := b.listen(j)
	require.Equal(t, "job.snapshot", stream.next().event)
	b.hub.Progress(events.JobProgress{Job: c.ID, Owner: c.OwnerID, Progress: report.Progress{Fraction: 0.5,
		Stage: "sample", Segments: 2}})
	told := stream.next()
	require.Equal(t, "progress", told.event)
	require.Empty(t, told.id, "progress has no number")
	var message object
	require.NoError(t, json.Unmarshal([]byte(told.data), &message))
	require.EqualValues(t, 2, member(message, "progress_detail.segments"))
	require.Equal(t, b.http.URL+path+"/segments", member(message, "progress_detail.segments_url"))
	require.Nil(t, member(message, "progress_detail.preview_url"), "that is for pictures")
	require.NoError(t, b.jobs.SetProgress(b.ctx, c.ID, c.Fence, report.Progress{Fraction: 0.5, Segments: 2}))
	require.EqualValues(t, 2, member(b.get(path), "progress_detail.segments"))

	list := b.get(path + "/segments")
	require.Equal(t, false, list["complete"])
	data := list["data"].([]any)
	require.Len(t, data, 2)
	link := data[0].(object)["url"].(string)
	require.Equal(t, object{"index": 1.0, "url": data[1].(object)["url"], "mime_type": "audio/wav",
		"size_bytes": float64(len(second)), "duration_seconds": 0.25}, data[1])
	signed := strings.TrimPrefix(link, b.http.URL)
	require.True(t, strings.HasPrefix(signed, path+"/segments/0?"), link)

	played := b.send("GET", signed, nil, without...)
	require.Equal(t, 200, played.status)
	require.Equal(t, first, played.body)
	for name, want := range map[string]string{"Content-Type": "audio/wav", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes",
		"Content-Disposition": "inline; filename=segment-0000.wav"} {
		require.Equal(t, want, played.header.Get(name), name)
	}
	require.Equal(t, 304, b.send("GET", signed, nil, "Authorization", "", "If-None-Match",
		played.header.Get("ETag")).status)
	part := b.send("GET", signed, nil, "Authorization", "", "Range", "bytes=4-7")
	require.Equal(t, 206, part.status)
	require.Equal(t, first[4:8], part.body)
	head := b.send("HEAD", signed, nil, without...)
	require.Equal(t, 200, head.status)
	require.Equal(t, fmt.Sprint(len(first)), head.header.Get("Content-Length"))
	require.Equal(t, second, b.send("GET", path+"/segments/1", nil).body, "with the key")

	stranger := []string{"Authorization", "Bearer " + b.stranger()}
	query := signed[strings.Index(signed, "?"):]
	for name, refused := range map[string]answer{
		"401 no key":              b.send("GET", path+"/segments/0", nil, without...),
		"401 no key for the list": b.send("GET", path+"/segments", nil, without...),
		"403 a forged link":       b.send("GET", signed+"x", nil, without...),
		"403 a link of another":   b.send("GET", path+"/segments/1"+query, nil, without...),
		"403 a link to the file":  b.send("GET", path+"/preview"+query, nil, without...),
		"404 a stranger":          b.send("GET", path+"/segments/0", nil, stranger...),
		"404 a stranger's list":   b.send("GET", path+"/segments", nil, stranger...),
		"404 one to come":         b.send("GET", path+"/segments/3", nil),
		"404 one without sound":   b.send("GET", path+"/segments/2", nil),
		"404 no number":           b.send("GET", path+"/segments/01", nil),
		"404 a large number":      b.send("GET", path+"/segments/99999999999", nil),
	} {
		require.Equal(t, name[:3], fmt.Sprint(refused.status), name)
	}
	b.finish(c)
	require.Equal(t, true, b.get(path + "/segments")["complete"])
	require.Equal(t, 200, b.send("GET", signed, nil, without...).status, "until the retention has passed")
	_, err := b.pool.Exec(b.ctx, `update job_segments set created_at = now() - interval '2 days'`)
	require.NoError(t, err)
	require.NoError(t, b.jobs.Sweep(b.ctx))
	require.Equal(t, 200, b.send("GET", signed, nil, without...).status, "the job ended a moment ago")
	_, err = b.pool.Exec(b.ctx, `update generation_jobs set completed_at = now() - interval '25 hours'`)
	require.NoError(t, err)
	require.NoError(t, b.jobs.Sweep(b.ctx))
	require.Equal(t, object{"data": []any{}, "complete": true}, b.get(path+"/segments"))
	gone := b.send("GET", signed, nil, "Authorization", "", "Accept-Language", "pt-BR")
	require.Equal(t, 404, gone.status)
	require.Contains(t, string(gone.body), "não tem essa parte")
}

// Segments of a job that has not completed are never swept: its retry goes on after them.
func TestSegmentsOfAFailedJobStay(t *testing.T) {
	b := newBench(t)
	c := b.claim(idIn(t, b.speech()))
	b.segment(c, 0, 0.5)
	require.NoError(t, b.jobs.Fail(b.ctx, c.ID, c.Fence, jobs.Problem{Status: 500, Code: "internal"}, false))
	_, err := b.pool.Exec(b.ctx, `update generation_jobs set completed_at = now() - interval '9 days'`)
	require.NoError(t, err)
	_, err = b.pool.Exec(b.ctx, `update job_segments set created_at = now() - interval '9 days'`)
	require.NoError(t, err)
	require.NoError(t, b.jobs.Sweep(b.ctx))
	require.Equal(t, 1, b.count(`select count(*) from job_segments`))
}
