package inspect

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

// inspected is the content of one folder. --json prints its JSON form.
type inspected interface {
	sound() bool
	print(w io.Writer) // the text for people
}

// newInspectCommand returns the command «loadgen WHAT», whose one subcommand is inspect DIR: run
// with the folder and with whether --json is set.
func newInspectCommand(what, short string, inspect *cobra.Command, run func(out io.Writer, dir string, asJSON bool) error) *cobra.Command {
	parent := &cobra.Command{
		Use:   what,
		Short: short,
		Args: func(*cobra.Command, []string) error {
			return cli.Usagef("loadgen %s needs a subcommand: inspect DIR", what)
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	inspect.Use = "inspect DIR"
	inspect.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.Usagef("loadgen %s inspect needs the name of one folder, got %d", what, len(args))
		}
		return nil
	}
	asJSON := false
	inspect.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of text")
	inspect.RunE = func(cmd *cobra.Command, args []string) error {
		return run(cmd.OutOrStdout(), args[0], asJSON)
	}
	parent.AddCommand(inspect)
	return parent
}

// writeInspections writes the contents of folders as text, or as one JSON object under the key
// what, which is their plural. The error gives the number of folders that are not sound, and of
// all.
func writeInspections[T inspected](out io.Writer, what string, found []T, folders int, asJSON bool) error {
	bad := 0
	for _, i := range found {
		if !i.sound() {
			bad++
		}
	}
	if asJSON {
		b, err := json.MarshalIndent(map[string]any{what: found, "ok": bad == 0}, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding the report: %w", err)
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	} else {
		for _, i := range found {
			i.print(out)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d %s are damaged or cannot be read", bad, folders, what)
	}
	return nil
}
