package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

var update = flag.Bool("update", false, "write the golden files of the help")

// tree builds the commands in a language, as Main does, by their paths.
func tree(tag language.Tag) map[string]*cobra.Command {
	e := &environment{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, locale: inLanguage(tag)}
	root := newRoot(e)
	root.InitDefaultHelpCmd()
	commands := map[string]*cobra.Command{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		commands[cmd.CommandPath()] = cmd
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(root)
	return commands
}

// textsOf a command that people read, by where they stand.
func textsOf(cmd *cobra.Command) map[string]string {
	texts := map[string]string{"short": cmd.Short}
	if cmd.Long != "" {
		texts["long"] = cmd.Long
	}
	if strings.Contains(cmd.Example, `"`) { // others hold names only
		texts["example"] = cmd.Example
	}
	if _, names, found := strings.Cut(cmd.Use, " "); found && names != "ID" {
		texts["arguments"] = names
	}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) { texts["--"+flag.Name] = flag.Usage })
	return texts
}

func TestEveryTextOfEveryCommandExistsInEachLanguage(t *testing.T) {
	english := tree(language.English)
	require.Greater(t, len(english), 40)
	for _, tag := range i18n.Default().Languages()[1:] {
		commands := tree(tag)
		require.Len(t, commands, len(english))
		for path, cmd := range commands {
			said := textsOf(english[path])
			for place, text := range textsOf(cmd) {
				require.NotEmpty(t, text, "%s %s", path, place)
				require.NotContains(t, text, "%!", "%s %s", path, place)
				if path != "apibr" || place != "short" { // the product's name
					require.NotEqual(t, said[place], text, "%s %s in %s", path, place, tag)
				}
			}
		}
	}
}

// The words of cobra and pflag exist in English only: none of them may be left.
var wordsOfCobra = regexp.MustCompile(`Usage:|Flags:|Available Commands|Examples:|\[flags\]|\(default|help for|` +
	`unknown|invalid|needs an argument|did you mean|Run '|accepts|required flag|\bstring\b|\bfloat\b|\bint\b`)

func TestHelpFitsAHundredColumnsInEachLanguage(t *testing.T) {
	for _, tag := range i18n.Default().Languages() {
		for path := range tree(tag) {
			var stdout, stderr bytes.Buffer
			args := append(strings.Fields(path)[1:], "--help", "--lang", tag.String())
			require.Zero(t, Main(args, strings.NewReader(""), &stdout, &stderr), "%v: %s", args, stderr.String())
			require.Empty(t, stderr.String(), args)
			for _, line := range strings.Split(stdout.String(), "\n") {
				require.LessOrEqual(t, runewidth.StringWidth(line), 100, "%v: %s", args, line)
			}
			if tag != language.English {
				require.Empty(t, wordsOfCobra.FindAllString(stdout.String(), -1), args)
			}
		}
	}
}

// The flags of a table begin at one column and their texts at another, whatever letters stand between.
func TestHelpIsAsReviewed(t *testing.T) {
	t.Setenv("APIBR_SERVER", "")
	for _, tag := range i18n.Default().Languages() {
		for name, args := range map[string][]string{"apibr": {"--help"}, "speech": {"speech", "--help"}} {
			var stdout, stderr bytes.Buffer
			require.Zero(t, Main(append(args, "--lang="+tag.String()), strings.NewReader(""), &stdout, &stderr))
			golden := filepath.Join("testdata", "help", name+"."+tag.String()+".txt")
			if *update {
				require.NoError(t, os.WriteFile(golden, stdout.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err, "write it with go test ./internal/cli -update, and read it")
			require.Equal(t, string(want), stdout.String())
		}
	}
}
