package main

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sweepResult is the result of a sweep. --json writes its JSON form; keys are added and never
// removed.
type sweepResult struct {
	Mode        string     `json:"mode"`
	Axes        []axis     `json:"axes"`
	Fixed       string     `json:"fixed"` // the flags given that have one value, as a shell takes them
	Bound       float64    `json:"p99_bound_ms"`
	Runs        []sweepRun `json:"runs"`
	Fastest     int        `json:"best_throughput"`   // index into runs, −1 for none
	BestInBound int        `json:"best_within_bound"` // likewise
	Advice      string     `json:"advice"`            // flags of the best within the bound, else of the fastest
	Findings    []finding  `json:"findings"`          // one for each of the two that there is
	Machine     machine    `json:"machine"`
	Time        string     `json:"time"` // when it began, RFC 3339
	Interrupted bool       `json:"interrupted"`
}

// axis is a flag with several values.
type axis struct {
	Flag   string   `json:"flag"`
	Values []string `json:"values"`
	load   bool     // it is about the load on the node, not about the node's configuration
	unset  string   // its default
}

// sweepRun is one combination.
type sweepRun struct {
	Flags    []string    `json:"flags"`    // one value per axis, in order
	Defaults bool        `json:"defaults"` // every setting has its default
	Result   *nodeResult `json:"result,omitempty"`
	Error    string      `json:"error,omitempty"`
}

// good reports whether there is the result of a whole run without faults.
func (run sweepRun) good() bool { return run.Result != nil && run.Result.OK && !run.Result.Interrupted }

// The flags whose values a sweep may list: loads on the node, and the configuration of the node,
// about which it advises.
var (
	sweptLoads     = strings.Fields("validators sequencers weights rate load in-flight invalid colluding silent late")
	sweptNodeFlags = strings.Fields("scheme variant signatures acks workers batch-size batch-delay")
	// keptFlags cannot be listed, but belong to the advice if they are given.
	keptFlags = strings.Fields("schedule rate-to steps peer-quota feeders data")
)

// Limits of a sweep.
const (
	maxCombinations = 256 // more take hours
	maxConfirm      = 20
)

// sweepCommand holds the flags of a sweep.
type sweepCommand struct {
	base    *nodeConfig
	lists   map[string]*list
	bound   time.Duration
	confirm int
}

// newSweepCommand returns the command that runs node mode over lists of flag values.
func newSweepCommand() *cobra.Command {
	w := &sweepCommand{base: defaultNodeConfig(), lists: make(map[string]*list), bound: 100 * time.Millisecond, confirm: 3}
	w.base.duration = 5 * time.Second
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run node mode over lists of settings and say which are best",
		Long: "Runs node mode for every combination of the values given, one or several for each flag, as in\n\n" +
			"  loadgen sweep --workers 1,2 --batch-size 1,8,32,128 --signatures compressed,uncompressed\n\n" +
			"prints a line for each as it goes, and says which takes the most acks, which does with a p99 latency within\n" +
			"--p99, and the flags to give to loadgen node. The defaults run as well, whatever the lists, and once more\n" +
			"against the best, in turns, to tell a gain from noise.\n\n" +
			"Exit status 0: all runs were good. 1: not so, or it was interrupted; then it writes what it measured until then.\n" +
			"2: the command line asks for something impossible.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return w.run(cmd) },
	}
	swept := w.base.sweptFlags()
	f := cmd.Flags()
	f.SortFlags = false
	swept.VisitAll(func(flag *pflag.Flag) {
		w.lists[flag.Name] = new(list)
		f.Var(w.lists[flag.Name], flag.Name, flag.Usage)
	})
	w.base.bindShape(cmd)
	f.DurationVar(&w.bound, "p99", w.bound, "latency bound that the second advice is for")
	f.IntVar(&w.confirm, "confirm", w.confirm, "runs of the best and of the defaults at the end, in turns, to tell a gain from noise; 0 for none")
	return cmd
}

