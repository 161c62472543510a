package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
)

// logName is the name of the file in a member's folder with the output of its processes.
const logName = "log"

// child is a member whose process this one has started.
type child struct {
	index   int // index of the member, from 0
	dir     string
	command *exec.Cmd
	input   io.WriteCloser // closing it makes the member end
	log     *os.File
	killed  time.Time // zero unless it was killed and is not back yet
	ended   chan error
	over    bool // the process has ended
	away    bool // the process has ended and will be started again
}

// start starts the process of a member, which must not be running.
func (c *child) start() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if c.log == nil {
		if c.log, err = os.OpenFile(filepath.Join(c.dir, logName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return err
		}
	}
	c.command = exec.Command(program, "member", c.dir, "--live", "none", "--"+untilFlag)
	c.command.Stdout, c.command.Stderr = c.log, c.log
	if c.input, err = c.command.StdinPipe(); err != nil {
		return err
	}
	if err := c.command.Start(); err != nil {
		return fmt.Errorf("starting member %d: %w", c.index+1, err)
	}
	c.ended = make(chan error, 1)
	command, ended := c.command, c.ended
	go func() { ended <- command.Wait() }()
	return nil
}

// kill kills the process and waits until it is gone.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended by itself
	<-c.ended
	_ = c.input.Close()
}

// stop asks the process to end.
func (c *child) stop() { _ = c.input.Close() }

// said returns the last lines of the output of a member's processes.
func (c *child) said() string {
	b, err := os.ReadFile(filepath.Join(c.dir, logName))
	if err != nil {
		return ""
	}
	const most = 500
	if b = bytes.TrimSpace(b); len(b) > most {
		b = b[len(b)-most:]
	}
	return cli.OneLine(errors.New(string(b)))
}

// children are all members of a network.
type children []*child

// startAll starts a process for each member of the network below a folder. After an error, too, end
// must be called.
func startAll(dir string, members int) (all children, err error) {
	for i := range members {
		c := &child{index: i, dir: filepath.Join(dir, config.MemberFolder(i+1))}
		all = append(all, c)
		if err := c.start(); err != nil {
			return all, err
		}
	}
	return all, nil
}

// end kills the processes that still run, and closes all files.
func (cs children) end() {
	for _, c := range cs {
		if c.ended != nil && !c.over {
			c.kill()
			c.over = true
		}
		if c.log != nil {
			_ = c.log.Close() // the log is only for people
		}
	}
}
