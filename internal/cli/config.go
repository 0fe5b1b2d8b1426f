package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func configCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: e.text("Print and check the configuration")}
	var field string
	show := &cobra.Command{
		Use:   "print",
		Short: e.text("Print the configuration in force, with its secrets masked"),
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return e.printConfig(field) },
	}
	show.Flags().StringVar(&field, "field", "",
		e.text("print one setting, such as database.dsn (in full: scripts connect with it)"))
	check := &cobra.Command{Use: "check", Short: e.text("Say what is wrong with the configuration"), Args: noArguments}
	check.RunE = func(*cobra.Command, []string) error {
		c, err := e.loadConfig(nil)
		if err != nil {
			return err
		}
		for _, source := range c.Sources {
			fmt.Fprintln(e.stdout, source)
		}
		fmt.Fprintln(e.stdout, "ok")
		return nil
	}
	cmd.AddCommand(show, check)
	return cmd
}

func (e *environment) printConfig(field string) error {
	c, err := e.loadConfig(nil)
	if err != nil {
		return err
	}
	if field != "" {
		value, err := c.Field(field)
		if err != nil {
			return withCode(ExitUsage, err)
		}
		_, err = fmt.Fprintln(e.stdout, value)
		return err
	}
	text, err := c.YAML()
	if err != nil {
		return err
	}
	if !e.json {
		_, err = e.stdout.Write(text)
		return err
	}
	var value map[string]any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return err
	}
	encoder := json.NewEncoder(e.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
