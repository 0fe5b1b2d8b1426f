package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
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
	cmd := &cobra.Command{Use: "install MODEL", Short: "Download a model, go on with a download, or repair a model", Args: cobra.ExactArgs(1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			return e.install(cmd.Context(), s, args[0], variant, accept)
		})}
	cmd.Flags().StringVar(&variant, "variant", "", "precision of the weights, such as Q5_K_S (default: the model's own default)")
	cmd.Flags().BoolVar(&accept, "accept-licence", false, "you have read the model's licence and accept it")
	return cmd
}

func cancelInstallCommand(e *environment) *cobra.Command {
	return &cobra.Command{Use: "cancel MODEL", Short: "Cancel the installation of a model", Args: cobra.ExactArgs(1),
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
		return exitWith(ExitInterrupted, "%s", s.lang.text("install_goes_on", id))
	case err != nil:
		return err
	case ended.Status == "failed" && ended.Error != nil:
		return exitWith(ExitJobFailed, "%s", ended.Error.Detail)
	case ended.Status == "canceled":
		return exitWith(ExitJobCanceled, "%s", s.lang.text("canceled"))
	}
	if e.json {
		return e.encode(map[string]any{"model": id, "status": ended.Status, "bytes": ended.TotalBytes})
	}
	_, err = fmt.Fprintf(e.stdout, "✓ %s  %s\n", id, sizeText(ended.TotalBytes))
	return err
}

// acceptsLicence shows what the model comes under and asks once, where somebody can be asked.
func (e *environment) acceptsLicence(ctx context.Context, s *studio, model *remoteModel, accept bool) (bool, error) {
	l := model.Licence
	if !l.Accept || l.AcceptedAt != nil {
		return accept, nil
	}
	commercial := s.lang.text(map[bool]string{true: "licence_commercial", false: "licence_not_commercial"}[l.Commercial])
	if text := s.licenceText(ctx, model.ID); text != "" && !accept && e.interactive() {
		fmt.Fprintf(e.stderr, "\n%s\n\n", strings.TrimSpace(text))
	}
	fmt.Fprintln(e.stderr, s.lang.text("licence_shown", model.Name, l.Name, l.URL, commercial))
	if accept {
		return true, nil
	}
	if !e.interactive() {
		return false, exitWith(ExitUsage, "%s", s.lang.text("licence_flag"))
	}
	fmt.Fprint(e.stderr, s.lang.text("licence_ask"))
	line, _ := bufio.NewReader(e.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "s", "sim":
		return true, nil
	default:
		return false, exitWith(ExitUsage, "%s", s.lang.text("licence_flag"))
	}
}

// licenceText is the text itself; "" where the hub does not give it: the address of it is shown then.
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

// look is how often an installation is looked at: there is no stream of a model, and a bar need not be smoother.
const look = 500 * time.Millisecond

// watchModel shows a task until it has ended. A studio that goes away is waited for: what it downloads outlives it.
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
				show.note(s.lang.text("waiting_studio"))
			}
			away = true
		case err != nil:
			return nil, err
		case model.Task == nil || model.Task.ID != task:
			return nil, errors.New(s.lang.text("install_replaced"))
		default:
			if away {
				show.note(s.lang.text("back"))
			}
			away = false
			t := model.Task
			text := s.lang.text(map[string]string{"queued": "queued", "running": "processing"}[t.Status])
			if t.TotalBytes > 0 {
				text = sizeText(t.DoneBytes) + " / " + sizeText(t.TotalBytes)
			}
			if t.Status != "queued" && t.Status != "running" {
				show.update(progressState{status: t.Status, text: s.lang.text(t.Status), fraction: t.Progress})
				return t, nil
			}
			show.update(progressState{status: "processing", text: text, fraction: t.Progress})
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(look):
		}
	}
}
