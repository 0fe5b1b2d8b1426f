package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/i18n"
)

// The commands that install models go through the studio, which downloads also after the terminal has been closed.

// remoteModel is what these commands read of a model.
type remoteModel struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Licence remoteLicence `json:"licence"`
	Task    *remoteTask   `json:"task"`
}

type remoteLicence struct {
	Name       string  `json:"name"`
	URL        string  `json:"url"`
	Commercial bool    `json:"commercial"`
	Accept     bool    `json:"accept"`
	AcceptedAt *string `json:"accepted_at"`
}

type remoteTask struct {
	ID         string  `json:"id"`
	Status     string  `json:"status"`
	Progress   float64 `json:"progress"`
	DoneBytes  int64   `json:"done_bytes"`
	TotalBytes int64   `json:"total_bytes"`
	Error      *struct {
		Detail string `json:"detail"`
	} `json:"error"`
	Faults []struct {
		Path string `json:"path"`
		Why  string `json:"why"`
	} `json:"faults"`
}

func installCommand(e *environment) *cobra.Command {
	var variant string
	var accept bool
	cmd := &cobra.Command{Use: "install " + e.text("MODEL"),
		Short: e.text("Download a model, resume a download, or repair a model"), Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			return e.install(cmd.Context(), s, args[0], variant, accept)
		})}
	cmd.Flags().StringVar(&variant, "variant", "",
		e.text("precision of the weights, such as Q5_K_S (default: the model's own default)"))
	cmd.Flags().BoolVar(&accept, "accept-licence", false, e.text("you have read the model's licence and accept it"))
	return cmd
}

func cancelInstallCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "cancel " + e.text("MODEL"), Short: e.text("Cancel the installation of a model"),
		Args: arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			response, err := s.client.CancelModelTask(cmd.Context(), args[0])
			return e.done(s, response, err)
		})}
}

func (e *environment) install(ctx context.Context, s *studio, id, variant string, accept bool) error {
	model, err := s.getModel(ctx, id)
	if err != nil {
		return err
	}
	if accept, err = e.acceptsLicence(ctx, s, model, accept); err != nil {
		return err
	}
	fields := map[string]any{"accept_licence": accept}
	if variant != "" {
		fields["variant"] = variant
	}
	var task remoteTask
	response, err := s.client.InstallModelWithBody(ctx, id, applicationJSON, jsonBody(fields))
	if err := s.do(response, err, &task); err != nil {
		return err
	}
	watching, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	ended, err := s.watchModel(watching, id, task.ID, newDisplay(e.stderr, id, e.quiet))
	switch {
	case watching.Err() != nil && ctx.Err() == nil:
		return exitWith(
			ExitInterrupted,
			"the installation goes on in the studio; end it with `apibr models cancel %s`",
			id,
		)
	case err != nil:
		return err
	case ended.Status == "failed" && ended.Error != nil:
		return withCode(ExitJobFailed, &refusal{Detail: ended.Error.Detail})
	case ended.Status == "canceled":
		return &exitError{code: ExitJobCanceled, sentence: states["canceled"]}
	}
	if e.json {
		return e.encode(map[string]any{"model": id, "status": ended.Status, "bytes": ended.TotalBytes})
	}
	_, err = fmt.Fprintf(e.stdout, "✓ %s  %s\n", id, e.sizeText(ended.TotalBytes))
	return err
}

// acceptsLicence shows the model's licence and asks once, if somebody is at the terminal.
func (e *environment) acceptsLicence(ctx context.Context, s *studio, model *remoteModel, accept bool) (bool, error) {
	l := model.Licence
	if !l.Accept || l.AcceptedAt != nil {
		return accept, nil
	}
	commercial := s.text("Commercial use needs the maker's permission.")
	if l.Commercial {
		commercial = s.text("What it makes may be used commercially, within that licence.")
	}
	if text := s.licenceText(ctx, model.ID); text != "" && !accept && e.interactive() {
		fmt.Fprintf(e.stderr, "\n%s\n\n", strings.TrimSpace(text))
	}
	fmt.Fprintln(e.stderr, s.text("%s comes under the %s: %s", model.Name, l.Name, l.URL)+"\n"+commercial)
	if accept {
		return true, nil
	}
	if !e.interactive() {
		return false, errNotAccepted
	}
	fmt.Fprint(e.stderr, s.text("Have you read it, and do you accept it? [y/N]")+" ")
	line, _ := bufio.NewReader(e.stdin).ReadString('\n')
	agreed := i18n.Say("y, yes")
	for _, answers := range []string{agreed.For(s.Reader), agreed.String()} {
		if slices.Contains(strings.Split(answers, ", "), strings.ToLower(strings.TrimSpace(line))) {
			return true, nil
		}
	}
	return false, errNotAccepted
}

var errNotAccepted = exitWith(
	ExitUsage,
	"the licence was not accepted: read it, then repeat the command with --accept-licence",
)

// licenceText is the text itself; "" where the hub does not give it.
func (s *studio) licenceText(ctx context.Context, id string) string {
	var licence struct {
		Text string `json:"text"`
	}
	with := true
	response, err := s.client.GetModelLicence(ctx, id, &apiclient.GetModelLicenceParams{Text: &with})
	if s.do(response, err, &licence) != nil {
		return ""
	}
	return licence.Text
}

func (s *studio) getModel(ctx context.Context, id string) (*remoteModel, error) {
	var model remoteModel
	response, err := s.client.GetModel(ctx, id)
	if err := s.do(response, err, &model); err != nil {
		return nil, err
	}
	return &model, nil
}

// pollEvery is how often an installation's state is asked for: models have no event stream.
const pollEvery = 500 * time.Millisecond

// watchModel shows a task until it has ended. It waits for a studio that goes away, since downloads outlive it.
func (s *studio) watchModel(ctx context.Context, id, task string, show display) (*remoteTask, error) {
	defer show.close()
	away := false
	for {
		model, err := s.getModel(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errUnreachable):
			if !away {
				show.note(s.text(waitingForStudio))
			}
			away = true
		case err != nil:
			return nil, err
		case model.Task == nil || model.Task.ID != task:
			return nil, exitWith(ExitError, "another installation of this model has begun meanwhile")
		default:
			if away {
				show.note(s.text("the studio is back"))
			}
			away = false
			t := model.Task
			text := s.word(states, t.Status)
			if t.TotalBytes > 0 {
				text = s.sizeText(t.DoneBytes) + " / " + s.sizeText(t.TotalBytes)
			}
			if t.Status != "queued" && t.Status != "running" {
				show.update(progressState{status: t.Status, text: s.word(states, t.Status), fraction: t.Progress})
				return t, nil
			}
			show.update(progressState{status: "processing", text: text, fraction: t.Progress})
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}
