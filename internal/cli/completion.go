package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// completionCommand prints scripts that complete commands in a shell. It has cobra's name and flags.
func completionCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: e.text("Print a script that completes commands in your shell"),
	}
	for _, shell := range []struct {
		name, load string
		write      func(root *cobra.Command, to io.Writer, descriptions bool) error
	}{
		{"bash", "source <(apibr completion bash)", func(root *cobra.Command, to io.Writer, descriptions bool) error {
			return root.GenBashCompletionV2(to, descriptions)
		}},
		{"zsh", "source <(apibr completion zsh)", func(root *cobra.Command, to io.Writer, descriptions bool) error {
			if descriptions {
				return root.GenZshCompletion(to)
			}
			return root.GenZshCompletionNoDesc(to)
		}},
		{"fish", "apibr completion fish | source", func(root *cobra.Command, to io.Writer, descriptions bool) error {
			return root.GenFishCompletion(to, descriptions)
		}},
		{"powershell", "apibr completion powershell | Out-String | Invoke-Expression",
			func(root *cobra.Command, to io.Writer, descriptions bool) error {
				if descriptions {
					return root.GenPowerShellCompletionWithDesc(to)
				}
				return root.GenPowerShellCompletion(to)
			}},
	} {
		bare := false
		child := &cobra.Command{
			Use:   shell.name,
			Short: e.text("Print the script for %s", shell.name),
			Long: e.text(
				"Prints a script that completes commands in %s. To load it, put this line in the shell's start file:",
				shell.name,
			) + "\n\n  " + shell.load,
			Args: noArguments,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return shell.write(cmd.Root(), e.stdout, !bare)
			},
		}
		child.Flags().BoolVar(&bare, "no-descriptions", false, e.text("leave the descriptions out"))
		cmd.AddCommand(child)
	}
	return cmd
}
