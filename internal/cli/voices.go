package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/names"
)

// listedVoice is a voice as the studio lists it.
type listedVoice struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Status   string `json:"status"`
	Language string `json:"language"`
	Builtin  bool   `json:"builtin"`
	Sex      string `json:"sex"`
	Quality  string `json:"quality"`
	Default  bool   `json:"default"`
}

var sexes = words{
	"female": i18n.Say("female"),
	"male":   i18n.Say("male"),
}

func voicesCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "voices",
		Short: e.text("List, hear, rename and delete voices"),
		Args:  noArguments,
		RunE:  listVoices(e, nil),
	}
	cmd.AddCommand(
		voicesListCommand(e),
		voicesPreviewCommand(e),
		&cobra.Command{Use: "rename " + e.text("ID NAME"), Short: e.text("Rename a voice"), Args: arguments(2, 2),
			RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
				name, err := inUTF8(e.text("NAME"), args[1])
				if err != nil {
					return err
				}
				response, err := s.client.UpdateVoiceWithBody(
					cmd.Context(),
					args[0],
					applicationJSON,
					jsonBody(map[string]any{"name": name}),
				)
				return e.done(s, response, err)
			})},
		&cobra.Command{Use: "delete ID", Short: e.text("Delete a voice"), Args: arguments(1, 1),
			RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
				response, err := s.client.DeleteVoice(cmd.Context(), args[0])
				return e.done(s, response, err)
			})},
	)
	return cmd
}

func voicesListCommand(e *environment) *cobra.Command {
	var language, sex string
	cmd := &cobra.Command{Use: "list", Short: e.text("List voices"), Args: noArguments}
	cmd.Flags().StringVar(&language, "language", "", e.text("only voices of this language, such as pt-BR or en"))
	cmd.Flags().StringVar(&sex, "sex", "", e.text("only female or only male voices"))
	cmd.RunE = listVoices(e, func() *apiclient.ListVoicesParams {
		params := &apiclient.ListVoicesParams{}
		if language != "" {
			params.Language = &language
		}
		if sex != "" {
			wanted := apiclient.ListVoicesParamsSex(sex)
			params.Sex = &wanted
		}
		return params
	})
	return cmd
}

// listVoices shows the voices that params ask for; nil is all.
func listVoices(e *environment, params func() *apiclient.ListVoicesParams) func(*cobra.Command, []string) error {
	return withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
		var wanted *apiclient.ListVoicesParams
		if params != nil {
			wanted = params()
		}
		response, err := s.client.ListVoices(cmd.Context(), wanted)
		return list(
			e,
			s.answer(response, err),
			e.text("ID\tNAME\tSTATUS\tLANGUAGE\tSEX\tQUALITY\tBUILT-IN\tDEFAULT"),
			func(w io.Writer, v listedVoice) {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Name, s.word(states, v.Status), v.Language,
					s.word(sexes, v.Sex), s.word(qualities, v.Quality), s.yesNo(v.Builtin), s.yesNo(v.Default))
			},
		)
	})
}

func voicesPreviewCommand(e *environment) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "preview " + e.text("VOICE"),
		Short:   e.text("Save a recording of a voice, to hear it"),
		Example: e.text(`  apibr voices preview Dora -o dora.ogg`),
		Args:    arguments(1, 1),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			if _, err := checkTarget(output); err != nil {
				return err
			}
			id, err := s.voiceID(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			recording := func(ctx context.Context) (*http.Response, error) {
				return s.client.GetVoicePreview(ctx, id, nil)
			}
			if output == "-" {
				return s.download(cmd.Context(), recording, e.stdout)
			}
			if err := s.downloadFile(cmd.Context(), recording, output); err != nil {
				return err
			}
			fmt.Fprintln(e.stderr, s.text("saved %s", output))
			return nil
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", e.text("the file, or - for standard output (required)"))
	_ = cmd.MarkFlagRequired("output")
	return cmd
}

// voiceID is the id of a voice that is named by its id or its name.
func (s *studio) voiceID(ctx context.Context, idOrName string) (string, error) {
	var page struct {
		Data []listedVoice `json:"data"`
	}
	response, err := s.client.ListVoices(ctx, nil)
	if err := s.do(response, err, &page); err != nil {
		return "", err
	}
	known := make([]string, 0, len(page.Data))
	for _, v := range page.Data {
		if v.ID == idOrName || v.Name == names.Clean(idOrName) {
			return v.ID, nil
		}
		known = append(known, v.Name)
	}
	if near := names.Closest(idOrName, known); near != "" {
		return "", exitWith(ExitRefused, "there is no voice %q; did you mean %q?", names.Clip(idOrName), near)
	}
	return "", exitWith(ExitRefused, "there is no voice %q: `apibr voices` lists them", names.Clip(idOrName))
}
