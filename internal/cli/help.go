package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/apibr/studio/internal/i18n"
)

// Help is written here and not by cobra, whose own words are in English only.

// longestLine of help, in columns.
const longestLine = 100

// valueNames say what a flag's value is, where its type does not.
var valueNames = map[string]i18n.Sentence{
	"audio":      i18n.Say("FILE"),
	"config":     i18n.Say("FILE"),
	"data-dir":   i18n.Say("FOLDER"),
	"file":       i18n.Say("FILE"),
	"format":     i18n.Say("FORMAT"),
	"image":      i18n.Say("FILE"),
	"lang":       i18n.Say("LANGUAGE"),
	"language":   i18n.Say("LANGUAGE"),
	"mask":       i18n.Say("FILE"),
	"model":      i18n.Say("MODEL"),
	"output":     i18n.Say("FILE"),
	"output-dir": i18n.Say("FOLDER"),
	"samples":    i18n.Say("FOLDER"),
	"server":     i18n.Say("URL"),
	"size":       i18n.Say("WIDTHxHEIGHT"),
	"token":      i18n.Say("KEY"),
	"voice":      i18n.Say("VOICE"),
}

// addHelp gives every command its --help, and the root the command and the functions that write help.
func (e *environment) addHelp(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error { return e.writeUsage(cmd.OutOrStderr(), cmd) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { e.writeHelp(cmd.OutOrStdout(), cmd) })
	root.SetHelpCommand(e.helpCommand())
	e.addHelpFlags(root)
}

func (e *environment) addHelpFlags(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, e.text("show this help"))
	for _, child := range cmd.Commands() {
		e.addHelpFlags(child)
	}
}

func (e *environment) helpCommand() *cobra.Command {
	help := &cobra.Command{
		Use:   "help " + e.text("[COMMAND]"),
		Short: e.text("Show the help of a command"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			named, _, err := cmd.Root().Find(args)
			if err != nil || named == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, child := range named.Commands() {
				if child.IsAvailableCommand() {
					names = append(names, child.Name()+"\t"+child.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			named, rest, err := cmd.Root().Find(args)
			if err != nil || named == nil || len(rest) > 0 && named.HasSubCommands() {
				fmt.Fprintln(e.stderr, e.text("there is no command %q; see `apibr --help`", strings.Join(args, " ")))
				return nil
			}
			return named.Help()
		},
	}
	e.addHelpFlags(help)
	return help
}

// writeHelp writes what a command is for and how it is used.
func (e *environment) writeHelp(to io.Writer, cmd *cobra.Command) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	for _, paragraph := range strings.Split(strings.TrimSpace(about), "\n") {
		writeColumns(to, "", paragraph, 0, lineWidth(to))
	}
	fmt.Fprintln(to)
	_ = e.writeUsage(to, cmd)
}

// writeUsage writes how a command is used: its arguments, examples, commands and flags.
func (e *environment) writeUsage(to io.Writer, cmd *cobra.Command) error {
	fmt.Fprintln(to, e.text("Usage:"))
	if cmd.Runnable() {
		writeColumns(to, "  ", e.useLine(cmd), runewidth.StringWidth(cmd.CommandPath())+3, lineWidth(to)) //nolint:mnd
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(to, "  %s %s\n", cmd.CommandPath(), e.text("COMMAND"))
	}
	if cmd.HasExample() {
		fmt.Fprintf(to, "\n%s\n%s\n", e.text("Examples:"), cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		var rows [][2]string
		for _, child := range cmd.Commands() {
			if child.IsAvailableCommand() || child.Name() == "help" {
				rows = append(rows, [2]string{"  " + child.Name(), child.Short})
			}
		}
		writeTable(to, e.text("Commands:"), rows)
	}
	writeTable(to, e.text("Flags:"), e.flagRows(cmd.LocalFlags()))
	writeTable(to, e.text("Flags of every command:"), e.flagRows(cmd.InheritedFlags()))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(to, "\n%s\n", e.text("Add --help to any command to read more about it."))
	}
	return nil
}

// useLine is the command with its arguments, as it is typed.
func (e *environment) useLine(cmd *cobra.Command) string {
	line := cmd.Use
	if cmd.HasParent() {
		line = cmd.Parent().CommandPath() + " " + line
	}
	return line + " " + e.text("[FLAGS]")
}

// flagRows are the flags with what they are for, sorted by name.
func (e *environment) flagRows(flags *pflag.FlagSet) (rows [][2]string) {
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		name := "      --" + flag.Name
		if flag.Shorthand != "" {
			name = "  -" + flag.Shorthand + ", --" + flag.Name
		}
		if value := e.valueName(flag); value != "" {
			name += " " + value
		}
		about := flag.Usage
		if flag.DefValue != "" && flag.DefValue != "0" && flag.DefValue != "false" && flag.DefValue != "[]" {
			about = e.text("%s (default: %s)", about, strings.Trim(flag.DefValue, "[]"))
		}
		rows = append(rows, [2]string{name, about})
	})
	return rows
}

func (e *environment) valueName(flag *pflag.Flag) string {
	if name, ok := valueNames[flag.Name]; ok {
		return name.For(e.Reader)
	}
	switch flag.Value.Type() {
	case "bool":
		return ""
	case "string":
		return e.text("TEXT")
	case "stringSlice":
		return e.text("LIST")
	default:
		return e.text("NUMBER")
	}
}

// writeTable writes rows of two columns below a heading; nothing where there are no rows.
func writeTable(to io.Writer, heading string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(to, "\n%s\n", heading)
	widest := 0
	for _, row := range rows {
		widest = max(widest, runewidth.StringWidth(row[0]))
	}
	const gap = 3
	for _, row := range rows {
		writeColumns(to, runewidth.FillRight(row[0], widest+gap), row[1], widest+gap, lineWidth(to))
	}
}

// writeColumns writes a text after its first column, in lines of at most width columns; later lines are indented.
func writeColumns(to io.Writer, first, text string, indent, width int) {
	line, used := first, runewidth.StringWidth(first)
	for i, word := range strings.Split(text, " ") {
		wide := runewidth.StringWidth(word)
		switch {
		case i > 0 && used+1+wide > width:
			fmt.Fprintln(to, strings.TrimRight(line, " "))
			line, used = strings.Repeat(" ", indent), indent
		case i > 0:
			line, used = line+" ", used+1
		}
		line, used = line+word, used+wide
	}
	fmt.Fprintln(to, strings.TrimRight(line, " "))
}

// lineWidth is the width of the terminal, at most longestLine and at least what the flags' names need.
func lineWidth(to io.Writer) int {
	const narrowest = 60
	if file, ok := to.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil {
			return max(narrowest, min(width, longestLine))
		}
	}
	return longestLine
}
