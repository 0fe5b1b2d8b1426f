package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func configCommand(e *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Print and check the configuration"}
	var field string
	show := &cobra.Command{Use: "print", Short: "Print the configuration that holds, secrets masked", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return e.printConfig(field)
	}}
	show.Flags().StringVar(&field, "field", "", "print one setting, such as database.dsn (in full: scripts connect with it)")
	check := &cobra.Command{Use: "check", Short: "Say what is wrong with the configuration", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		c, err := e.loadConfig(nil)
		if err != nil {
			return err
		}
		for _, source := range c.Sources {
			fmt.Fprintln(e.stdout, source)
		}
		fmt.Fprintln(e.stdout, "ok")
		return nil
	}}
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
			return &exitError{ExitUsage, err}
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
