package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command is an apibr command against a studio, under way.
func (s *studio) command(stdout, stderr *logBuffer, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(apibr, args...)
	cmd.Env = append(os.Environ(), "APIBR_DATA_DIR="+s.dir, "APIBR_SERVER=http://"+s.addr, "APIBR_LANG=en")
	cmd.Stdout, cmd.Stderr = stdout, stderr
	require.NoError(s.t, cmd.Start())
	return cmd
}

// The command line waits through a kill -9 of the studio and gets the file of the same job.
func TestCommandLineOutlivesTheServer(t *testing.T) {
	s := startStudio(t)
	out := filepath.Join(t.TempDir(), "a.mp4")
	var stdout, stderr logBuffer
	cmd := s.command(
		&stdout,
		&stderr,
		"avatar",
		"--image",
		portrait,
		"--audio",
		voice,
		"--quality",
		"draft",
		"--json",
		"-o",
		out,
	)
	db := s.db()
	s.eventually(
		"a segment is finished",
		func() bool { return count(t, db, "select count(*) from apibr.job_segments") >= 1 },
	)
	s.kill()
	s.start()
	require.NoError(t, cmd.Wait(), "%s", stderr.String())
	require.Contains(t, stderr.String(), "waiting for it to come back")
	db = s.db()
	require.Equal(t, 1, count(t, db, "select count(*) from apibr.generation_jobs"), "the command made one job")
	var job object
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &job))
	require.Equal(t, "completed", job.str("status"))
	info, err := os.Stat(out)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(10_000))
}

// The walk-through of the product, by command line only.
func TestWalkThroughByCommandLine(t *testing.T) {
	s := startStudio(t)
	dir := t.TempDir()
	s.run("projects", "create", "Meu Avatar AI", "--type", "mixed")
	s.run("clone", voice, "--name", "Minha Voz", "--language", "pt-BR")
	require.Contains(t, s.run("voices"), "Minha Voz")
	head := filepath.Join(dir, "head.png")
	s.run(
		"image",
		"Professional headshot",
		"--model",
		"flux-kontext",
		"--quality",
		"draft",
		"--size",
		"512x512",
		"-o",
		head,
	)
	var listed struct{ Data []object }
	require.NoError(t, json.Unmarshal([]byte(s.run("jobs", "list", "--type", "image.generate", "--json")), &listed))
	picture := listed.Data[0].list("outputs")[0].str("id")
	video := filepath.Join(dir, "avatar.mp4")
	s.run(
		"avatar",
		"--image",
		picture,
		"--voice",
		"Minha Voz",
		"--script",
		"Olá, sou seu assistente AI!",
		"--duration",
		"5",
		"--quality",
		"draft",
		"-o",
		video,
	)
	probed, _ := exec.Command(ffmpegPath(t), "-hide_banner", "-i", video).CombinedOutput()
	require.Contains(t, string(probed), "Duration: 00:00:05.0")
	require.Contains(t, string(probed), "Video: h264")
	require.Contains(t, string(probed), "Audio: aac")
	speech := s.run("speech", "Olá!", "--voice", "Minha Voz", "--quality", "draft", "-o", "-")
	require.True(t, strings.HasPrefix(speech, "RIFF"))
}

