// Replica measures four replicas in four processes over TLS on loopback, with real keys and disks.
//
//	go run ./bench/cmd/replica --body 262144 --scheme multisig --duration 10s
//
// Every process proposes bodies of that size as fast as its lane takes them, or --rate a second.
// The program prints the chunks and MB (10^6 bytes) per second that were certified and handed over
// at all processes, the CPU time of all processes for each MB, and the time from the call of
// Propose to Deliver of the same chunk at its sequencer. --engine runs engines without bodies
// instead. --away, which needs --rate, stops the last process for a while; the program then prints
// how it catches up and how the others' latency changes. --profile DIR writes a CPU profile of each
// process there.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

const processes = 4

// options are the values of the flags, and the values that the parent sets for each process.
type options struct {
	Process  int
	Body     int
	Rate     float64
	Scheme   string
	Acks     string
	Duration time.Duration
	Dir      string
	Profile  string
	Counters bool
	Engine   bool
	Away     time.Duration
	Again    bool   // the process has run before
	Address  string // where it listens; empty: anywhere
}

func main() {
	var err error
	if text := os.Getenv(environment); text != "" {
		var o options
		if err = json.Unmarshal([]byte(text), &o); err == nil {
			err = process(o)
		}
	} else {
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		os.Exit(1)
	}
}

// environment is the variable with the options of a process.
const environment = "LANECAST_BENCH_REPLICA"

func run(arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("replica", flag.ContinueOnError)
	var o options
	flags.IntVar(&o.Body, "body", 256<<10, "bytes of a body")
	flags.Float64Var(&o.Rate, "rate", 0, "bodies per second on each lane; 0: as fast as the lane takes them")
	flags.StringVar(&o.Scheme, "scheme", "multisig", "multisig or ed25519")
	flags.StringVar(&o.Acks, "acks", "all", "all or sequencer")
	flags.DurationVar(&o.Duration, "duration", 10*time.Second, "length of the measurement, after a tenth of it to warm up")
	flags.StringVar(&o.Dir, "dir", "", "folder for the data; empty: a temporary one")
	flags.StringVar(&o.Profile, "profile", "", "folder for CPU profiles")
	flags.BoolVar(&o.Engine, "engine", false, "engines alone, without bodies, for comparison")
	flags.BoolVar(&o.Counters, "counters", false, "print the counters of all processes, added up")
	flags.DurationVar(&o.Away, "away", 0, "how long the last process is stopped")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if o.Away > 0 && (o.Rate == 0 || o.Engine || o.Body < 16) {
		return errors.New("--away needs --rate, bodies of at least 16 bytes, and no --engine")
	}
	dir, err := os.MkdirTemp(o.Dir, "lanecast-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.Dir = dir
	if o.Away > 0 {
		return away(o, out)
	}
	results, err := spawn(o)
	if err != nil {
		return err
	}
	return print(out, o, results)
}

// child is a process and its pipes.
type child struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	lines *bufio.Reader
}

// start starts a process, and returns where it listens.
func start(ctx context.Context, o options, i int) (*child, string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	o.Process = i
	text, err := json.Marshal(o)
	if err != nil {
		return nil, "", err
	}
	c := &child{cmd: exec.CommandContext(ctx, program)}
	c.cmd.Env = append(os.Environ(), environment+"="+string(text))
	c.cmd.Stderr = os.Stderr
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	c.lines = bufio.NewReader(output)
	if err := c.cmd.Start(); err != nil {
		return nil, "", err
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		c.end()
		return nil, "", fmt.Errorf("process %d did not start: %w", i, err)
	}
	return c, strings.TrimSpace(line), nil
}

func (c *child) say(line string) error {
	_, err := fmt.Fprintln(c.input, line)
	return err
}

// end makes a process end, and waits for it.
func (c *child) end() {
	_ = c.input.Close()
	_ = c.cmd.Wait()
}

// spawn runs the processes and returns the measurements of each.
func spawn(o options) ([]result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*o.Duration+time.Minute)
	defer cancel()
	var children []*child
	defer func() {
		for _, c := range children {
			c.end()
		}
	}()
	var addresses []string
	for i := range processes {
		c, address, err := start(ctx, o, i)
		if err != nil {
			return nil, err
		}
		children, addresses = append(children, c), append(addresses, address)
	}
	for _, c := range children {
		if err := c.say(strings.Join(addresses, " ")); err != nil {
			return nil, err
		}
	}
	results := make([]result, len(children))
	for i, c := range children {
		line, err := c.lines.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("process %d has no result: %w", i, err)
		}
		if err := json.Unmarshal(line, &results[i]); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// print prints the result of all processes.
func print(out io.Writer, o options, results []result) error {
	least, cpu := results[0].Delivered, 0.0
	counters := make(map[string]float64)
	for _, r := range results {
		least = min(least, r.Delivered)
		cpu += r.CPU
		for name, v := range r.Counters {
			counters[name] += v
		}
	}
	seconds := o.Duration.Seconds()
	mb := float64(least) * float64(o.Body) / 1e6
	fmt.Fprintf(out, "bodies of %d bytes, %s, acks to %s, %v\n", o.Body, o.Scheme, o.Acks, o.Duration)
	fmt.Fprintf(out, "certified and handed over everywhere   %8.1f MB/s   %8.1f chunks/s\n", mb/seconds, float64(least)/seconds)
	fmt.Fprintf(out, "CPU of all processes                   %8.4f s/MB   %8.0f µs a chunk\n", cpu/mb, cpu*1e6/float64(least))
	for i, r := range results {
		fmt.Fprintf(out, "process %d: own chunks %d, handed over %d, %.2f s of CPU, Propose to Deliver p50 %.1f ms, p99 %.1f ms, heap %d MB\n",
			i, r.Own, r.Delivered, r.CPU, r.P50, r.P99, r.Heap>>20)
	}
	if o.Counters {
		printCounters(out, counters)
	}
	return nil
}

func printCounters(out io.Writer, counters map[string]float64) {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		fmt.Fprintf(out, "%-60s %10.0f\n", name, counters[name])
	}
}
