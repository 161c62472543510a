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
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unexpected argument %q; loadgen --help lists the flags", args[0])
			}
			return nil
		},
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
	s.bind(root)
	root.AddCommand(newNodeCommand(), newSweepCommand(), newCompareCommand(), newJournalCommand())
	return root
}

// bind defines the flags, with what s holds as defaults.
func (s *settings) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.IntVar(&s.validators, "validators", s.validators, "validators in the cluster")
	f.IntVar(&s.sequencers, "sequencers", s.sequencers, "sequencers, hence lanes; those past the validators only sequence")
	f.StringVar(&s.scheme, "scheme", s.scheme, "what certifies: multisig, threshold or ed25519")
	f.StringVar(&s.variant, "variant", s.variant, "where BLS signatures lie: minsig (G1) or minpk (G2); ed25519 has none")
	f.StringVar(&s.signatures, "signatures", s.signatures, "how acks carry BLS signatures: compressed or uncompressed")
	f.IntVar(&s.workers, "workers", s.workers, "verification workers of each engine")
	f.IntVar(&s.batchSize, "batch-size", s.batchSize, "statements verified together, at most")
	f.DurationVar(&s.batchDelay, "batch-delay", s.batchDelay, "how long a smaller batch is held back for more")
	f.DurationVar(&s.duration, "duration", s.duration, "how long to run")
	f.StringVar(&s.data, "data", s.data, "folder to keep journals in and to go on from (default: a temporary one)")
	f.DurationVar(&s.latency, "latency", s.latency, "one-way latency of every link")
	f.Float64Var(&s.loss, "loss", s.loss, "part of the messages that is lost, from 0 to less than 1")
	f.StringVar(&s.json, "json", s.json, "file to write the result to, as one JSON object; - for standard output, and nothing else there")
	f.StringVar(&s.metrics, "metrics", s.metrics, "address to serve Prometheus metrics at, as host:port or :port (loopback)")
	f.Uint64Var(&s.seed, "seed", s.seed, "number that keys and the network's chances follow from (default: random)")
}

// runCluster is the cluster mode, from checked flags to the written result.
func runCluster(cmd *cobra.Command, s *settings) error {
	s.explicit = cmd.Flags().Changed
	if err := s.check(); err != nil {
		return err
	}
	sink, err := openSink(s.json, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	defer sink.close()
	human := cmd.OutOrStdout()
	if s.json == "-" {
		human = cmd.ErrOrStderr()
	}
	store, err := openStore(s)
	if err != nil {
		return err
	}
	defer store.close()

	started := time.Now()
	result, err := measure(cmd.Context(), s, store, human, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	result.print(human, time.Since(started))
	if err := sink.write(result); err != nil {
		return err
	}
	return result.verdict()
}

// oneLine returns an error's text without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// say prints a line for people to read. That it cannot be read any more is no reason to stop.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
