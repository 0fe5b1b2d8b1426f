package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
)

// Where --server names a studio, it is asked for its own models.

// asksServer says whether the command is about the models of a studio that was named.
func (e *environment) asksServer() bool { return e.connection.Server != "" }

// fullModel is what `models list` and `models show` tell of a studio's model.
type fullModel struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Engine      string         `json:"engine"`
	Description i18n.Text      `json:"description"`
	Languages   []string       `json:"languages"`
	Licence     engine.Licence `json:"licence"`
	Gated       bool           `json:"gated"`
	NeedsFiles  bool           `json:"needs_files"`
	SizeBytes   int64          `json:"size_bytes"`
	Pinned      bool           `json:"pinned"`
	Installed   bool           `json:"installed"`
	Source      string         `json:"source"`
	Variants    []struct {
		ID        string `json:"id"`
		Installed bool   `json:"installed"`
	} `json:"variants"`
}

func (m *fullModel) view() modelView {
	v := modelView{
		ID: m.ID, Name: m.Name, Engine: m.Engine, Licence: m.Licence, Gated: m.Gated, Variants: []string{},
		Installed: []string{}, SizeBytes: m.SizeBytes, Pinned: m.Pinned, Languages: m.Languages, Source: m.Source,
		description: m.Description,
	}
	for _, variant := range m.Variants {
		v.Variants = append(v.Variants, variant.ID)
		if variant.Installed {
			v.Installed = append(v.Installed, variant.ID)
		}
	}
	return v
}

// serverModels are the views of the named studio's models that have files.
func (e *environment) serverModels(ctx context.Context) ([]modelView, error) {
	s, err := e.connect()
	if err != nil {
		return nil, err
	}
	var list struct {
		Data []fullModel `json:"data"`
	}
	response, err := s.client.ListModels(ctx)
	if err := s.do(response, err, &list); err != nil {
		return nil, err
	}
	views := []modelView{}
	for i := range list.Data {
		if list.Data[i].NeedsFiles {
			views = append(views, list.Data[i].view())
		}
	}
	return views, nil
}

// verifyOnServer lets the named studio read the models, and waits.
func (e *environment) verifyOnServer(ctx context.Context, ids []string) error {
	s, err := e.connect()
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		views, err := e.serverModels(ctx)
		if err != nil {
			return err
		}
		for i := range views {
			if len(views[i].Installed) > 0 {
				ids = append(ids, views[i].ID)
			}
		}
	}
	watching, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	broken := 0
	for _, id := range ids {
		var task remoteTask
		response, err := s.client.VerifyModel(watching, id)
		if err := s.do(response, err, &task); err != nil {
			return err
		}
		ended, err := s.watchModel(watching, id, task.ID, newDisplay(e.stderr, id, e.quiet))
		switch {
		case err != nil:
			return err
		case ended.Error != nil:
			return withCode(ExitError, &refusal{Detail: ended.Error.Detail})
		}
		for _, fault := range ended.Faults {
			broken++
			fmt.Fprintf(e.stdout, "✗ %s  %s: %s\n", id, fault.Path, e.word(fileFaults, fault.Why))
		}
		if len(ended.Faults) == 0 && !e.quiet {
			fmt.Fprintf(e.stdout, "✓ %s\n", id)
		}
	}
	if broken > 0 {
		return errBroken
	}
	return nil
}

// The words of `models remove`, `pin` and `unpin`.
const (
	removing  = "remove"
	pinning   = "pin"
	unpinning = "unpin"
)

// onServer does one of them with each model of the named studio.
func (e *environment) onServer(ctx context.Context, what string, ids []string) error {
	s, err := e.connect()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if what == removing {
			response, err := s.client.DeleteModel(ctx, id)
			err = s.do(response, err, nil)
			if err != nil {
				return err
			}
		} else {
			pinned := jsonBody(map[string]any{"pinned": what == pinning})
			response, err := s.client.UpdateModelWithBody(ctx, id, applicationJSON, pinned)
			if err := s.do(response, err, nil); err != nil {
				return err
			}
		}
		if !e.quiet {
			fmt.Fprintf(e.stdout, "✓ %s\n", id)
		}
	}
	return nil
}