// sweptFlags returns the flags whose values a sweep may list; they set s.
func (cfg *nodeConfig) sweptFlags() *pflag.FlagSet {
	c := &cobra.Command{}
	c.Flags().SortFlags = false
	cfg.bindSwept(c)
	return c.Flags()
}

// list is a flag value: one value or several, with commas.
type list string

func (l *list) Set(text string) error {
	*l = list(text)
	return nil
}

func (l *list) Type() string   { return "list" }
func (l *list) String() string { return string(*l) }

func splitList(flag, text string) ([]string, error) {
	values, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return nil, usagef("--%s %q is no list of values", flag, text)
	}
	seen := make(map[string]bool)
	for i, v := range values {
		if values[i] = strings.TrimSpace(v); values[i] == "" {
			return nil, usagef("--%s has an empty value in %q", flag, text)
		}
		if seen[values[i]] {
			return nil, usagef("--%s has %s twice", flag, values[i])
		}
		seen[values[i]] = true
	}
	return values, nil
}

// combinations returns all choices of one value per axis, the last axis fastest.
func combinations(axes []axis) [][]string {
	all := [][]string{nil}
	for _, a := range axes {
		var next [][]string
		for _, c := range all {
			for _, v := range a.Values {
				next = append(next, append(append([]string(nil), c...), v))
			}
		}
		all = next
	}
	return all
}

// readLists returns a result without runs, from the lists given, and sets the flags that have one
// value.
func (w *sweepCommand) readLists(f *pflag.FlagSet) (*sweepResult, error) {
	r := &sweepResult{
		Mode: "sweep", Bound: milliseconds(w.bound), Machine: thisMachine(), Time: time.Now().UTC().Format(time.RFC3339), Fastest: -1, BestInBound: -1, Axes: []axis{}, Findings: []finding{},
	}
	var fixed []string
	set := w.base.sweptFlags()
	for _, name := range slices.Concat(sweptLoads, sweptNodeFlags) {
		if !f.Changed(name) {
			continue
		}
		values, err := splitList(name, string(*w.lists[name]))
		if err != nil {
			return nil, err
		}
		isLoad := slices.Contains(sweptLoads, name)
		for i, v := range values {
			if err := set.Set(name, v); err != nil {
				return nil, usagef("--%s: %s", name, oneLine(err))
			}
			if !isLoad {
				values[i] = set.Lookup(name).Value.String() // as its default is written
			}
		}
		if len(values) == 1 {
			fixed = append(fixed, "--"+name+"="+quoted(values[0]))
			continue
		}
		r.Axes = append(r.Axes, axis{name, values, isLoad, set.Lookup(name).DefValue})
		if err := set.Set(name, set.Lookup(name).DefValue); err != nil {
			return nil, err
		}
	}
	for _, name := range keptFlags {
		if f.Changed(name) {
			fixed = append(fixed, "--"+name+"="+quoted(f.Lookup(name).Value.String()))
		}
	}
	r.Fixed = strings.Join(fixed, " ")
	if len(r.Axes) == 0 {
		return nil, usagef("a sweep needs several values for a flag, such as --batch-size 8,64,256; for one run there is loadgen node")
	}
	n := 1
	for _, a := range r.Axes {
		if n *= len(a.Values); n > maxCombinations {
			return nil, usagef("these lists have more than %d combinations; leave values out or sweep in parts", maxCombinations)
		}
	}
	return r, nil
}

