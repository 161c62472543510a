// Table measures the cost of verifying acks by every way of package bench, and prints a table with
// ratios.
//
//	go run ./bench/cmd/table [--n 4,32,100,300] [--variants minsig,minpk] [--chunks 32] [--slices 20] [--cpuprofile FILE]
//
// The column ×X is a way's throughput divided by that of way X.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lanecast/lanecast/bench"
	"github.com/lanecast/lanecast/verify"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(arguments []string, out, problems io.Writer) (err error) {
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.SetOutput(problems)
	sizes := flags.String("n", "4,32,100,300", "numbers of validators")
	names := flags.String("variants", "minsig,minpk", "variants of BLS")
	chunks := flags.Int("chunks", bench.DefaultChunks, "chunks in flight, each with a quorum of acks")
	slices := flags.Int("slices", bench.MinSlices, "slices of each way, of which the cheapest counts; at least 20")
	profile := flags.String("cpuprofile", "", "write a CPU profile to this file")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	cases, err := parseCases(*names, *sizes, *chunks)
	if err != nil {
		return err
	}
	if *chunks < 1 {
		return fmt.Errorf("--chunks: %d; there must be at least 1", *chunks)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	fmt.Fprintln(out, machine())
	for _, c := range cases {
		results, err := bench.Measure(c, *slices)
		if err != nil {
			return err
		}
		if err := print(out, c, results); err != nil {
			return err
		}
	}
	return certificates(out, cases, *slices)
}

func parseCases(names, sizes string, chunks int) (cases []bench.Case, err error) {
	for _, name := range strings.Split(names, ",") {
		var v verify.Variant
		switch name {
		case verify.MinSig.String():
			v = verify.MinSig
		case verify.MinPk.String():
			v = verify.MinPk
		default:
			return nil, fmt.Errorf("--variants: %q is neither minsig nor minpk", name)
		}
		for _, size := range strings.Split(sizes, ",") {
			n, err := strconv.Atoi(size)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("--n: %q is not a number of validators", size)
			}
			cases = append(cases, bench.Case{Variant: v, Validators: n, Chunks: chunks})
		}
	}
	return cases, nil
}

// machine describes the computer of the measurements.
func machine() string {
	library := verify.BackendName
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/supranational/blst" && library == "blst" || strings.HasSuffix(m.Path, "/"+library) {
				library += " " + m.Version
			}
		}
	}
	if verify.SIMD() {
		library += " and AVX-512 IFMA"
	}
	return fmt.Sprintf("%s, %s/%s, %s, %s; GOMAXPROCS %d, 1 while measuring; %s",
		processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), library, runtime.GOMAXPROCS(0), bench.Clock)
}

// processor returns the name of the CPU if the system provides it.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "unknown CPU"
}

// baselines are the ways with which the others are compared.
var baselines = []string{"one-by-one", "weighted", "blst-multi"}

func print(out io.Writer, c bench.Case, results []bench.Result) error {
	fmt.Fprintf(out, "\n%v, n = %d, quorum %d, %d chunks in flight\n\n", c.Variant, c.Validators, verify.Quorum(c.Validators), c.Chunks)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "way\tµs/ack\tacks/s\t")
	for _, b := range baselines {
		fmt.Fprintf(t, "×%s\t", b)
	}
	fmt.Fprintln(t)
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%.2f\t%.0f\t", r.Way, r.PerAck/1e3, 1e9/r.PerAck)
		for _, b := range baselines {
			if other, ok := bench.Find(results, b); ok {
				fmt.Fprintf(t, "%.1f\t", other.PerAck/r.PerAck)
			} else {
				fmt.Fprint(t, "-\t")
			}
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// certificates prints the cost of received certificates, for the cases with 100 validators.
func certificates(out io.Writer, cases []bench.Case, slices int) error {
	for _, c := range cases {
		if c.Validators != 100 {
			continue
		}
		results, err := bench.MeasureReceived(c, slices)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%v, n = %d, certificates received (multisig: each of another quorum)\n\n", c.Variant, c.Validators)
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "way\tµs/certificate\t×blst-one-by-one\t")
		for _, r := range results {
			ratio := "-"
			if other, ok := bench.Find(results, "blst-one-by-one"); ok {
				ratio = fmt.Sprintf("%.1f", other.PerAck/r.PerAck)
			}
			fmt.Fprintf(t, "%s\t%.1f\t%s\t\n", r.Way, r.PerAck/1e3, ratio)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	for _, c := range cases {
		if c.Validators != 100 {
			continue
		}
		m, err := bench.MeasureCertificates(c, 100, slices)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%v, n = %d: %d threshold certificates of one epoch %.2f ms, one %.2f ms: %.1f times\n",
			c.Variant, c.Validators, m.Count, m.Many/1e6, m.One/1e6, m.Many/m.One)
	}
	return nil
}
