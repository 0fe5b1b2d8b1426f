package cli

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// locale renders sentences for the user of the command line. Errors carry their sentence and are rendered once, by
// Main.
type locale struct{ i18n.Reader }

func inLanguage(tag language.Tag) locale { return locale{i18n.Reader{Language: tag, Door: i18n.CLI}} }

// text says a sentence; the format must be a constant.
func (l locale) text(format string, args ...any) string {
	return i18n.Say(format, args...).For(l.Reader)
}

// languageFlag is the name of --lang.
const languageFlag = "lang"

// chooseLanguage returns the language of --lang, else of APIBR_LANG, else of the user's locale. It reads the arguments
// before the commands exist, since their help is said in that language too. Values that --lang does not accept are
// left to the flag itself.
func chooseLanguage(args []string, getenv func(string) string) language.Tag {
	if name, given := languageArgument(args); given {
		if tag, err := languageOf(name); err == nil {
			return tag
		}
	}
	if own := getenv("APIBR_LANG"); own != "" {
		return i18n.FromEnvironment(func(name string) string { return map[string]string{"LANG": own}[name] })
	}
	return i18n.FromEnvironment(getenv)
}

// languageArgument returns the last value of --lang.
func languageArgument(args []string) (name string, given bool) {
	const flag = "--" + languageFlag
	for i, argument := range args {
		if argument == "--" {
			break
		}
		if value, ok := strings.CutPrefix(argument, flag+"="); ok {
			name, given = value, true
		} else if argument == flag && i+1 < len(args) {
			name, given = args[i+1], true
		}
	}
	return name, given
}

// languageOf returns the language of the studio that has this name: pt-BR, pt and pt_BR are the same.
func languageOf(name string) (language.Tag, error) {
	languages := i18n.Default().Languages()
	if tag, err := language.Parse(strings.ReplaceAll(name, "_", "-")); err == nil {
		if _, index, confidence := language.NewMatcher(languages).Match(tag); confidence >= language.High {
			return languages[index], nil
		}
	}
	return language.Und, exitWith(
		ExitUsage,
		"there is no language %q: choose one of %s",
		name,
		i18n.Commas(languages...),
	)
}

// languageValue is the value of --lang. Set only checks it: chooseLanguage has read it.
type languageValue string

func (v *languageValue) String() string { return string(*v) }

// Type implements pflag.Value.
func (*languageValue) Type() string { return "string" }

// Set implements pflag.Value.
func (v *languageValue) Set(name string) error {
	_, err := languageOf(name)
	*v = languageValue(name)
	return err
}
