package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/i18n"
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
	formats  []string // that the command can write; none when it makes no file
	priority int
}

// submitCall is one of the client's operations that make a job.
type submitCall func(
	client *apiclient.Client, ctx context.Context, contentType string, body io.Reader,
	editors ...apiclient.RequestEditorFn,
) (*http.Response, error)

// submitting calls an operation without its optional parameters.
func submitting[P any](operation func(
	*apiclient.Client, context.Context, *P, string, io.Reader, ...apiclient.RequestEditorFn,
) (*http.Response, error)) submitCall {
	return func(
		client *apiclient.Client, ctx context.Context, contentType string, body io.Reader,
		editors ...apiclient.RequestEditorFn,
	) (*http.Response, error) {
		return operation(client, ctx, nil, contentType, body, editors...)
	}
}

func (f *submission) register(e *environment, cmd *cobra.Command, formats ...string) {
	flags := cmd.Flags()
	f.formats = formats
	registerOutput(e, cmd, &f.output)
	flags.BoolVar(&f.noWait, "no-wait", false, e.text("print the job's id and return at once"))
	flags.Bool("wait", true, e.text("wait until the job has ended"))
	flags.StringVar(&f.quality, "quality", "",
		e.text("draft or final (default: final if the engine is installed, else draft)"))
	flags.StringVar(&f.model, "model", "", e.text("which model to use"))
	flags.StringVar(&f.project, "project", "", e.text("id of the project that the result belongs to"))
	flags.Int64Var(&f.seed, "seed", 0, e.text("the same seed gives the same result (default: random)"))
	if len(formats) > 0 {
		flags.StringVar(&f.format, "format", "", e.text("file format: %s", i18n.Commas(formats...)))
	}
	flags.IntVar(&f.priority, "priority", 0, e.text("-10 to 10; higher runs earlier"))
}

// registerOutput adds -o to a command that has a result.
func registerOutput(e *environment, cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "",
		e.text("write the result to this file, or to standard output with -"))
}

func (f *submission) fill(cmd *cobra.Command, r *request) error {
	if wait, _ := cmd.Flags().GetBool("wait"); !wait {
		f.noWait = true
	}
	if f.noWait && f.output != "" {
		return exitWith(ExitUsage, "-o needs the result: leave out --no-wait")
	}
	format, err := f.chooseFormat()
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
func (f *submission) run(cmd *cobra.Command, e *environment, call submitCall, r *request) error {
	s, ended, err := f.wait(cmd, e, call, r)
	if err != nil || ended == nil {
		return err
	}
	return e.finish(cmd.Context(), s, ended, f.output)
}

// wait submits and waits for the end of the job. The job is nil when the command does not wait.
func (f *submission) wait(cmd *cobra.Command, e *environment, call submitCall, r *request) (*studio, *job, error) {
	if err := f.fill(cmd, r); err != nil {
		return nil, nil, err
	}
	s, err := e.connect()
	if err != nil {
		return nil, nil, err
	}
	ctx := cmd.Context()
	made, err := s.submit(ctx, call, r)
	if err != nil {
		return nil, nil, err
	}
	if f.noWait {
		if e.json {
			return s, nil, e.printJSON(made.raw)
		}
		fmt.Fprintln(e.stdout, made.ID)
		fmt.Fprintln(e.stderr, s.text("job %s is queued; follow it with: apibr jobs watch %s", made.ID, made.ID))
		return s, nil, nil
	}
	ended, err := s.waitAsking(ctx, made.ID, cmd.Name(), e)
	return s, ended, err
}

// finish reports an ended job and saves its outputs; the exit code tells how it ended.
func (e *environment) finish(ctx context.Context, s *studio, j *job, output string) error {
	if err := e.report(s, j, output); err != nil {
		return err
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

// report shows the warnings of an ended job, and the job itself with --json. The error tells of one that did not
// complete.
func (e *environment) report(s *studio, j *job, output string) error {
	for _, w := range j.Warnings {
		fmt.Fprintln(e.stderr, s.text("note: %s", w.Message))
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
		return exitWith(ExitJobFailed, "the job failed: %s", reason)
	case "canceled":
		return exitWith(ExitJobCanceled, "the job was canceled")
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
			return s.download(ctx, s.file(out.ID), e.stdout)
		}
		if err := checkName(output, out.Filename); err != nil {
			return err
		}
		path := output
		if n > 1 {
			extension := filepath.Ext(output)
			path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(output, extension), n, extension)
		}
		if err := s.downloadFile(ctx, s.file(out.ID), path); err != nil {
			return err
		}
		fmt.Fprintln(e.stderr, s.text("saved %s", path))
	}
	return nil
}

// content is a call that answers with the bytes of a file.
type content func(ctx context.Context) (*http.Response, error)

func (s *studio) file(asset string) content {
	return func(ctx context.Context) (*http.Response, error) { return s.client.GetFile(ctx, asset, nil) }
}

func (s *studio) download(ctx context.Context, from content, to io.Writer) error {
	response, err := from(ctx)
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

func (s *studio) downloadInto(ctx context.Context, from content, path string) error {
	target, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return exitWith(ExitError, "%s cannot be written: %s", path, datadir.FileProblem(err))
	}
	defer target.Close()
	return s.download(ctx, from, target)
}

// downloadFile writes to a temporary file first: a broken download never looks like a result.
func (s *studio) downloadFile(ctx context.Context, from content, path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return s.downloadInto(ctx, from, path) // a device or pipe: written to, never replaced
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".apibr-*")
	if err != nil {
		return exitWith(ExitError, "%s cannot be written: %s", path, datadir.FileProblem(err))
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if err := s.download(ctx, from, temporary); err != nil {
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
