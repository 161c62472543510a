package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRootCommand returns the command line. The root command runs a cluster; other modes are
// subcommands.
func newRootCommand() *cobra.Command {
	cfg := defaultConfig()
	root := &cobra.Command{
		Use:   "loadgen",
		Short: "Run a Lanecast cluster in one process, with real keys, engines and journals, and measure it",
		Long: "Runs a cluster in this process, with real keys, engines and journals and a simulated network: a line a second, and a\n" +
			"summary. Exit status 0: every certificate verified, nothing conflicted, every lane grew, and all --require are met.\n" +
			"1: not so. 2: the command line asks for something impossible. The exit status of an interrupted run tells of what it got to.",
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCluster(cmd, cfg)
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("%s; loadgen --help lists the flags", oneLine(err))
	})
	cfg.bindCluster(root)
	root.AddCommand(newNodeCommand(), newSweepCommand(), newCompareCommand(), newJournalCommand(), newArchiveCommand())
	return root
}

// bindCluster defines the flags of cluster mode, with the values in cfg as defaults.
func (cfg *config) bindCluster(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	cfg.bind(f, "validators in the cluster", "sequencers, hence lanes; those past the validators only sequence")
	f.DurationVar(&cfg.duration, "duration", cfg.duration, "how long to run")
	f.StringVar(&cfg.data, "data", cfg.data, "folder to keep journals in and to go on from (default: a temporary one)")
	f.DurationVar(&cfg.latency, "latency", cfg.latency, "one-way latency of every link")
	f.Float64Var(&cfg.loss, "loss", cfg.loss, "part of the messages that is lost, from 0 to less than 1")
	f.Uint64Var(&cfg.seed, "seed", cfg.seed, "number that keys and the network's chances follow from (default: random)")
	cfg.output.bind(cmd)
	cfg.output.bindRequire(cmd)
}

// runCluster runs cluster mode: it checks the flags, runs the cluster and writes the result.
func runCluster(cmd *cobra.Command, cfg *config) error {
	cfg.explicit = cmd.Flags().Changed
	if err := cfg.check(); err != nil {
		return err
	}
	store, err := openStore(cfg)
	if err != nil {
		return err
	}
	defer store.close()
	out, err := newOutput(cmd, &cfg.output)
	if err != nil {
		return err
	}
	defer out.close()
	began := time.Now()
	r, err := repeatedly(cmd.Context(), cfg.output.repeat, out.screen, func() (*result, error) {
		dirs, err := store.forRun()
		if err != nil {
			return nil, err
		}
		defer dirs.close()
		return measure(cmd.Context(), cfg, dirs, out)
	})
	if err != nil {
		return err
	}
	return out.conclude(r, &cfg.output, began)
}

// oneLine returns an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// say prints a line for people. An error of the writer is no reason to stop.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
