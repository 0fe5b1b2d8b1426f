package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/datadir"
)

const (
	demoSpeech  = "Olá! Eu sou a voz do seu estúdio. Escreva um texto e eu falo para você."
	demoVoice   = "Minha Voz"
	demoProject = "Meu Avatar AI"
	demoPrompt  = "Professional headshot"
	// startPatience bounds the wait for a studio that says nothing: after a crash a start replays the database's log.
	startPatience = 10 * time.Minute
)

// demoCommand runs the walk-through: natural speech without a voice chosen, the same sentence in a cloned voice, a
// picture, and two talking portraits.
func demoCommand(e *environment) *cobra.Command {
	var samples, output string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: e.text("Start the studio if none runs, and make speech and two talking portraits"),
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &demo{e: e, samples: samples, output: output}
			return d.run(cmd)
		},
	}
	cmd.Flags().StringVar(&samples, "samples", "",
		e.text("folder with voice.wav and portrait.png (default: samples next to the folder of the program)"))
	cmd.Flags().StringVar(&output, "output-dir", ".", e.text("folder that the recordings and videos are written to"))
	return cmd
}

type demo struct {
	e       *environment
	s       *studio
	samples string
	output  string
	project string
	pid     int

	dataDir string
	address string
	made    []demoFile
}

// demoFile is something that the demo has made.
type demoFile struct{ what, path string }

func (d *demo) run(cmd *cobra.Command) error {
	if d.samples == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		d.samples = filepath.Join(filepath.Dir(self), "..", "samples")
	}
	c, err := d.e.loadConfig(nil)
	if err != nil {
		return err
	}
	d.dataDir, d.address = c.DataDir, "http://"+reachable(c.Address())
	if err := os.MkdirAll(d.output, 0o755); err != nil {
		return exitWith(ExitError, "--output-dir %s: %s", d.output, datadir.FileProblem(err))
	}
	if err := d.ensureStudio(cmd.Context()); err != nil {
		return err
	}
	if err := d.make(cmd.Context()); err != nil {
		return err
	}
	return d.farewell(cmd)
}

// make goes through the steps in their order.
func (d *demo) make(ctx context.Context) error {
	if err := d.makeProject(ctx); err != nil {
		return err
	}
	if err := d.speak(ctx, d.e.text("2/7 natural speech, with no voice chosen"), "hello.wav",
		d.e.text("natural speech in the studio's own voice:"), ""); err != nil {
		return err
	}
	voice, err := d.cloneVoice(ctx)
	if err != nil {
		return err
	}
	if err := d.speak(ctx, d.e.text("4/7 the same sentence in the cloned voice, as a draft"), "hello-cloned.wav",
		d.e.text("a draft of it at the cloned voice's pitch and pace, not its timbre:"), voice); err != nil {
		return err
	}
	picture, err := d.makePicture(ctx)
	if err != nil {
		return err
	}
	if err := d.makeAvatar(ctx, d.e.text("6/7 talking avatar of the picture, in the studio's own voice"), "avatar.mp4",
		d.e.text("the picture that talks:"), picture, ""); err != nil {
		return err
	}
	return d.makeAvatar(ctx, d.e.text("7/7 the sample photograph, in the cloned voice"), "avatar-photo.mp4",
		d.e.text("the photograph that talks:"), filepath.Join(d.samples, "portrait.png"), voice)
}

// ensureStudio starts `apibr serve` in a session of its own, so that it goes on running when the demo has ended.
func (d *demo) ensureStudio(ctx context.Context) error {
	if d.reachable(ctx) {
		fmt.Fprintln(d.e.stderr, d.e.text("the studio is already running"))
		return nil
	}
	fmt.Fprintln(d.e.stderr, d.e.text("starting the studio"))
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(d.dataDir, 0o700); err != nil {
		return err
	}
	if err := datadir.Check(d.dataDir); err != nil {
		return err
	}
	const create = os.O_CREATE | os.O_WRONLY | os.O_TRUNC | syscall.O_NOFOLLOW
	log, err := os.OpenFile(filepath.Join(d.dataDir, "serve.log"), create, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"serve", "--data-dir", d.dataDir, "--" + languageFlag, d.e.Language.String()}
	if d.e.configFile != "" {
		args = append(args, "--config", d.e.configFile)
	}
	serve := exec.Command(self, args...)
	serve.Stdout, serve.Stderr = log, log
	serve.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := serve.Start(); err != nil {
		return err
	}
	d.pid = serve.Process.Pid
	ended := make(chan struct{})
	go func() { _ = serve.Wait(); close(ended) }()
	return d.awaitStudio(ctx, ended, log.Name())
}

