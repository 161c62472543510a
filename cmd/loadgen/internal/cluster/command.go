package cluster

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
)

// Config holds the flags of cluster mode.
type Config struct {
	setup.Config
	Latency time.Duration
	Loss    float64
	Bodies  bodies.Load
	output  output.Config

	// Processes runs the members as separate processes; nil in programs without this mode.
	Processes Runner
	Separate  bool // --processes
	Jitter    time.Duration
	Bandwidth float64 // Mbit/s
	KillEvery time.Duration
}

// Runner runs a cluster in a folder for the configured time, or until ctx ends, and returns the
// result.
type Runner func(ctx context.Context, cfg *Config, dir string, out *output.Output) (*Result, error)

// DefaultConfig returns the defaults of cluster mode.
func DefaultConfig() *Config {
	return &Config{Config: *setup.Default(), output: output.DefaultConfig(&Result{Summary: report.Summary{Bodies: new(report.Bodies)}, Processes: new(Processes)})}
}

// NewCommand returns the command that runs a cluster in this process.
func NewCommand() *cobra.Command { return NewCommandFor(DefaultConfig()) }

// NewCommandFor returns the command that runs a cluster, with defaults.
func NewCommandFor(cfg *Config) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "loadgen",
		Short: "Run a Lanecast cluster in one process, with real keys, engines and journals, and measure it",
		Long: "Runs a cluster in this process, with real keys, engines and journals and a simulated network: a line a second, and a\n" +
			"summary. Exit status 0: every certificate verified, nothing conflicted, every lane grew, and all --require are met.\n" +
			"1: it was not. 2: the command line asks for something impossible. The exit status of an interrupted run is about the part that ran.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runCommand(cmd, cfg)
		},
	}
	cfg.bindCluster(cmd)
	return cmd
}

// bindCluster defines the flags of cluster mode, with the values in cfg as defaults.
func (cfg *Config) bindCluster(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	cfg.Bind(f, "validators in the cluster", "sequencers, hence lanes; those past the validators only sequence")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long to run")
	f.StringVar(&cfg.Data, "data", cfg.Data, "folder that keeps the journals; a later run continues from it (default: a temporary folder)")
	f.DurationVar(&cfg.Latency, "latency", cfg.Latency, "one-way latency of every link")
	f.Var(cli.Percent(&cfg.Loss), "loss", "part of the messages that is lost, from 0 to less than 1: 0.1 or 10%")
	if cfg.Processes != nil {
		f.BoolVar(&cfg.Separate, "processes", cfg.Separate, "run each member as a separate process, with TLS connections on the loopback")
		f.DurationVar(&cfg.Jitter, "jitter", cfg.Jitter, "with --processes: upper bound of a random delay in addition to --latency")
		f.Float64Var(&cfg.Bandwidth, "bandwidth", cfg.Bandwidth, "with --processes: Mbit/s that a member can send to all others together; 0: unlimited")
		f.DurationVar(&cfg.KillEvery, "kill-every", cfg.KillEvery, "with --processes: interval at which a random member is killed (SIGKILL) and started again; 0: never")
	}
	cfg.Bodies.Bind(f)
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "seed of the keys and of the network's randomness (default: random)")
	cfg.output.Bind(cmd)
	cfg.output.BindRequire(cmd)
}

// check returns a cli usage error for the first flag that is out of range.
func (cfg *Config) check() error {
	switch {
	case cfg.Latency < 0 || cfg.Latency > time.Minute:
		return cli.Usagef("--latency must be from 0 to 1m, got %v", cfg.Latency)
	case !(cfg.Loss >= 0 && cfg.Loss < 1): // written so that NaN fails
		return cli.Usagef("--loss must be from 0 to less than 1, got %v", cfg.Loss)
	}
	if err := cfg.Config.Check(); err != nil {
		return err
	}
	if err := cfg.checkBodies(); err != nil {
		return err
	}
	if err := cfg.checkProcesses(); err != nil {
		return err
	}
	return cfg.output.Check(cfg.Explicit)
}

// KillTail is the least time between the last kill and the end of a run, so that every lane can
// grow in between.
const KillTail = 4 * time.Second

