package main

import (
	"fmt"
	"io"

	"github.com/lanecast/lanecast/examples/internal/spawn"
)

// demonstrate starts the processes, waits until all are done, and stops them.
func demonstrate(out io.Writer) error {
	return spawn.Run(processes, func(all *spawn.Processes) error {
		for i := range processes {
			if line, err := all.ReadLine(i); err != nil {
				return err
			} else if line != "done" {
				return fmt.Errorf("process %d wrote %q", i, line)
			}
			fmt.Fprintf(out, "process %d at %s has %d certified chunks on each of %d lanes\n", i, all.Addresses(0, i)[0], heights, processes)
		}
		return nil
	})
}
