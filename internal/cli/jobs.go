package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

func jobsCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "jobs", Short: e.text("List, watch, cancel and retry jobs")}
	cmd.AddCommand(
		jobsListCommand(e),
		jobsShowCommand(e),
		jobsWatchCommand(e),
		jobsCancelCommand(e),
		jobsRetryCommand(e),
	)
	return cmd
}

func jobsListCommand(e *environment) *cobra.Command {
	var status, kind string
	var limit int64
	cmd := &cobra.Command{
		Use: "list", Short: e.text("List jobs, newest first"), Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := e.connect()
			if err != nil {
				return err
			}
			parameters := &apiclient.ListJobsParams{Limit: &limit}
			if status != "" {
				parameters.Status = &status
			}
			if kind != "" {
				parameters.Type = &kind
			}
			response, err := s.client.ListJobs(cmd.Context(), parameters)
			heading := e.text("ID\tTYPE\tSTATUS\tQUALITY\tPROGRESS\tCREATED")
			return list(e, s.answer(response, err), heading, func(w io.Writer, j job) {
				state := s.word(states, j.Status)
				if why := s.why(&j); why != "" && j.Status == "queued" {
					state += ", " + why
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f %%\t%s\n", j.ID, j.Type, state, s.word(qualities, j.Quality),
					j.Progress*100, localTime(j.CreatedAt))
			})
		},
	}
	cmd.Flags().StringVar(&status, "status", "", e.text("queued, processing, completed, failed or canceled"))
	cmd.Flags().StringVar(&kind, "type", "", e.text("such as audio.speech or video.avatar"))
	cmd.Flags().Int64Var(&limit, "limit", 20, e.text("how many"))
	return cmd
}

// oneJob makes a command that takes a job's id.
func oneJob(
	e *environment, use, short string, run func(cmd *cobra.Command, s *studio, id string) error,
) *cobra.Command {
	return &cobra.Command{
		Use: use + " ID", Short: short, Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := e.connect()
			if err != nil {
				return err
			}
			return run(cmd, s, args[0])
		},
	}
}

func jobsShowCommand(e *environment) *cobra.Command {
	return oneJob(
		e,
		"show",
		e.text("Show everything about a job"),
		func(cmd *cobra.Command, s *studio, id string) error {
			j, err := s.getJob(cmd.Context(), id)
			if err != nil {
				return err
			}
			if e.json {
				return e.printJSON(j.raw)
			}
			return e.printIndented(j.raw)
		},
	)
}

func jobsWatchCommand(e *environment) *cobra.Command {
	var output string
	cmd := oneJob(e, "watch", e.text("Follow a job to its end"), func(cmd *cobra.Command, s *studio, id string) error {
		ended, err := s.waitAsking(cmd.Context(), id, s.text("job"), e)
		if err != nil {
			return err
		}
		return e.finish(cmd.Context(), s, ended, output)
	})
	registerOutput(e, cmd, &output)
	return cmd
}

func jobsCancelCommand(e *environment) *cobra.Command {
	return oneJob(e, "cancel", e.text("Cancel a job"), func(cmd *cobra.Command, s *studio, id string) error {
		response, err := s.client.CancelJob(cmd.Context(), id)
		return e.printJob(s, s.answer(response, err))
	})
}

func jobsRetryCommand(e *environment) *cobra.Command {
	return oneJob(
		e,
		"retry",
		e.text("Run a failed or canceled job again"),
		func(cmd *cobra.Command, s *studio, id string) error {
			response, err := s.client.RetryJob(cmd.Context(), id)
			return e.printJob(s, s.answer(response, err))
		},
	)
}

// printJob decodes a job and prints its state.
func (e *environment) printJob(s *studio, decode func(out any) error) error {
	var j job
	if err := decode(&j); err != nil {
		return err
	}
	if e.json {
		return e.printJSON(j.raw)
	}
	fmt.Fprintf(e.stdout, "%s  %s\n", j.ID, s.stateOf(&j).text)
	return nil
}

// list decodes a page and prints its rows below a heading, or the page as JSON.
func list[T any](e *environment, decode func(out any) error, heading string, row func(w io.Writer, entry T)) error {
	var raw json.RawMessage
	if err := decode(&raw); err != nil {
		return err
	}
	if e.json {
		return e.printJSON(raw)
	}
	var page struct {
		Data []T `json:"data"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return fmt.Errorf("read the studio's answer: %w", err)
	}
	if len(page.Data) == 0 {
		fmt.Fprintln(e.stderr, e.text("nothing here yet"))
		return nil
	}
	return e.table(func(w io.Writer) {
		fmt.Fprintln(w, heading)
		for _, entry := range page.Data {
			row(w, entry)
		}
	})
}

func (e *environment) printIndented(raw []byte) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	encoder := json.NewEncoder(e.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// localTime shows an RFC 3339 time in the user's own zone.
func localTime(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.Local().Format("2006-01-02 15:04:05")
}

func (e *environment) printJSON(raw []byte) error {
	_, err := fmt.Fprintf(e.stdout, "%s\n", raw)
	return err
}