// checkProcesses checks the flags about members in separate processes.
func (cfg *Config) checkProcesses() error {
	if !cfg.Separate {
		for _, flag := range []string{"jitter", "bandwidth", "kill-every"} {
			if cfg.Explicit(flag) {
				return cli.Usagef("--%s needs --processes", flag)
			}
		}
		return nil
	}
	for flag, instead := range map[string]string{
		"data":       "a network whose journals stay is made by «loadgen init» and run by «loadgen member»",
		"metrics":    "«loadgen member» has it for each member",
		"pprof":      "«loadgen member» has it for each member",
		"cpuprofile": "«loadgen member» has it for each member",
	} {
		if cfg.Explicit(flag) {
			return cli.Usagef("--%s is not for --processes: %s", flag, instead)
		}
	}
	switch {
	case cfg.Bodies.Away > 0 && cfg.KillEvery > 0:
		return cli.Usagef("--away and --kill-every exclude each other: the others may be no quorum")
	case cfg.Jitter < 0 || cfg.Jitter > time.Minute:
		return cli.Usagef("--jitter must be from 0 to 1m, got %v", cfg.Jitter)
	case cfg.Bandwidth != 0 && !(cfg.Bandwidth >= 1 && cfg.Bandwidth <= 1e6):
		return cli.Usagef("--bandwidth must be 0, or from 1 to 1000000 Mbit/s, got %v", cfg.Bandwidth)
	case cfg.KillEvery < 0 || cfg.KillEvery > 0 && cfg.KillEvery < 10*time.Millisecond:
		return cli.Usagef("--kill-every must be 0 or at least 10ms, got %v", cfg.KillEvery)
	case cfg.KillEvery > 0 && cfg.Duration < cfg.KillEvery+KillTail:
		return cli.Usagef("--kill-every %v needs a --duration of at least %v: the last %v are without kills", cfg.KillEvery, cfg.KillEvery+KillTail, KillTail)
	}
	return nil
}

// mostReplicas is the largest number of replicas in one process: each has two connections to each
// other.
const mostReplicas = 64

// checkBodies checks the flags about bodies.
func (cfg *Config) checkBodies() error {
	if err := cfg.Bodies.Check(&cfg.Config); err != nil || !cfg.Bodies.On() {
		return err
	}
	switch n := cfg.replicas(); {
	case cfg.Separate:
	case cfg.Latency != 0 || cfg.Loss != 0:
		return cli.Usagef("--latency and --loss are the simulated network's; with --payload-size members use TLS on loopback, which --processes can delay")
	case n > mostReplicas:
		return cli.Usagef("--payload-size takes at most %d members in one process, followers among them, got %d", mostReplicas, n)
	case cfg.Bodies.Memory(n) > host.AvailableMemory()/2 && host.AvailableMemory() > 0:
		return cli.Usagef("--payload-size %s may take %d MB with %s, and half of the memory available is %d MB",
			cli.SizeText(cfg.Bodies.Size), cfg.Bodies.Memory(n)/1e6, cli.Counted(n, "member"), host.AvailableMemory()/2e6)
	}
	return nil
}

// replicas returns the number of replicas, if chunks have bodies.
func (cfg *Config) replicas() int { return max(cfg.Validators, cfg.Sequencers) + cfg.Bodies.Follow }

// Interval returns the time between two moments of a cluster: with many members, reading one takes
// long.
func (cfg *Config) Interval() time.Duration {
	if cfg.Validators+cfg.Sequencers > 64 {
		return time.Second
	}
	return 250 * time.Millisecond
}

// runCommand runs cluster mode: it checks the flags, runs the cluster and writes the result.
func runCommand(cmd *cobra.Command, cfg *Config) error {
	cfg.Explicit = cmd.Flags().Changed
	if err := cfg.check(); err != nil {
		return err
	}
	store, err := openStore(cfg)
	if err != nil {
		return err
	}
	defer store.close()
	if store.disk, err = host.MeasureDisk(store.dir); err != nil {
		return cli.Usagef("measuring the disk of the journals: %v", err)
	}
	out, err := output.New(cmd, &cfg.output)
	if err != nil {
		return err
	}
	defer out.Close()
	began := time.Now()
	r, err := report.Repeat(cmd.Context(), cfg.output.Repeat, out.Screen.Note, func() (*Result, error) {
		dirs, err := store.forRun()
		if err != nil {
			return nil, err
		}
		defer dirs.close()
		if cfg.Separate {
			return cfg.Processes(cmd.Context(), cfg, dirs.dir, out)
		}
		return Run(cmd.Context(), cfg, dirs, out)
	})
	if err != nil {
		return err
	}
	return out.Conclude(r, &cfg.output, began)
}
