package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRootCommand returns the command line. Running a cluster is what the root command does; other modes are
// subcommands.
func newRootCommand() *cobra.Command {
	s := defaultSettings()
	root := &cobra.Command{
		Use:   "loadgen",
		Short: "Run a Lanecast cluster in one process, with real keys, engines and journals, and measure it",
		Long: "Runs a cluster in this process, with real keys, engines and journals and a simulated network: a line a second, and a\n" +
			"summary. Exit status 0: every certificate verified, nothing conflicted, every lane grew, and all --require are met.\n" +
			"1: not so. 2: the command line asks for something impossible. An interrupted run is judged by what it got to.",
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCluster(cmd, s)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("%s; loadgen --help lists the flags", oneLine(err))
	})
	s.bindCluster(root)
	root.AddCommand(newNodeCommand(), newSweepCommand(), newCompareCommand(), newJournalCommand())
	return root
}

// bindCluster defines the flags of cluster mode, with what s holds as defaults.
func (s *settings) bindCluster(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	s.bind(f, "validators in the cluster", "sequencers, hence lanes; those past the validators only sequence")
	f.DurationVar(&s.duration, "duration", s.duration, "how long to run")
	f.StringVar(&s.data, "data", s.data, "folder to keep journals in and to go on from (default: a temporary one)")
	f.DurationVar(&s.latency, "latency", s.latency, "one-way latency of every link")
	f.Float64Var(&s.loss, "loss", s.loss, "part of the messages that is lost, from 0 to less than 1")
	f.Uint64Var(&s.seed, "seed", s.seed, "number that keys and the network's chances follow from (default: random)")
	s.outputs.bind(cmd)
	s.outputs.bindRequire(cmd)
}

// runCluster is the cluster mode, from checked flags to the written result.
func runCluster(cmd *cobra.Command, s *settings) error {
	s.explicit = cmd.Flags().Changed
	if err := s.check(); err != nil {
		return err
	}
	store, err := openStore(s)
	if err != nil {
		return err
	}
	defer store.close()
	d, err := newDesk(cmd, &s.outputs)
	if err != nil {
		return err
	}
	defer d.close()
	began := time.Now()
	r, err := repeatedly(cmd.Context(), s.outputs.repeat, d.screen, func() (*result, error) {
		dirs, err := store.forRun()
		if err != nil {
			return nil, err
		}
		defer dirs.close()
		return measure(cmd.Context(), s, dirs, d)
	})
	if err != nil {
		return err
	}
	return d.conclude(r, &s.outputs, began)
}

// oneLine returns an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// say prints a line for people to read. That it cannot be read any more is no reason to stop.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
