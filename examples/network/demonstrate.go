package main

import (
	"fmt"
	"io"
	"os"

	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// demonstrate starts the processes, lets them run until all are done, and stops them.
func demonstrate(out io.Writer) error {
	dir, err := os.MkdirTemp("", "lanecast")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := spawn.Start(processes, dir)
	if err != nil {
		return err
	}
	defer all.Kill()
	for i, addresses := range all.Addresses() {
		if line, err := all.ReadLine(i); err != nil {
			return err
		} else if line != "done" {
			return fmt.Errorf("process %d said %q", i, line)
		}
		fmt.Fprintf(out, "process %d at %s has %d certified chunks on each of %d lanes\n", i, addresses[0], heights, processes)
	}
	return all.Stop()
}
