package main

import (
	"fmt"
	"sync"
)

// maxProblems is how many problems are told in words; all are counted.
const maxProblems = 20

// troubles notes what goes wrong in a run. Its methods may be called from any goroutine.
type troubles struct {
	mu        sync.Mutex
	conflicts uint64
	faults    int
	problems  []string
}

// conflict notes that two things were said where one may be.
func (t *troubles) conflict(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conflicts++
	t.tell(format, args...)
}

// fault notes anything else that must not happen.
func (t *troubles) fault(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults++
	t.tell(format, args...)
}

func (t *troubles) tell(format string, args ...any) {
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, fmt.Sprintf(format, args...))
	}
}

// counts returns how many conflicts and other faults there were so far.
func (t *troubles) counts() (conflicts uint64, faults int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conflicts, t.faults
}
