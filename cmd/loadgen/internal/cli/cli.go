package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit statuses; see the package comment.
const (
	Good  = 0
	Bad   = 1
	Usage = 2
)

// Run runs a command line and returns the exit status. The end of ctx stops a run early, and
// cleanly.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return Usagef("%s; loadgen --help lists the flags", OneLine(err))
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
func NoArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("unexpected argument %q; loadgen --help lists the flags", args[0])
	}
	return nil
}

// Interrupted replaces the error of a run that was stopped before it had begun.
func Interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errors.New("interrupted before the run had begun")
	}
	return err
}
