package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/apibr/studio/internal/i18n"
)

// The arguments and flags of commands are checked here and not by cobra, whose own words are in English only.

// noArguments refuses arguments: of a command with subcommands, the first would be an unknown one.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return unknownCommand(cmd, args[0])
	default:
		return exitWith(ExitUsage, "%q is one argument too many; see `%s --help`", args[0], cmd.CommandPath())
	}
}

// arguments allows from least to most arguments; most 0 means any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return exitWith(
				ExitUsage,
				"arguments are missing: `%s`; see `%s --help`",
				commandLine(cmd),
				cmd.CommandPath(),
			)
		case most > 0 && len(args) > most:
			return exitWith(ExitUsage, "%q is one argument too many; see `%s --help`", args[most], cmd.CommandPath())
		default:
			return nil
		}
	}
}

// commandLine is the command with the names of its arguments.
func commandLine(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return cmd.Parent().CommandPath() + " " + cmd.Use
	}
	return cmd.Use
}

// checkArguments makes every command check its required flags with its arguments, and those that only hold others say
// which are unknown.
func checkArguments(cmd *cobra.Command) {
	if cmd.RunE == nil && cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		}
	} else if cmd.RunE != nil {
		check := cmd.Args
		if check == nil {
			check = cobra.ArbitraryArgs
		}
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return err
			}
			return missingFlags(c)
		}
	}
	for _, child := range cmd.Commands() {
		checkArguments(child)
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	const typos = 2
	cmd.SuggestionsMinimumDistance = typos
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return exitWith(ExitUsage, "there is no command %q; did you mean %s? See `%s --help`", name, i18n.Or(near...),
			cmd.CommandPath())
	}
	return exitWith(ExitUsage, "there is no command %q; see `%s --help`", name, cmd.CommandPath())
}

// missingFlags refuses a command without a flag that MarkFlagRequired named.
func missingFlags(cmd *cobra.Command) error {
	var missing []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if len(flag.Annotations[cobra.BashCompOneRequiredFlag]) > 0 && !flag.Changed {
			missing = append(missing, "--"+flag.Name)
		}
	})
	if len(missing) == 0 {
		return nil
	}
	// Scripts know this failure by the code of any error.
	return exitWith(ExitUsage, "this command needs %s; see `%s --help`", i18n.And(missing...), cmd.CommandPath())
}

// flagProblem says what is wrong with a flag.
func flagProblem(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var malformed *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		flag := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			flag = fmt.Sprintf("-%.1s", unknown.GetSpecifiedName())
		}
		return exitWith(ExitUsage, "there is no flag %s; see `%s --help`", flag, cmd.CommandPath())
	case errors.As(err, &valueless):
		return exitWith(ExitUsage, "--%s needs a value; see `%s --help`", valueless.GetFlag().Name, cmd.CommandPath())
	case errors.As(err, &invalid):
		return exitWith(ExitUsage, "--%s: %s", invalid.GetFlag().Name, valueProblem(invalid))
	case errors.As(err, &malformed):
		return exitWith(ExitUsage, "%s is not a flag; see `%s --help`", malformed.GetSpecifiedFlag(), cmd.CommandPath())
	default:
		return withCode(ExitUsage, err)
	}
}

// valueProblem says what a flag's value must be.
func valueProblem(invalid *pflag.InvalidValueError) i18n.Sentence {
	if sentence, ok := i18n.Of(invalid.Unwrap()); ok {
		return sentence
	}
	switch kind := invalid.GetFlag().Value.Type(); {
	case kind == "bool":
		return i18n.Say("%q must be true or false", invalid.GetValue())
	case strings.HasPrefix(kind, "int"):
		return i18n.Say("%q must be a whole number", invalid.GetValue())
	case strings.HasPrefix(kind, "float"):
		return i18n.Say("%q must be a number", invalid.GetValue())
	default:
		return i18n.Say("%q cannot be read", invalid.GetValue())
	}
}
