package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

// outputs are the flags for what a run shows and writes, and by which it is judged. Both modes have them.
type outputs struct {
	json       string
	report     string
	live       string
	metrics    string
	pprof      string
	cpuProfile string

	repeat       int
	require      []string
	requirements []requirement // parsed by check
	measurable   []string      // what requirements of the mode can be about
}

// defaultOutputs are those of a mode, with what its results measure.
func defaultOutputs(mode runResult) outputs {
	return outputs{live: "auto", repeat: 1, measurable: sortedKeys(mode.measures())}
}

// bind defines the flags that sweeps have too.
func (o *outputs) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&o.repeat, "repeat", o.repeat, "how often to run the same; results are of the median run, with the spread of all")
	f.StringVar(&o.json, "json", o.json, "file to write the result to, as one JSON object; - for standard output, and nothing else there")
	f.StringVar(&o.report, "report", o.report, "file to write the result to as a page for a browser, which needs no network")
	f.StringVar(&o.live, "live", o.live, "view while it runs: auto (a screen on a terminal, else lines), screen, lines or none")
	f.StringVar(&o.metrics, "metrics", o.metrics, "address to serve Prometheus metrics at, as host:port or :port (loopback)")
	f.StringVar(&o.pprof, "pprof", o.pprof, "address to serve Go profiles at, likewise")
	f.StringVar(&o.cpuProfile, "cpuprofile", o.cpuProfile, "file to write a CPU profile of the measured time to, of the first run")
}

// bindRequire defines the flag that a sweep lacks.
func (o *outputs) bindRequire(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.require, "require", nil, "condition for exit status 0, such as 'p99<20ms' or 'acks_per_s>50000'; may be repeated")
}

// check returns a usageError for the first flag that is wrong.
func (o *outputs) check(explicit func(string) bool) error {
	files := make(map[string]string)
	for _, f := range []struct{ name, value, wants string }{
		{"json", o.json, "the name of a file, or - for standard output"}, {"report", o.report, "the name of a file"},
		{"cpuprofile", o.cpuProfile, "the name of a file"}, {"metrics", o.metrics, "an address, such as :9090"},
		{"pprof", o.pprof, "an address, such as :6060"},
	} {
		if explicit(f.name) && f.value == "" || f.value == "-" && f.name != "json" {
			return usagef("--%s needs %s", f.name, f.wants)
		}
		if f.name == "metrics" || f.name == "pprof" || f.value == "" {
			continue
		}
		name := filepath.Clean(f.value)
		if other, ok := files[name]; ok {
			return usagef("--%s and --%s name the same file, %s; give each its own", other, f.name, f.value)
		}
		files[name] = f.name
	}
	switch o.live {
	case "auto", "screen", "lines", "none":
	default:
		return usagef("--live must be auto, screen, lines or none, got %q", o.live)
	}
	switch {
	case o.repeat < 1 || o.repeat > 100:
		return usagef("--repeat must be from 1 to 100, got %d", o.repeat)
	case o.pprof != "" && o.cpuProfile != "":
		return usagef("--pprof and --cpuprofile exclude each other: Go takes one CPU profile at a time")
	}
	var err error
	o.requirements, err = parseRequirements(o.require, o.measurable)
	return err
}