func TestExitCodes(t *testing.T) {
	s := startStudio(t)
	wall := filepath.Join(t.TempDir(), "wall.png")
	var picture bytes.Buffer
	require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 200, 200))))
	require.NoError(t, os.WriteFile(wall, picture.Bytes(), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"unknown command": {[]string{"spech"}, 2, "speech"},
		"unknown flag":    {[]string{"speech", "x", "--vocie", "y"}, 2, "vocie"},
		"no text":         {[]string{"speech"}, 2, "text"},
		"refused":         {[]string{"speech", "Olá", "--voice", "Ninguém", "-q"}, 6, "Ninguém"},
		"engine missing":  {[]string{"speech", "Olá", "--model", "chatterbox", "--quality", "final"}, 6, "chatterbox"},
		"job fails": {[]string{"avatar", "--image", wall, "--audio", voice, "--quality", "draft", "-q"}, 3,
			"no face"},
		"no such job": {[]string{"jobs", "show", "00000000-0000-7000-8000-00000000dead"}, 6, "no such job"},
		"no server": {[]string{"voices", "--server", "http://127.0.0.1:9", "--token", "apibr_x"}, 5,
			"no studio answers"},
		"a file not there": {[]string{"clone", "/nonexistent.wav", "--name", "x"}, 2, "no file"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr logBuffer
			cmd := s.command(&stdout, &stderr, c.args...)
			_ = cmd.Wait()
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%s", stderr.String())
			require.Contains(t, stderr.String(), c.says)
			require.Empty(t, stdout.String())
		})
	}
}

// The studio's refusals name commands to users of the command line, in their language, and routes to callers of the
// API.
func TestRefusalsNameCommandsOfTheCommandLine(t *testing.T) {
	s := startStudio(t)
	const unknown = "00000000-0000-7000-8000-00000000dead"
	var voices struct{ Data []object }
	require.NoError(t, json.Unmarshal([]byte(s.run("voices", "--json")), &voices))
	project, builtin := strings.TrimSpace(s.run("projects", "create", "P")), voices.Data[0].str("id")
	for name, c := range map[string]struct{ args, english, portuguese string }{
		"unknown voice":   {"speech Olá --voice Ninguém", "`apibr voices`", "não existe a voz"},
		"unknown project": {"speech Olá --voice " + builtin + " --project " + unknown, "no such project", "projeto"},
		"unknown job":     {"jobs show " + unknown, "no such job", ""},
		"unknown model":   {"image x --model flx", "flx", ""},
		"a project as a job": {"jobs show " + project, "this is the id of a project: see `apibr projects`",
			"este é o id de um projeto: veja `apibr projects`"},
		"a voice as a job": {"jobs cancel " + builtin, "`apibr voices`", "este é o id de uma voz"},
		"a wrong language": {"speech Olá --voice " + builtin + " --language klingon", "klingon", ""},
	} {
		for tag, want := range map[string]string{"en": c.english, "pt-BR": c.portuguese} {
			var stdout, stderr logBuffer
			cmd := s.command(&stdout, &stderr, append(strings.Fields(c.args), "--lang", tag, "-q")...)
			_ = cmd.Wait()
			require.Equal(t, 6, cmd.ProcessState.ExitCode(), "%s: %s", name, stderr.String())
			require.Contains(t, stderr.String(), want, name)
			require.NotContains(t, stderr.String(), "/api/v1", name)
		}
	}
	refused := s.get("/api/v1/jobs/" + project)
	require.Contains(t, string(refused.body), "/api/v1/studio/projects/"+project)
}

// An upload whose client goes away leaves nothing and hurts nobody.
func TestClientGoneMidUpload(t *testing.T) {
	s := startStudio(t)
	body := &breaking{left: 4 << 20}
	_, err := s.client.Do(s.request("POST", "/api/v1/assets?filename=x.wav", "audio/wav", body))
	require.Error(t, err)
	db := s.db()
	s.eventually("the half file is gone", func() bool {
		left, err := filepath.Glob(filepath.Join(s.dir, "blobs", "tmp", "*"))
		return err == nil && len(left) == 0
	})
	require.Zero(t, count(t, db, "select count(*) from apibr.media_assets"))
	require.Equal(t, 200, s.get("/readyz").status)
}

// breaking is a body that fails after some bytes.
type breaking struct{ left int }

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, os.ErrDeadlineExceeded
	}
	n := min(len(p), b.left)
	copy(p, bytes.Repeat([]byte("RIFF"), n/4+1))
	b.left -= n
	return n, nil
}
