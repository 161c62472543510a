package sweep

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Result is the result of a sweep. --json writes its JSON form; keys are added and never removed.
type Result struct {
	Mode        string           `json:"mode"`
	Axes        []axis           `json:"axes"`
	Fixed       string           `json:"fixed"`    // the flags given that have one value, as a shell takes them
	Settings    []setting        `json:"settings"` // the same in all runs, defaults too
	Bound       float64          `json:"p99_bound_ms"`
	Runs        []combination    `json:"runs"`
	Fastest     int              `json:"best_throughput"`   // index into runs, −1 for none
	BestInBound int              `json:"best_within_bound"` // likewise
	Advice      string           `json:"advice"`            // flags of the best within the bound, else of the fastest
	Findings    []finding        `json:"findings"`          // one for each of the two that there is
	Machine     host.Machine     `json:"machine"`
	Environment host.Environment `json:"environment"`
	Time        string           `json:"time"` // when it began, RFC 3339
	Interrupted bool             `json:"interrupted"`
}

// setting is a flag with one value.
type setting struct {
	Flag    string `json:"flag"`
	Value   string `json:"value"`
	Default bool   `json:"default"`
}

// axis is a flag with several values.
type axis struct {
	Flag   string   `json:"flag"`
	Values []string `json:"values"`
	load   bool     // it is about the load on the node, not about the node's configuration
	unset  string   // its default
}

// combination is one run of a sweep.
type combination struct {
	Flags    []string     `json:"flags"`    // one value per axis, in order
	Defaults bool         `json:"defaults"` // every setting has its default
	Result   *node.Result `json:"result,omitempty"`
	Error    string       `json:"error,omitempty"`
}

// overloaded reports whether the only problem of a run was that the node could not take the load. A
// sweep over loads exists to find that out.
func (run combination) overloaded() bool {
	return run.Result != nil && run.Result.Outcome == "overload" && !run.Result.Interrupted
}

// good reports whether there is a result of a complete run without faults.
func (run combination) good() bool {
	return run.Result != nil && run.Result.OK && !run.Result.Interrupted
}

// The flags whose values a sweep may list: the loads on the node, and the node's configuration, for
// which it gives advice.
var (
	sweptLoads     = strings.Fields("validators sequencers weights rate load in-flight invalid colluding silent late")
	sweptNodeFlags = strings.Fields("scheme variant signatures acks workers batch-size batch-delay")
	// keptFlags cannot be listed, but are part of the advice if they are given.
	keptFlags = strings.Fields("schedule rate-to steps peer-quota feeders data")
)

// Limits of a sweep.
const (
	maxCombinations = 256 // more take hours
	maxConfirm      = 20
)

// command holds the flags of a sweep.
type command struct {
	base    *node.Config
	lists   map[string]*list
	bound   time.Duration
	confirm int
}

// NewCommand returns the command that runs node mode over lists of flag values.
func NewCommand() *cobra.Command {
	w := &command{base: node.DefaultConfig(), lists: make(map[string]*list), bound: 100 * time.Millisecond, confirm: report.LeastRepeats}
	w.base.Duration = 5 * time.Second
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Run node mode over lists of settings and show the best",
		Long: "Runs node mode for every combination of the values given, one or several for each flag, as in\n\n" +
			"  loadgen sweep --workers 1,2 --batch-size 1,8,32,128 --signatures compressed,uncompressed\n\n" +
			"prints a line for each, and names the combination that verifies the most acks, the one that does so with a p99\n" +
			"latency within --p99, and the flags for loadgen node. The defaults run as well, and once more against the best,\n" +
			"in turns, to distinguish a gain from noise.\n\n" +
			"Exit status 0: no run failed; those that the node could not keep up with are marked and never the best. 1: otherwise,\n" +
			"or it was interrupted; then it writes the measurements until then.\n" +
			"2: the command line asks for something impossible.",
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return w.run(cmd) },
	}
	swept := w.base.SweptFlags()
	f := cmd.Flags()
	f.SortFlags = false
	swept.VisitAll(func(flag *pflag.Flag) {
		w.lists[flag.Name] = new(list)
		f.Var(w.lists[flag.Name], flag.Name, flag.Usage)
	})
	w.base.BindShape(cmd)
	f.DurationVar(&w.bound, "p99", w.bound, "latency bound of the second advice")
	f.IntVar(&w.confirm, "confirm", w.confirm, "runs of the best and of the defaults at the end, in turns, to tell a gain from noise; 0 for none")
	return cmd
}