// quoted quotes a value for a shell.
func quoted(value string) string {
	if value != "" && !strings.ContainsFunc(value, func(c rune) bool {
		return !strings.ContainsRune("+-./:=@_%,", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// configOf returns a checked configuration with the values of one combination. base has the fixed
// ones.
func (r *sweepResult) configOf(base *nodeConfig, values []string) (*nodeConfig, error) {
	s := *base
	f := s.sweptFlags()
	for i, v := range values {
		if err := f.Set(r.Axes[i].Flag, v); err != nil {
			return nil, usagef("--%s: %s", r.Axes[i].Flag, oneLine(err))
		}
	}
	return &s, s.check()
}

// plan returns the planned runs: every combination, and the defaults under every load, if they are
// not among them.
func (r *sweepResult) plan() []sweepRun {
	var runs []sweepRun
	known := make(map[string]bool)
	advises := r.advises()
	for _, values := range combinations(r.Axes) {
		known[strings.Join(values, ",")] = true
		runs = append(runs, sweepRun{Flags: values, Defaults: advises && slices.Equal(values, r.defaultsFor(values))})
	}
	for _, run := range runs {
		values := r.defaultsFor(run.Flags)
		if key := strings.Join(values, ","); !known[key] {
			known[key] = true
			runs = append(runs, sweepRun{Flags: values, Defaults: true})
		}
	}
	return runs
}

// advises reports whether the node's configuration is varied, and not loads alone.
func (r *sweepResult) advises() bool {
	return slices.ContainsFunc(r.Axes, func(a axis) bool { return !a.load })
}

// defaultsFor returns the combination with the same loads and the defaults of all other flags.
func (r *sweepResult) defaultsFor(values []string) []string {
	values = slices.Clone(values)
	for i, a := range r.Axes {
		if !a.load {
			values[i] = a.unset
		}
	}
	return values
}

// run runs the sweep: it reads the lists, measures every combination and writes the result.
func (w *sweepCommand) run(cmd *cobra.Command) error {
	switch {
	case w.bound <= 0:
		return usagef("--p99 must be above 0, got %v", w.bound)
	case w.confirm < 0 || w.confirm > maxConfirm:
		return usagef("--confirm must be from 0 to %d, got %d", maxConfirm, w.confirm)
	}
	f := cmd.Flags()
	r, err := w.readLists(f)
	if err != nil {
		return err
	}
	if !f.Changed("seed") {
		w.base.seed = uint64(rand.Uint32())
	}
	w.base.explicit = func(flag string) bool { return flag == "seed" || f.Changed(flag) } // the same seed for all runs
	runs := r.plan()
	configs := make([]*nodeConfig, len(runs))
	for i, run := range runs {
		if configs[i], err = r.configOf(w.base, run.Flags); err != nil {
			return err
		}
	}
	o := w.base.output
	if o.live == "auto" { // the table is the view
		o.live = "none"
	}
	out, err := newOutput(cmd, &o)
	if err != nil {
		return err
	}
	defer out.close()

	ctx := cmd.Context()
	known := make(saturations)
	measure := func(i int) (*nodeResult, error) {
		result, err := measureNode(ctx, configs[i], out, known)
		out.screen.end()
		return result, err
	}
	r.printHead(out.human)
	for i, run := range runs {
		if run.Result, err = measure(i); err != nil {
			if ctx.Err() != nil {
				break
			}
			run.Error = oneLine(err)
		}
		r.Runs = append(r.Runs, run)
		run.print(out.human, r)
		if ctx.Err() != nil {
			break
		}
	}
	r.findBest()
	if ctx.Err() == nil {
		r.confirm(ctx, w.confirm, measure, out.human)
	}
	r.Interrupted = ctx.Err() != nil
	r.print(out.human)
	if err := out.write(fmt.Sprintf("loadgen sweep, %d runs", len(r.Runs)), r); err != nil {
		return err
	}
	return r.verdict()
}

// verdict returns an error unless every run was good.
func (r *sweepResult) verdict() error {
	bad := 0
	for _, run := range r.Runs {
		if !run.good() {
			bad++
		}
	}
	switch {
	case r.Interrupted:
		return fmt.Errorf("interrupted after %s; what was measured until then is written", counted(len(r.Runs), "run"))
	case bad > 0:
		return fmt.Errorf("%d of %d runs failed", bad, len(r.Runs))
	}
	return nil
}