func (d *demo) awaitStudio(ctx context.Context, ended <-chan struct{}, log string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(startPatience)
	for {
		select {
		case <-tick.C:
			if d.reachable(ctx) {
				return nil
			}
		case <-ended:
			fmt.Fprintln(d.e.stderr, d.e.text("the studio did not start; its last lines:"))
			printTail(d.e.stderr, log)
			return exitWith(ExitError, "`apibr serve` ended")
		case <-deadline:
			return unreachable(d.address)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reachable says whether a studio answers and accepts this user's key.
func (d *demo) reachable(ctx context.Context) bool {
	s, err := d.e.connect()
	if err != nil {
		return false
	}
	response, err := s.client.GetMe(ctx)
	if s.do(response, err, nil) != nil {
		return false
	}
	d.s = s
	return true
}

func printTail(to io.Writer, path string) {
	const most = 4 << 10
	content, _ := os.ReadFile(path)
	_, _ = to.Write(content[max(0, len(content)-most):])
}

func (d *demo) makeProject(ctx context.Context) error {
	fmt.Fprintln(d.e.stderr, d.e.text("1/7 project %q", demoProject))
	var made struct {
		ID string `json:"id"`
	}
	body := jsonBody(map[string]any{"name": demoProject, "type": "mixed"})
	response, err := d.s.client.CreateProjectWithBody(ctx, nil, applicationJSON, body)
	if err := d.s.do(response, err, &made); err != nil {
		return err
	}
	d.project = made.ID
	return nil
}

// cloneVoice clones the sample once; a second demo finds the voice.
func (d *demo) cloneVoice(ctx context.Context) (string, error) {
	var page struct {
		Data []struct {
			ID, Name, Status string
		} `json:"data"`
	}
	response, err := d.s.client.ListVoices(ctx, nil)
	if err := d.s.do(response, err, &page); err != nil {
		return "", err
	}
	for _, v := range page.Data {
		if v.Name == demoVoice && v.Status == "ready" {
			return v.ID, nil
		}
	}
	r := newRequest()
	r.set("name", demoVoice) // no language: the sample is English, and what it is to speak is said with each text
	r.set("consent_note", "LibriVox, public domain")
	r.files["audio"] = filepath.Join(d.samples, "voice.wav")
	j, err := d.submit(
		ctx,
		d.e.text("3/7 cloning the voice %q", demoVoice),
		submitting((*apiclient.Client).CloneVoiceWithBody),
		r,
	)
	if err != nil {
		return "", err
	}
	return *j.VoiceID, nil
}

func (d *demo) makePicture(ctx context.Context) (string, error) {
	r := newRequest()
	r.set("prompt", demoPrompt)
	r.set("width", 768)
	r.set("height", 768)
	seed := int64(1)
	r.set("seed", &seed)
	j, err := d.submit(
		ctx,
		d.e.text("5/7 picture from %q", demoPrompt),
		submitting((*apiclient.Client).GenerateImageWithBody),
		r,
	)
	if err != nil {
		return "", err
	}
	return j.Outputs[0].ID, nil
}

// speak says the sentence, with the voice or, when that is "", with the studio's own.
func (d *demo) speak(ctx context.Context, text, name, what, voice string) error {
	r := newRequest()
	r.set("text", demoSpeech)
	r.set("language", "pt-BR")
	if voice != "" {
		r.set("voice_id", voice)
	}
	j, err := d.submit(ctx, text, submitting((*apiclient.Client).GenerateSpeechWithBody), r)
	if err != nil {
		return err
	}
	return d.keep(ctx, j, name, what)
}

func (d *demo) makeAvatar(ctx context.Context, text, name, what, image, voice string) error {
	r := newRequest()
	if err := r.media("image", image); err != nil {
		return err
	}
	r.set("script", demoSpeech)
	r.set("language", "pt-BR")
	if voice != "" {
		r.set("voice_id", voice)
	}
	j, err := d.submit(ctx, text, submitting((*apiclient.Client).CreateAvatarWithBody), r)
	if err != nil {
		return err
	}
	return d.keep(ctx, j, name, what)
}

// keep downloads what a step has made.
func (d *demo) keep(ctx context.Context, j *job, name, what string) error {
	path, err := filepath.Abs(filepath.Join(d.output, name))
	if err != nil {
		return err
	}
	if err := d.s.downloadFile(ctx, d.s.file(j.Outputs[0].ID), path); err != nil {
		return err
	}
	d.made = append(d.made, demoFile{what, path})
	return nil
}

// submit sends one step in draft quality and shows it to its end.
func (d *demo) submit(ctx context.Context, text string, call submitCall, r *request) (*job, error) {
	r.set("quality", "draft")
	r.set("project_id", d.project)
	made, err := d.s.submit(ctx, call, r)
	if err != nil {
		return nil, err
	}
	ended, err := d.s.waitAsking(ctx, made.ID, text, d.e)
	if err != nil {
		return nil, err
	}
	if ended.Status != "completed" {
		return nil, d.e.finish(ctx, d.s, ended, "")
	}
	return ended, nil
}

func (d *demo) farewell(cmd *cobra.Command) error {
	link, err := d.s.oneTimeLink(cmd)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.e.stderr, "\n%s\n", d.e.text("Your files:"))
	for _, file := range d.made {
		fmt.Fprintln(d.e.stderr, file.what)
		fmt.Fprintln(d.e.stdout, file.path)
	}
	fmt.Fprintf(d.e.stderr, "\n%s\n%s\n\n", d.e.text(openLink), link)
	fmt.Fprintln(d.e.stderr, d.e.text(
		"The photograph is a NASA portrait and the sample voice a LibriVox reader: demonstration only, no endorsement.",
	))
	if d.pid > 0 {
		fmt.Fprintln(d.e.stderr, d.e.text("The studio goes on running. Stop it with: kill %d", d.pid))
	}
	return nil
}