// list is a flag value: one value or several, with commas.
type list string

// Set implements pflag.Value.
func (l *list) Set(text string) error {
	*l = list(text)
	return nil
}

func (l *list) Type() string   { return "list" }
func (l *list) String() string { return string(*l) }

func splitList(flag, text string) ([]string, error) {
	values, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return nil, cli.Usagef("--%s %q is no list of values", flag, text)
	}
	seen := make(map[string]bool)
	for i, v := range values {
		if values[i] = strings.TrimSpace(v); values[i] == "" {
			return nil, cli.Usagef("--%s has an empty value in %q", flag, text)
		}
		if seen[values[i]] {
			return nil, cli.Usagef("--%s has %s twice", flag, values[i])
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
func (w *command) readLists(f *pflag.FlagSet) (*Result, error) {
	r := &Result{
		Mode: "sweep", Bound: measure.Milliseconds(w.bound), Machine: host.Describe(), Environment: host.Here(cli.CommandLine()), Time: time.Now().UTC().Format(time.RFC3339), Fastest: -1, BestInBound: -1, Axes: []axis{}, Findings: []finding{},
	}
	var fixed []string
	set := w.base.SweptFlags()
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
				return nil, cli.Usagef("--%s: %s", name, cli.OneLine(err))
			}
			if !isLoad {
				values[i] = set.Lookup(name).Value.String() // as its default is written
			}
		}
		if len(values) == 1 {
			fixed = append(fixed, "--"+name+"="+cli.Quoted(values[0]))
			continue
		}
		r.Axes = append(r.Axes, axis{name, values, isLoad, set.Lookup(name).DefValue})
		if err := set.Set(name, set.Lookup(name).DefValue); err != nil {
			return nil, err
		}
	}
	for _, name := range keptFlags {
		if f.Changed(name) {
			fixed = append(fixed, "--"+name+"="+cli.Quoted(f.Lookup(name).Value.String()))
		}
	}
	r.Fixed = strings.Join(fixed, " ")
	if len(r.Axes) == 0 {
		return nil, cli.Usagef("a sweep needs several values for a flag, such as --batch-size 8,64,256; for one run there is loadgen node")
	}
	n := 1
	for _, a := range r.Axes {
		if n *= len(a.Values); n > maxCombinations {
			return nil, cli.Usagef("these lists have more than %d combinations; leave values out or sweep in parts", maxCombinations)
		}
	}
	return r, nil
}

// configOf returns a checked configuration with the values of one combination. base has the fixed
// ones.
func (r *Result) configOf(base *node.Config, values []string) (*node.Config, error) {
	s := *base
	f := s.SweptFlags()
	for i, v := range values {
		if err := f.Set(r.Axes[i].Flag, v); err != nil {
			return nil, cli.Usagef("--%s: %s", r.Axes[i].Flag, cli.OneLine(err))
		}
	}
	return &s, s.Check()
}

// plan returns the planned runs: every combination, and the defaults under every load, if they are
// not among them.
func (r *Result) plan() []combination {
	var runs []combination
	known := make(map[string]bool)
	advises := r.advises()
	for _, values := range combinations(r.Axes) {
		known[strings.Join(values, ",")] = true
		runs = append(runs, combination{Flags: values, Defaults: advises && slices.Equal(values, r.defaultsFor(values))})
	}
	for _, run := range runs {
		values := r.defaultsFor(run.Flags)
		if key := strings.Join(values, ","); !known[key] {
			known[key] = true
			runs = append(runs, combination{Flags: values, Defaults: true})
		}
	}
	return runs
}

// advises reports whether the node's configuration is varied, and not only loads.
func (r *Result) advises() bool {
	return slices.ContainsFunc(r.Axes, func(a axis) bool { return !a.load })
}

