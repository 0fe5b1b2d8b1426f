package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

func TestTheFlagWinsOverAPIBRLangOverTheLocale(t *testing.T) {
	portuguese, english := language.BrazilianPortuguese, language.English
	for _, test := range []struct {
		args        string
		environment map[string]string
		want        language.Tag
	}{
		{"speech x", nil, english},
		{"speech x", map[string]string{"LANG": "pt_BR.UTF-8"}, portuguese},
		{"speech x", map[string]string{"LANG": "en_US.UTF-8", "LANGUAGE": "pt_BR:en"}, portuguese},
		{"speech x", map[string]string{"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, english},
		{"speech x", map[string]string{"LANG": "pt_BR.UTF-8", "APIBR_LANG": "en"}, english},
		{"speech x", map[string]string{"LANG": "C", "APIBR_LANG": "pt_BR.UTF-8"}, portuguese},
		{"--lang pt-BR speech x", map[string]string{"APIBR_LANG": "en"}, portuguese},
		{"speech x --lang=pt", map[string]string{"APIBR_LANG": "en"}, portuguese},
		{"speech --lang en x --lang pt_BR", nil, portuguese},
		{"speech --lang xx", map[string]string{"APIBR_LANG": "pt-BR"}, portuguese}, // which is refused in Portuguese
		{"speech -- --lang en", map[string]string{"APIBR_LANG": "pt-BR"}, portuguese},
		{"speech --lang", map[string]string{"APIBR_LANG": "pt-BR"}, portuguese},
	} {
		got := chooseLanguage(strings.Fields(test.args), func(name string) string { return test.environment[name] })
		require.Equal(t, test.want, got, "%s %v", test.args, test.environment)
	}
}

// A new language is a folder of translations: the command line knows it without a change of its code.
func TestANewLanguageNeedsNoCode(t *testing.T) {
	german := fstest.MapFS{"de/cli.json": {Data: []byte(`{"Speak a text in a cloned or built-in voice":
		"Spricht einen Text", "there is no language %q: choose one of %s": "keine Sprache %q: wähle %s"}`)}}
	c, err := i18n.Load(i18n.Embedded(), german)
	require.NoError(t, err)
	before := i18n.Default()
	i18n.SetDefault(c)
	t.Cleanup(func() { i18n.SetDefault(before) })

	stdout, stderr, code := runCommand(t, "speech", "--help", "--lang", "de")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Spricht einen Text")
	require.Contains(t, stdout, "de, pt-BR")
	_, stderr, code = runCommand(t, "--lang", "klingon", "speech", "--help")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "en, de, pt-BR")
}

func runCommand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, problems bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &problems)
	return out.String(), problems.String(), code
}

