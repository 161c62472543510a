package main

import (
	"path/filepath"

	"github.com/spf13/cobra"
)

// outputConfig holds the flags about what a run shows, writes and requires. Both modes have them.
type outputConfig struct {
	json       string
	report     string
	live       string
	metrics    string
	pprof      string
	cpuProfile string

	repeat       int
	require      []string
	requirements []requirement // parsed by check
	measurable   []string      // the measures that requirements of the mode can name
}

// defaultOutputConfig returns the defaults of a mode, with the measures of its results.
func defaultOutputConfig(mode runResult) outputConfig {
	return outputConfig{live: "auto", repeat: 1, measurable: sortedKeys(mode.measures())}
}

// bind defines the flags that sweeps have as well.
func (c *outputConfig) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&c.repeat, "repeat", c.repeat, "how often to run the same; results are of the median run, with the spread of all")
	f.StringVar(&c.json, "json", c.json, "file to write the result to, as one JSON object; - for standard output, and nothing else there")
	f.StringVar(&c.report, "report", c.report, "file to write the result to as a page for a browser, which needs no network")
	f.StringVar(&c.live, "live", c.live, "view while it runs: auto (a screen on a terminal, else lines), screen, lines or none")
	f.StringVar(&c.metrics, "metrics", c.metrics, "address to serve Prometheus metrics at, as host:port or :port (loopback)")
	f.StringVar(&c.pprof, "pprof", c.pprof, "address to serve Go profiles at, likewise")
	f.StringVar(&c.cpuProfile, "cpuprofile", c.cpuProfile, "file to write a CPU profile of the measured time to, of the first run")
}

// bindRequire defines the flag that a sweep lacks.
func (c *outputConfig) bindRequire(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&c.require, "require", nil, "condition for exit status 0, such as 'p99<20ms' or 'acks_per_s>50000'; may be repeated")
}

// check returns a usageError for the first flag that is wrong.
func (c *outputConfig) check(explicit func(string) bool) error {
	files := make(map[string]string)
	for _, f := range []struct{ name, value, wants string }{
		{"json", c.json, "the name of a file, or - for standard output"}, {"report", c.report, "the name of a file"},
		{"cpuprofile", c.cpuProfile, "the name of a file"}, {"metrics", c.metrics, "an address, such as :9090"},
		{"pprof", c.pprof, "an address, such as :6060"},
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
	switch c.live {
	case "auto", "screen", "lines", "none":
	default:
		return usagef("--live must be auto, screen, lines or none, got %q", c.live)
	}
	switch {
	case c.repeat < 1 || c.repeat > 100:
		return usagef("--repeat must be from 1 to 100, got %d", c.repeat)
	case c.pprof != "" && c.cpuProfile != "":
		return usagef("--pprof and --cpuprofile exclude each other: Go takes one CPU profile at a time")
	}
	var err error
	c.requirements, err = parseRequirements(c.require, c.measurable)
	return err
}
