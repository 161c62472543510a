package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// With --away the parent sends commands to the processes, a line each, and they answer each with a
// result.
const (
	sayCount = "count" // the measurement since the last line
	sayLevel = "level" // the same, once chunks are handed over as they are proposed
)

// levelAge bounds the age of the last chunk of each lane in a process that is level.
const levelAge = time.Second

// away stops the last process for a while, and prints how it catches up.
func away(o options, out io.Writer) error {
	last := processes - 1
	c, err := newCrew(o)
	if err != nil {
		return err
	}
	defer c.end()
	time.Sleep(o.Duration/10 + time.Second)
	if _, err := c.ask(sayCount, c.children...); err != nil {
		return err
	}
	time.Sleep(o.Duration)
	before, err := c.ask(sayCount, c.children...)
	if err != nil {
		return err
	}
	c.children[last].end()
	time.Sleep(o.Away)
	meanwhile, err := c.ask(sayCount, c.children[:last]...)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := c.startAgain(o, last); err != nil {
		return err
	}
	level, err := c.ask(sayLevel, c.children[last])
	if err != nil {
		return err
	}
	took := time.Since(began)
	during, err := c.ask(sayCount, c.children[:last]...)
	if err != nil {
		return err
	}
	time.Sleep(o.Duration)
	after, err := c.ask(sayCount, c.children[:last]...)
	if err != nil {
		return err
	}
	r := level[0]
	fetched := r.Counters["replica_fetched_bodies_total"] * float64(o.Body) / 1e6
	fmt.Fprintf(out, "bodies of %d bytes, %s, acks to %s, %v away\n", o.Body, o.Scheme, o.Acks, o.Away)
	fmt.Fprintf(out, "level after %.1f s: handed over %d chunks, fetched %.0f MB (%.1f MB/s), %.2f s of CPU, heap at most %.0f MiB\n",
		took.Seconds(), r.Delivered, fetched, fetched/took.Seconds(), r.CPU, float64(r.Heap)/(1<<20))
	for _, phase := range []struct {
		name    string
		results []result
	}{{"before", before}, {"while it is away", meanwhile}, {"while it catches up", during}, {"after", after}} {
		fmt.Fprintf(out, "%-20s", phase.name)
		for i, r := range phase.results {
			fmt.Fprintf(out, "   %d: p50 %.1f ms, p99 %.1f ms, heap %.0f MiB, %.2f s of CPU", i, r.P50, r.P99, float64(r.Heap)/(1<<20), r.CPU)
		}
		fmt.Fprintln(out)
	}
	if o.Counters {
		printCounters(out, r.Counters)
	}
	return nil
}

// crew holds the processes of a measurement in several steps.
type crew struct {
	children  []*child
	addresses []string
	cancel    context.CancelFunc
	ctx       context.Context
}

func newCrew(o options) (*crew, error) {
	c := new(crew)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := range processes {
		child, address, err := start(c.ctx, o, i)
		if err != nil {
			c.end()
			return nil, err
		}
		c.children, c.addresses = append(c.children, child), append(c.addresses, address)
	}
	for _, child := range c.children {
		if err := child.say(strings.Join(c.addresses, " ")); err != nil {
			c.end()
			return nil, err
		}
	}
	return c, nil
}

// startAgain starts a process that has ended, in its folder and at its address.
func (c *crew) startAgain(o options, i int) error {
	o.Again, o.Address = true, c.addresses[i]
	child, _, err := start(c.ctx, o, i)
	if err != nil {
		return err
	}
	c.children[i] = child
	return child.say(strings.Join(c.addresses, " "))
}

// ask sends a command to processes, and returns their answers.
func (c *crew) ask(what string, children ...*child) (results []result, err error) {
	for _, each := range children {
		if err := each.say(what); err != nil {
			return nil, err
		}
	}
	for i, each := range children {
		line, err := each.lines.ReadBytes('\n')
		if err != nil {
			return nil, fmt.Errorf("process %d: %w", i, err)
		}
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func (c *crew) end() {
	for _, child := range c.children {
		child.end()
	}
	c.cancel()
}

// obey carries out the commands of the parent in a process that runs with --away.
func (p *parts) obey(input *bufio.Reader, ended <-chan error) error {
	m := meter{cpu: cpuTime()}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			line, err := input.ReadString('\n')
			if err != nil {
				return
			}
			lines <- strings.TrimSpace(line)
		}
	}()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	waits := false
	for {
		select {
		case err := <-ended:
			return err
		case line, more := <-lines:
			if !more {
				return nil
			}
			if line == sayLevel {
				waits = true
				continue
			}
		case <-ticker.C:
			m.sample()
			if !waits || !p.app.level(p.ids) {
				continue
			}
			waits = false
		}
		r := p.app.count()
		r.CPU, r.Heap, r.Counters = (cpuTime() - m.cpu).Seconds(), m.heap, countersOf(p.registry)
		m = meter{cpu: cpuTime()}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
}

// meter keeps the peak of the heap.
type meter struct {
	cpu  time.Duration
	heap uint64
}

func (m *meter) sample() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	m.heap = max(m.heap, sample[0].Value.Uint64())
}

// stamp writes the time into a body, and madeAt reads it.
func stamp(body []byte) {
	if len(body) >= 16 {
		binary.BigEndian.PutUint64(body[8:], uint64(time.Now().UnixNano()))
	}
}

func madeAt(body []byte) (t time.Time) {
	if len(body) >= 16 {
		t = time.Unix(0, int64(binary.BigEndian.Uint64(body[8:])))
	}
	return t
}

// level reports whether the last chunk of each lane of others was new when it was handed over.
func (c *chain) level(ids []wire.PublicKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if id != c.id && c.age[id] == 0 || c.age[id] > levelAge {
			return false
		}
	}
	return true
}

// The cursors of a host that starts again: a file for each lane, with the first height that the
// host needs.

func cursorName(dir string, id wire.PublicKey) string {
	return filepath.Join(dir, "cursor-"+id.String())
}

func writeCursor(dir string, id wire.PublicKey, next uint64) error {
	return os.WriteFile(cursorName(dir, id), binary.BigEndian.AppendUint64(nil, next), 0o600)
}

func readCursor(dir string, id wire.PublicKey) uint64 {
	b, err := os.ReadFile(cursorName(dir, id))
	if errors.Is(err, fs.ErrNotExist) || len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
