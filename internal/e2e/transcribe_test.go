package e2e

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// twoSentences is a recording of half a minute: two sentences with a long pause, so that it is heard in two pieces.
func twoSentences(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "two.flac")
	out, err := exec.Command(ffmpegPath(t), "-v", "error", "-i", voice, "-filter_complex",
		"[0:a]asplit[a][b];[a]atrim=0:7.2,apad=pad_dur=19[c];[b]atrim=7.5:12.7,asetpts=PTS-STARTPTS[d];"+
			"[c][d]concat=v=0:a=1", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// A recording is written down by command line, though the server is killed in between: what was heard is kept.
func TestTranscriptOutlivesTheServer(t *testing.T) {
	s := startStudio(t)
	var stdout, stderr logBuffer
	cmd := s.command(&stdout, &stderr, "transcribe", twoSentences(t), "--quality", "draft")
	db := s.db()
	s.eventually("a piece is heard", func() bool {
		return count(t, db, "select count(*) from apibr.job_segments") >= 1
	})
	s.kill()
	s.start()
	require.NoError(t, cmd.Wait(), "%s", stderr.String())
	require.Contains(t, stdout.String(), "had then leisure to consider")
	require.Contains(t, stdout.String(), "Unless to be rather cold-hearted")

	var list struct{ Data []object }
	require.NoError(t, json.Unmarshal(s.get("/api/v1/jobs?type=audio.transcribe").body, &list))
	require.Len(t, list.Data, 1, "the command made one job")
	job := list.Data[0]
	require.Equal(t, "final", job.str("quality"), "there is no draft of a transcript")
	pieces := segments(t, s.db(), job.str("id"))
	require.Len(t, pieces, 2)
	require.Equal(t, int64(1), pieces[0].Fence, "the first piece was heard again")
	require.Greater(t, pieces[1].Fence, int64(1))
	text := s.transcriptOf(job)
	require.Equal(t, stdout.String(), text+"\n", "the text stands in the job")

	captions := s.get("/api/v1/files/" + s.output(job, "application/x-subrip")).body
	require.Regexp(t, `(?s)^1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\nAnd Mr. John Dashwood.*--> 00:00:3\d,\d{3}\n`,
		string(captions))
}

// transcriptOf is the text in the metadata of a job's first output.
func (s *studio) transcriptOf(job object) string {
	s.t.Helper()
	var view struct {
		Outputs []struct {
			MimeType string `json:"mime_type"`
			Metadata struct{ Transcript, Language string }
		}
	}
	require.NoError(s.t, json.Unmarshal(s.get("/api/v1/jobs/"+job.str("id")).body, &view))
	require.NotEmpty(s.t, view.Outputs)
	require.Equal(s.t, "text/plain", view.Outputs[0].MimeType)
	require.Equal(s.t, "en", view.Outputs[0].Metadata.Language)
	return view.Outputs[0].Metadata.Transcript
}

// output is the id of a job's output of a type.
func (s *studio) output(job object, mime string) string {
	s.t.Helper()
	var view struct {
		Outputs []struct {
			ID       string
			MimeType string `json:"mime_type"`
		}
	}
	require.NoError(s.t, json.Unmarshal(s.get("/api/v1/jobs/"+job.str("id")).body, &view))
	for _, out := range view.Outputs {
		if out.MimeType == mime {
			return out.ID
		}
	}
	s.t.Fatalf("the job has no output of the type %s", mime)
	return ""
}

// What cannot be heard is refused before there is a job.
func TestWhatCannotBeHeardIsRefused(t *testing.T) {
	s := startStudio(t)
	mute := filepath.Join(t.TempDir(), "mute.mp4")
	out, err := exec.Command(ffmpegPath(t), "-v", "error", "-f", "lavfi", "-i", "color=black:s=64x64:r=5", "-t", "1",
		mute).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for want, form := range map[string]map[string]string{
		"the video has no sound":                         {"video": "@" + mute},
		"send audio or video, not both":                  {"video": "@" + mute, "audio": "@" + voice},
		"audio is missing: send a recording, or video":   {"language": "en"},
		"did you mean pt-BR?":                            {"audio": "@" + voice, "language": "Portuguese"},
		"this request makes no media file: leave output": {"audio": "@" + voice, "output_format": "wav"},
		"the field audio takes audio files":              {"audio": "@" + portrait},
	} {
		answer := s.postForm("/api/v1/audio/transcribe", form)
		require.Equal(t, 422, answer.status, "%s", answer.body)
		require.Contains(t, string(answer.body), want)
	}
	require.Zero(t, count(t, s.db(), "select count(*) from apibr.generation_jobs"))
}
