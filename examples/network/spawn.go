package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// spawn starts the processes, lets them run until all are done, and stops them.
func spawn(out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	type child struct {
		*exec.Cmd
		input  io.WriteCloser
		output *bufio.Reader
	}
	var children []child
	defer func() {
		for _, c := range children { // those that have ended are not there any more
			_ = c.Process.Kill()
		}
	}()
	var addresses []string
	for i := range processes {
		c := child{Cmd: exec.Command(program, "process", fmt.Sprint(i), filepath.Join(dir, fmt.Sprint(i)))}
		c.Stderr = os.Stderr
		if c.input, err = c.StdinPipe(); err != nil {
			return err
		}
		output, err := c.StdoutPipe()
		if err != nil {
			return err
		}
		c.output = bufio.NewReader(output)
		if err := c.Start(); err != nil {
			return err
		}
		children = append(children, c)
		address, err := c.output.ReadString('\n')
		if err != nil {
			return fmt.Errorf("process %d: %w", i, err)
		}
		addresses = append(addresses, strings.TrimSpace(address))
	}
	for _, c := range children {
		fmt.Fprintln(c.input, strings.Join(addresses, " "))
	}
	for i, c := range children {
		line, err := c.output.ReadString('\n')
		if err == nil && line != "done\n" {
			err = fmt.Errorf("it said %q", line)
		}
		if err != nil {
			return fmt.Errorf("process %d: %w", i, err)
		}
		fmt.Fprintf(out, "process %d at %s has %d certified chunks on each of %d lanes\n", i, addresses[i], heights, processes)
	}
	for _, c := range children {
		c.input.Close()
	}
	var failed error
	for _, c := range children {
		failed = errors.Join(failed, c.Wait())
	}
	return failed
}
