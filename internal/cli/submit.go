package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

// submission holds the flags that every command that makes a job has.
type submission struct {
	output   string
	noWait   bool
	quality  string
	model    string
	project  string
	seed     int64
	format   string
	formats  []string // of what the command makes; none when it makes no file
	priority int
}

func (f *submission) register(cmd *cobra.Command, formats ...string) {
	flags := cmd.Flags()
	f.formats = formats
	flags.StringVarP(&f.output, "output", "o", "", "write the result to FILE, or to standard output with -")
	flags.BoolVar(&f.noWait, "no-wait", false, "print the job's id and return at once")
	flags.Bool("wait", true, "wait until the job has ended")
	flags.StringVar(&f.quality, "quality", "", "draft or final (default: final if the engine is installed, else draft)")
	flags.StringVar(&f.model, "model", "", "which model to use")
	flags.StringVar(&f.project, "project", "", "id of the project that the result belongs to")
	flags.Int64Var(&f.seed, "seed", 0, "the same seed gives the same result (default: random)")
	if len(formats) > 0 {
		flags.StringVar(&f.format, "format", "", "file format: "+strings.Join(formats, ", "))
	}
	flags.IntVar(&f.priority, "priority", 0, "-10 to 10, higher runs earlier")
}

func (f *submission) fill(cmd *cobra.Command, lang language, r *request) error {
	if wait, _ := cmd.Flags().GetBool("wait"); !wait {
		f.noWait = true
	}
	if f.noWait && f.output != "" {
		return exitWith(ExitUsage, "-o needs the result: leave out --no-wait")
	}
	format, err := f.chooseFormat(lang)
	if err != nil {
		return err
	}
	r.set("quality", f.quality)
	r.set("model", f.model)
	r.set("project_id", f.project)
	r.set("output_format", format)
	r.set("priority", f.priority)
	if cmd.Flags().Changed("seed") {
		r.set("seed", &f.seed)
	}
	return nil
}

// run submits, waits, saves: what all submit commands do once their request is filled.
func (f *submission) run(cmd *cobra.Command, e *environment, title string, call func(*apiclient.Client) submitCall, r *request) error {
	if err := f.fill(cmd, e.lang, r); err != nil {
		return err
	}
	s, err := e.connect()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	made, err := s.submit(ctx, call(s.client), r)
	if err != nil {
		return err
	}
	if f.noWait {
		if e.json {
			return e.printJSON(made.raw)
		}
		fmt.Fprintln(e.stdout, made.ID)
		fmt.Fprintln(e.stderr, s.lang.text("submitted", made.ID, made.ID))
		return nil
	}
	ended, err := s.waitAsking(ctx, made.ID, title, e)
	if err != nil {
		return err
	}
	return e.conclude(ctx, s, ended, f.output)
}

// conclude reports an ended job and saves its outputs; the exit code tells how it ended.
func (e *environment) conclude(ctx context.Context, s *studio, j *job, output string) error {
	for _, w := range j.Warnings {
		fmt.Fprintln(e.stderr, s.lang.text("warning", w.Message))
	}
	if e.json && output != "-" {
		if err := e.printJSON(j.raw); err != nil {
			return err
		}
	}
	switch j.Status {
	case "failed":
		reason := ""
		if j.Error != nil {
			reason = j.Error.Error()
		}
		return exitWith(ExitJobFailed, "%s", s.lang.text("job_failed", reason))
	case "canceled":
		return exitWith(ExitJobCanceled, "%s", s.lang.text("job_canceled"))
	}
	if output != "" {
		return e.save(ctx, s, j, output)
	}
	if !e.json {
		for _, out := range j.Outputs {
			if out.Kind != "data" {
				fmt.Fprintln(e.stdout, out.URL)
			}
		}
	}
	return nil
}

// save writes the outputs to a file, to name-2.ext and so on when there are several, or the first to standard output.
func (e *environment) save(ctx context.Context, s *studio, j *job, output string) error {
	n := 0
	for _, out := range j.Outputs {
		if out.Kind == "data" {
			continue
		}
		n++
		if output == "-" {
			return s.download(ctx, out.ID, e.stdout)
		}
		if err := checkName(s.lang, output, out.Filename); err != nil {
			return err
		}
		path := output
		if n > 1 {
			extension := filepath.Ext(output)
			path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(output, extension), n, extension)
		}
		if err := s.downloadFile(ctx, out.ID, path); err != nil {
			return err
		}
		fmt.Fprintln(e.stderr, s.lang.text("saved", path))
	}
	return nil
}

func (s *studio) download(ctx context.Context, asset string, to io.Writer) error {
	response, err := s.client.GetFile(ctx, asset, nil)
	if err != nil {
		return s.unreachable(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return s.refused(response)
	}
	_, err = io.Copy(to, response.Body)
	return err
}

func (s *studio) downloadInto(ctx context.Context, asset, path string) error {
	target, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return exitWith(ExitError, "cannot write %s: %v", path, err)
	}
	defer target.Close()
	return s.download(ctx, asset, target)
}

// downloadFile writes to a temporary file first: a broken download never looks like a result.
func (s *studio) downloadFile(ctx context.Context, asset, path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return s.downloadInto(ctx, asset, path) // a device or pipe: written to, never replaced
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".apibr-*")
	if err != nil {
		return exitWith(ExitError, "cannot write %s: %v", path, err)
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if err := s.download(ctx, asset, temporary); err != nil {
		return err
	}
	const readable = 0o644
	if err := temporary.Chmod(readable); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
