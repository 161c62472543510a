package output

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Config holds the flags about the output of a run and its requirements. Both modes have them.
type Config struct {
	json       string
	report     string
	series     string
	Live       string
	metrics    string
	pprof      string
	cpuProfile string
	tags       []string

	Repeat       int
	require      []string
	requirements []report.Requirement // parsed by check
	measurable   []string             // the measures that requirements of the mode can name
}

// DefaultConfig returns the defaults of a mode, with the measures of its results.
func DefaultConfig(mode report.Result) Config {
	return Config{Live: "auto", Repeat: 1, measurable: slices.Sorted(maps.Keys(mode.Measures()))}
}

// WriteTo names the file of --json if no flag does.
func (c *Config) WriteTo(name string) {
	if c.json == "" {
		c.json = name
	}
}

// Bind defines the flags that sweeps have as well.
func (c *Config) Bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&c.Repeat, "repeat", c.Repeat, "how often to run the same; results are of the median run, with the spread of all")
	c.BindResult(cmd)
	f.StringVar(&c.series, "series", c.series, "file to write the points of the series to as they come, one JSON object a line")
	f.StringVar(&c.Live, "live", c.Live, "view while it runs: auto (a screen on a terminal, else lines), screen, lines or none")
	f.StringVar(&c.metrics, "metrics", c.metrics, "address to serve Prometheus metrics at, as host:port or :port (loopback)")
	f.StringVar(&c.pprof, "pprof", c.pprof, "address to serve Go profiles at, likewise")
	f.StringVar(&c.cpuProfile, "cpuprofile", c.cpuProfile, "file to write a CPU profile of the measured time to, of the first run")
}

// BindResult defines the flags about results alone, for a command that runs nothing.
func (c *Config) BindResult(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.json, "json", c.json, "file to write the result to, as one JSON object; - for standard output, and nothing else there")
	f.StringVar(&c.report, "report", c.report, "file to write the result to as a page for a browser, which needs no network")
	f.StringArrayVar(&c.tags, "tag", nil, "something to note in the result, as key=value; may be repeated")
}

// Labels returns the values of --tag by their keys.
func (c *Config) Labels() map[string]string {
	all := make(map[string]string)
	for _, t := range c.tags {
		key, value, _ := strings.Cut(t, "=")
		all[key] = value
	}
	return all
}

// BindRequire defines the flag that a sweep lacks.
func (c *Config) BindRequire(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&c.require, "require", nil, "condition for exit status 0, such as 'p99<20ms' or 'acks_per_s>50000'; may be repeated")
}

// Check returns a cli.usageError for the first flag that is wrong.
func (c *Config) Check(explicit func(string) bool) error {
	files := make(map[string]string)
	for _, f := range []struct{ name, value, wants string }{
		{"json", c.json, "the name of a file, or - for standard output"}, {"report", c.report, "the name of a file"}, {"series", c.series, "the name of a file"},
		{"cpuprofile", c.cpuProfile, "the name of a file"}, {"metrics", c.metrics, "an address, such as :9090"},
		{"pprof", c.pprof, "an address, such as :6060"},
	} {
		if explicit(f.name) && f.value == "" || f.value == "-" && f.name != "json" {
			return cli.Usagef("--%s needs %s", f.name, f.wants)
		}
		if f.name == "metrics" || f.name == "pprof" || f.value == "" {
			continue
		}
		name := filepath.Clean(f.value)
		if other, ok := files[name]; ok {
			return cli.Usagef("--%s and --%s name the same file, %s; give each its own", other, f.name, f.value)
		}
		files[name] = f.name
	}
	for _, t := range c.tags {
		if key, _, ok := strings.Cut(t, "="); !ok || key == "" {
			return cli.Usagef("--tag %q is not key=value", t)
		}
	}
	switch c.Live {
	case "auto", "screen", "lines", "none":
	default:
		return cli.Usagef("--live must be auto, screen, lines or none, got %q", c.Live)
	}
	switch {
	case c.Repeat < 1 || c.Repeat > 100:
		return cli.Usagef("--repeat must be from 1 to 100, got %d", c.Repeat)
	case c.pprof != "" && c.cpuProfile != "":
		return cli.Usagef("--pprof and --cpuprofile exclude each other: Go takes one CPU profile at a time")
	}
	var err error
	c.requirements, err = report.ParseRequirements(c.require, c.measurable)
	return err
}