// Wrong usage is said in the user's language, with the exit codes of each.
func TestWrongUsageIsSaidInTheUsersLanguage(t *testing.T) {
	t.Setenv("APIBR_SERVER", "")
	for _, test := range []struct {
		args                string
		code                int
		english, portuguese string
	}{
		{"spech", ExitUsage, `there is no command "spech"; did you mean speech?`,
			`não existe o comando "spech"; você quis dizer speech?`},
		{"jobs lst", ExitUsage, `there is no command "lst"; did you mean list?`, "você quis dizer list?"},
		{"voices frobnicate", ExitUsage, `there is no command "frobnicate"; see`, "veja `apibr voices --help`"},
		{"completion tcsh", ExitUsage, `there is no command "tcsh"`, `não existe o comando "tcsh"`},
		{"speech x --vocie y", ExitUsage, "there is no flag --vocie; see `apibr speech --help`",
			"não existe a opção --vocie; veja `apibr speech --help`"},
		{"speech x -z", ExitUsage, "there is no flag -z", "não existe a opção -z"},
		{"speech x --voice", ExitUsage, "--voice needs a value", "--voice precisa de um valor"},
		{"speech x --speed fast", ExitUsage, `--speed: "fast" must be a number`, `--speed: "fast" deve ser um número`},
		{"image x --steps 1.5", ExitUsage, `"1.5" must be a whole number`, `"1.5" deve ser um número inteiro`},
		{"speech x --json=maybe", ExitUsage, `--json: "maybe" must be true or false`, "deve ser true ou false"},
		{"speech x ---", ExitUsage, "--- is not a flag", "--- não é uma opção"},
		{"speech a b", ExitUsage, `"b" is one argument too many`, `"b" é um argumento a mais`},
		{"jobs show", ExitUsage, "arguments are missing: `apibr jobs show ID`",
			"faltam argumentos: `apibr jobs show ID`"},
		{"version now", ExitUsage, `"now" is one argument too many`, `"now" é um argumento a mais`},
		{"transcribe none.mp4", ExitUsage, "FILE: there is no file none.mp4",
			"ARQUIVO: não existe o arquivo none.mp4"},
		{"avatar --image none.png", ExitUsage, "--image: there is no file none.png",
			"--image: não existe o arquivo none.png"},
		{"clone x.wav", ExitUsage, "this command needs --name; see", "este comando precisa de --name; veja"},
		{"speech", ExitUsage, "give the text as an argument", "informe o texto como argumento"},
		{"speech --file /none/x.txt", ExitUsage, "there is no such file", "não existe"},
		{"speech --lang xx", ExitUsage, `there is no language "xx": choose one of en, pt-BR`, `o idioma "xx"`},
		{"--config /none.yaml voices", ExitUsage, "there is no configuration file /none.yaml",
			"não existe o arquivo de configuração /none.yaml"},
		{"voices --server http://127.0.0.1:9 --token x", ExitUnreachable,
			"no studio answers at http://127.0.0.1:9: start",
			"nenhum estúdio responde em http://127.0.0.1:9: inicie"},
		{"voices --server 127.0.0.1:9 --token x", ExitUsage, "name it as http://HOST:PORT", "http://HOST:PORTA"},
	} {
		for tag, want := range map[string]string{"en": test.english, "pt-BR": test.portuguese} {
			t.Setenv("APIBR_LANG", tag)
			stdout, stderr, code := runCommand(t, strings.Fields(test.args)...)
			require.Equal(t, test.code, code, "%s: %s", test.args, stderr)
			require.Contains(t, stderr, want, test.args)
			require.Empty(t, stdout, test.args)
			require.Empty(t, wordsOfCobra.FindAllString(strings.ReplaceAll(stderr, "did you mean", ""), -1), stderr)
		}
	}
}

// A file that cannot be sent is not the fault of the studio.
func TestAFileThatCannotBeUploadedIsNamed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(server.Close)
	for path, want := range map[string]string{
		"/none/x.png": "/none/x.png: esse arquivo ou essa pasta não existe",
		t.TempDir():   "é uma pasta",
	} {
		_, stderr, code := runCommand(t, "assets", "upload", path,
			"--server", server.URL, "--token", "x", "--lang", "pt-BR")
		require.Equal(t, ExitUsage, code, stderr)
		require.Contains(t, stderr, want)
	}
}

// The studio is asked in the user's language, and for sentences that name commands.
func TestTheStudioLearnsTheLanguageAndTheDoor(t *testing.T) {
	var headers http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = r.Header
		_, _ = io.WriteString(w, `{"data":[]}`)
	}))
	t.Cleanup(server.Close)
	_, stderr, code := runCommand(t, "voices", "--server", server.URL, "--token", "apibr_x", "--lang", "pt-BR")
	require.Zero(t, code, stderr)
	require.Equal(t, "pt-BR", headers.Get("Accept-Language"))
	require.Equal(t, string(i18n.CLI), headers.Get(i18n.DoorHeader))
	require.Contains(t, stderr, "nada aqui ainda")
}

// What the command line itself says names commands, never routes of the API.
func TestNoSentenceOfTheCommandLineNamesARoute(t *testing.T) {
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".go") && !strings.HasSuffix(file.Name(), "_test.go") {
			content, err := os.ReadFile(file.Name())
			require.NoError(t, err)
			require.NotContains(t, string(content), "/api/v1", file.Name())
		}
	}
	for _, tag := range i18n.Default().Languages()[1:] {
		content, err := os.ReadFile("../i18n/locales/" + tag.String() + "/cli.json")
		require.NoError(t, err)
		require.NotContains(t, string(content), "/api/v1", tag)
	}
}
