// Package spawn starts the processes of an example: each is a new process of the example's program.
// A process writes its addresses to its output, and reads the addresses of all from its input. It
// stops when its input ends, so it does not outlive its parent.
package spawn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Processes are the processes 0 to n−1, in their parent.
type Processes struct {
	dir  string
	list []*child
}

type child struct {
	command   *exec.Cmd
	input     io.WriteCloser
	output    *bufio.Reader
	addresses string
	begun     bool // the process was started before
}

// Run starts n processes with folders in a temporary one, sends them each other's addresses, calls
// f, and makes them stop; after an error it kills them.
func Run(n int, f func(*Processes) error) error {
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ps := &Processes{dir: dir}
	defer ps.Kill()
	for i := range n {
		ps.list = append(ps.list, &child{})
		if err := ps.start(i); err != nil {
			return err
		}
	}
	ps.sendAddresses()
	if err := f(ps); err != nil {
		return err
	}
	return ps.stop()
}

func (ps *Processes) start(i int) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c, start, dir := ps.list[i], "first", filepath.Join(ps.dir, strconv.Itoa(i))
	if c.begun {
		start = "again"
	} else if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	c.command = exec.Command(program, "process", strconv.Itoa(i), dir, start)
	c.command.Stderr = os.Stderr
	if c.input, err = c.command.StdinPipe(); err != nil {
		return err
	}
	output, err := c.command.StdoutPipe()
	if err != nil {
		return err
	}
	c.output = bufio.NewReader(output)
	if err := c.command.Start(); err != nil {
		return err
	}
	c.begun = true
	c.addresses, err = ps.ReadLine(i)
	return err
}

// sendAddresses writes the addresses of all processes to all that run.
func (ps *Processes) sendAddresses() {
	var lines []string
	for _, c := range ps.list {
		lines = append(lines, c.addresses)
	}
	for _, c := range ps.list {
		fmt.Fprintln(c.input, strings.Join(lines, ";"))
	}
}

// ReadLine returns the next line that process i writes.
func (ps *Processes) ReadLine(i int) (string, error) {
	line, err := ps.list[i].output.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("process %d: %w", i, err)
	}
	return strings.TrimSpace(line), nil
}

// Addresses returns the k-th address of each of the processes.
func (ps *Processes) Addresses(k int, which ...int) (addresses []string) {
	for _, i := range which {
		addresses = append(addresses, strings.Fields(ps.list[i].addresses)[k])
	}
	return addresses
}

// Kill ends processes at once, as kill -9; all processes if none is named.
func (ps *Processes) Kill(which ...int) {
	for i, c := range ps.list {
		if (len(which) == 0 || slices.Contains(which, i)) && c.command != nil && c.command.Process != nil {
			_ = c.command.Process.Kill() // it fails if the process has ended
			_ = c.command.Wait()         // its error only reports the kill
		}
	}
}

// Restart starts a process that was killed, in the same folder.
func (ps *Processes) Restart(i int) error {
	if err := ps.start(i); err != nil {
		return err
	}
	ps.sendAddresses()
	return nil
}

// stop makes all processes stop and waits for them. The error joins those of failed processes.
func (ps *Processes) stop() error {
	var failed error
	for _, c := range ps.list {
		c.input.Close()
	}
	for i, c := range ps.list {
		if err := c.command.Wait(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("process %d: %w", i, err))
		}
	}
	return failed
}

// Process is the current process, if Run has started it.
type Process struct {
	Index     int
	Dir       string // its own folder, which exists
	First     bool   // it starts for the first time
	addresses atomic.Pointer[[][]string]
}

// Main is for TestMain: in a process that Run has started it runs the program, otherwise the tests,
// and returns the exit status.
func Main(program func(), tests func() int) int {
	if Self() != nil {
		program()
		return 0
	}
	return tests()
}

// Self returns the current process, or nil if Run has not started it.
func Self() *Process {
	if len(os.Args) != 5 || os.Args[1] != "process" {
		return nil
	}
	i, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return nil
	}
	return &Process{Index: i, Dir: os.Args[3], First: os.Args[4] == "first"}
}

// Logger returns a logger that writes to the error output if LANECAST_LOG is set.
func (p *Process) Logger() *slog.Logger {
	if os.Getenv("LANECAST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil)).With("process", p.Index)
}

// Join listens at n addresses of this machine, reports them to the parent, and returns once it has
// the addresses of all processes. ctx ends when the process should stop.
func (p *Process) Join(n int) (ctx context.Context, listeners []net.Listener, err error) {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		listeners, addresses = append(listeners, l), append(addresses, l.Addr().String())
	}
	fmt.Println(strings.Join(addresses, " "))
	lines := bufio.NewScanner(os.Stdin)
	if !p.readAddresses(lines) {
		return nil, nil, errors.New("spawn: no addresses were received")
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for p.readAddresses(lines) {
		}
		cancel()
	}()
	return ctx, listeners, nil
}

// readAddresses reads a line of addresses, and reports whether there was one.
func (p *Process) readAddresses(lines *bufio.Scanner) bool {
	if !lines.Scan() {
		return false
	}
	var all [][]string
	for each := range strings.SplitSeq(lines.Text(), ";") {
		all = append(all, strings.Fields(each))
	}
	p.addresses.Store(&all)
	return true
}

// Addresses returns the last known address of each process: a restarted process has a new one.
func (p *Process) Addresses() [][]string { return *p.addresses.Load() }
