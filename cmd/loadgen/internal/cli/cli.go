package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
)

// Exit statuses; see the package comment of loadgen.
const (
	Good  = 0
	Bad   = 1
	Usage = 2
)

// Run runs a command line and returns the exit status. The end of ctx stops a run early, and
// cleanly.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Version = host.Version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usagef("%s%s; %s --help lists the flags", OneLine(err), meantFlag(cmd, err), cmd.CommandPath())
	})
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return Good
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "loadgen: %v\n", err)
		return Usage
	default:
		fmt.Fprintf(stderr, "loadgen: %v\n", err)
		return Bad
	}
}

// usageError is a command line that asks for something impossible.
type usageError struct{ err error }

// Usagef returns an error of use: the exit status is Usage.
func Usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// NoArguments refuses arguments that are no flags.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if cmd.SuggestionsMinimumDistance = 2; cmd.HasSubCommands() {
		if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
			meant = fmt.Sprintf(", did you mean %s?", names[0])
		}
	}
	return Usagef("unexpected argument %q%s; %s --help lists the flags", args[0], meant, cmd.CommandPath())
}

// meantFlag returns the flag most similar to an unknown one, or "" if none is similar.
func meantFlag(cmd *cobra.Command, err error) string {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return ""
	}
	best, least := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		n := edits(name, f.Name)
		if strings.HasPrefix(f.Name, name) {
			n = min(n, 2)
		}
		if n < least {
			best, least = f.Name, n
		}
	})
	if best == "" {
		return ""
	}
	return ", did you mean --" + best + "?"
}

// edits returns the number of letters to insert, remove or replace to turn one word into another.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal, row[j+1] = row[j+1], min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Interrupted replaces the error of a run that was stopped before it had begun.
func Interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted before the run had begun")
	}
	return err
}