// defaultsFor returns the combination with the same loads and the defaults of all other flags.
func (r *Result) defaultsFor(values []string) []string {
	values = slices.Clone(values)
	for i, a := range r.Axes {
		if !a.load {
			values[i] = a.unset
		}
	}
	return values
}

// shapeFlags are further flags about a run that the result of a sweep names.
var shapeFlags = strings.Fields("schedule rate-to steps duration warmup feeders peer-quota data seed repeat")

// settings returns the flags that are the same in all runs.
func (w *command) settings(f *pflag.FlagSet, r *Result) (all []setting) {
	swept := w.base.SweptFlags()
	for _, name := range slices.Concat(sweptLoads, sweptNodeFlags) {
		if !slices.ContainsFunc(r.Axes, func(a axis) bool { return a.Flag == name }) {
			value := swept.Lookup(name).Value.String()
			all = append(all, setting{name, value, !f.Changed(name)})
		}
	}
	for _, name := range shapeFlags {
		value := f.Lookup(name).Value.String()
		if name == "seed" {
			value = fmt.Sprint(w.base.Seed)
		}
		all = append(all, setting{name, value, !f.Changed(name)})
	}
	return all
}

// run runs the sweep: it reads the lists, measures every combination and writes the result.
func (w *command) run(cmd *cobra.Command) error {
	switch {
	case w.bound <= 0:
		return cli.Usagef("--p99 must be above 0, got %v", w.bound)
	case w.confirm < 0 || w.confirm > maxConfirm:
		return cli.Usagef("--confirm must be from 0 to %d, got %d", maxConfirm, w.confirm)
	}
	f := cmd.Flags()
	r, err := w.readLists(f)
	if err != nil {
		return err
	}
	if !f.Changed("seed") {
		w.base.Seed = uint64(rand.Uint32())
	}
	w.base.Explicit = func(flag string) bool { return flag == "seed" || f.Changed(flag) } // the same seed for all runs
	r.Settings = w.settings(f, r)
	runs := r.plan()
	configs := make([]*node.Config, len(runs))
	for i, run := range runs {
		if configs[i], err = r.configOf(w.base, run.Flags); err != nil {
			return err
		}
	}
	o := w.base.Output
	if o.Live == "auto" { // the table is the view
		o.Live = "none"
	}
	out, err := output.New(cmd, &o)
	if err != nil {
		return err
	}
	defer out.Close()

	ctx := cmd.Context()
	known := make(node.Saturations)
	measure := func(i int) (*node.Result, error) {
		result, err := node.Measure(ctx, configs[i], out, known)
		out.Screen.End()
		return result, err
	}
	r.printSettings(out.Human)
	r.printHead(out.Human)
	for i, run := range runs {
		if run.Result, err = measure(i); err != nil {
			if ctx.Err() != nil {
				break
			}
			run.Error = cli.OneLine(err)
		}
		r.Runs = append(r.Runs, run)
		run.print(out.Human, r)
		if ctx.Err() != nil {
			break
		}
	}
	if len(r.Runs) > 0 && r.Runs[0].Result != nil {
		r.Environment.Disk = r.Runs[0].Result.Environment.Disk
	}
	r.Environment.Tags = o.Labels()
	r.findBest()
	if ctx.Err() == nil {
		r.confirm(ctx, w.confirm, measure, out.Log)
	}
	r.Interrupted = ctx.Err() != nil
	r.print(out.Human)
	if err := out.Write(fmt.Sprintf("loadgen sweep, %d runs", len(r.Runs)), r); err != nil {
		return err
	}
	return r.verdict()
}

// verdict returns an error unless every run was good.
func (r *Result) verdict() error {
	bad := 0
	for _, run := range r.Runs {
		if !run.good() && !run.overloaded() {
			bad++
		}
	}
	switch {
	case r.Interrupted:
		return fmt.Errorf("interrupted after %s; the results so far are written", cli.Counted(len(r.Runs), "run"))
	case bad > 0:
		return fmt.Errorf("%d of %d runs failed", bad, len(r.Runs))
	}
	return nil
}
