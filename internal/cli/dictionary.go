package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/apibr/studio/internal/apiclient"
)

// The commands about how words are said.

// saidWord is an entry of the user's dictionary.
type saidWord struct {
	ID       string  `json:"id"`
	Word     string  `json:"word"`
	Say      string  `json:"say"`
	Language *string `json:"language"`
	Project  *string `json:"project_id"`
}

// wordPlace says where an entry counts, by the flags of a command.
type wordPlace struct{ language, project string }

func (p *wordPlace) register(e *environment, cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.language, "language", "",
		e.text("only in texts of this language, such as pt-BR (default: in all)"))
	cmd.Flags().StringVar(&p.project, "project", "", e.text("only in requests of the project with this id"))
}

// params of a listing.
func (p *wordPlace) params() *apiclient.ListPronunciationsParams {
	params := &apiclient.ListPronunciationsParams{}
	if p.language != "" {
		params.Language = &p.language
	}
	if p.project != "" {
		params.Project = &p.project
	}
	return params
}

func wordsCommand(e *environment) *cobra.Command {
	cmd := wordsListCommand(e)
	cmd.Use, cmd.Short = "words", e.text("Say how words are pronounced: list, add, remove, hear")
	cmd.Example = e.text(`  apibr words add APIBR "A P I B R"
  apibr words say APIBR -o word.wav`)
	cmd.AddCommand(wordsListCommand(e), wordsAddCommand(e), wordsRemoveCommand(e), wordsSayCommand(e))
	return cmd
}

func wordsListCommand(e *environment) *cobra.Command {
	var place wordPlace
	cmd := &cobra.Command{Use: "list", Short: e.text("List the words of your dictionary"), Args: noArguments,
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, _ []string) error {
			response, err := s.client.ListPronunciations(cmd.Context(), place.params())
			heading := e.text("ID\tWORD\tSAY\tLANGUAGE\tPROJECT")
			return list(e, s.answer(response, err), heading, func(w io.Writer, word saidWord) {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", word.ID, word.Word, word.Say, orDash(word.Language),
					orDash(word.Project))
			})
		})}
	place.register(e, cmd)
	return cmd
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func wordsAddCommand(e *environment) *cobra.Command {
	var place wordPlace
	cmd := &cobra.Command{
		Use:   "add " + e.text("WORD SAY"),
		Short: e.text("Add a word with what is said for it"),
		Args:  arguments(2, 2),
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			r := newRequest()
			for i, name := range []string{"word", "say"} {
				text, err := inUTF8(name, args[i])
				if err != nil {
					return err
				}
				r.fields[name] = text
			}
			r.set("language", place.language)
			r.set("project_id", place.project)
			var made saidWord
			response, err := s.client.CreatePronunciationWithBody(cmd.Context(), nil, applicationJSON,
				jsonBody(r.fields))
			if err := s.do(response, err, &made); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, made.ID)
			return err
		}),
	}
	place.register(e, cmd)
	return cmd
}

func wordsRemoveCommand(e *environment) *cobra.Command {
	var place wordPlace
	cmd := &cobra.Command{
		Use:               "remove " + e.text("WORD"),
		Short:             e.text("Remove a word, named as it is written or by its id"),
		Args:              arguments(1, 1),
		ValidArgsFunction: e.completeWords,
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			id, err := s.findWord(cmd.Context(), args[0], place)
			if err != nil {
				return err
			}
			response, err := s.client.DeletePronunciation(cmd.Context(), id)
			return e.done(s, response, err)
		}),
	}
	place.register(e, cmd)
	return cmd
}

// findWord returns the id of the one entry that is meant.
func (s *studio) findWord(ctx context.Context, named string, place wordPlace) (string, error) {
	words, err := s.words(ctx, place)
	if err != nil {
		return "", err
	}
	id, found := "", 0
	for _, word := range words {
		if word.ID == named || strings.EqualFold(word.Word, strings.TrimSpace(named)) {
			id = word.ID
			found++
		}
	}
	switch found {
	case 0:
		return "", exitWith(ExitUsage, "there is no word %q in your dictionary: `apibr words` lists them", named)
	case 1:
		return id, nil
	}
	return "", exitWith(ExitUsage, "the word %q is there %d times: name its id, --language or --project", named, found)
}

func (s *studio) words(ctx context.Context, place wordPlace) ([]saidWord, error) {
	var page struct {
		Data []saidWord `json:"data"`
	}
	response, err := s.client.ListPronunciations(ctx, place.params())
	err = s.do(response, err, &page)
	return page.Data, err
}

// completeWords offers the words of the dictionary.
func (e *environment) completeWords(
	cmd *cobra.Command, args []string, _ string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := e.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words, _ := s.words(cmd.Context(), wordPlace{})
	offered := make([]string, 0, len(words))
	for _, word := range words {
		offered = append(offered, word.Word+"\t"+word.Say)
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

func wordsSayCommand(e *environment) *cobra.Command {
	var place wordPlace
	var voice, as string
	f := submission{formats: []string{"wav"}}
	cmd := &cobra.Command{
		Use:   "say " + e.text("WORD"),
		Short: e.text("Hear a word as the dictionary says it, or as --as says"),
		Example: e.text(`  apibr words say APIBR -o word.wav
  apibr words say APIBR --as "A P I B R" -o word.wav`),
		Args:              arguments(1, 1),
		ValidArgsFunction: e.completeWords,
		RunE: withStudio(e, func(cmd *cobra.Command, s *studio, args []string) error {
			if _, err := f.chooseFormat(); err != nil {
				return err
			}
			r := newRequest()
			for _, field := range []struct{ name, argument, value string }{
				{"word", e.text("WORD"), args[0]}, {"say", "--as", as}, {"voice_id", "--voice", voice},
				{"language", "--language", place.language}, {"project_id", "--project", place.project},
			} {
				text, err := inUTF8(field.argument, field.value)
				if err != nil {
					return err
				}
				r.set(field.name, text)
			}
			made, err := s.submit(cmd.Context(), submitting((*apiclient.Client).PreviewPronunciationWithBody), r)
			if err != nil {
				return err
			}
			ended, err := s.waitAsking(cmd.Context(), made.ID, cmd.Name(), e)
			if err != nil {
				return err
			}
			return e.finish(cmd.Context(), s, ended, f.output)
		}),
	}
	registerOutput(e, cmd, &f.output)
	flags := cmd.Flags()
	flags.StringVar(&as, "as", "", e.text("try this instead of what the dictionary says"))
	flags.StringVar(&voice, "voice", "", e.text("name or id of the voice (see `apibr voices`)"))
	flags.StringVar(&place.language, "language", "",
		e.text("language of the text, such as pt-BR or en (default: the voice's)"))
	flags.StringVar(&place.project, "project", "", e.text("id of the project whose words are used too"))
	return cmd
}
