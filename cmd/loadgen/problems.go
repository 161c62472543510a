package main

import (
	"fmt"
	"sync"
)

// maxProblems is the number of problems kept as text; all are counted.
const maxProblems = 20

// problems records what goes wrong in a run. Its methods may be called from any goroutine.
type problems struct {
	mu        sync.Mutex
	conflicts uint64
	faults    int
	texts     []string
}

// conflict records that two payloads were seen where only one may be.
func (p *problems) conflict(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conflicts++
	p.addText(format, args...)
}

// fault records anything else that must not happen.
func (p *problems) fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults++
	p.addText(format, args...)
}

func (p *problems) addText(format string, args ...any) {
	if len(p.texts) < maxProblems {
		p.texts = append(p.texts, fmt.Sprintf(format, args...))
	}
}

// counts returns the numbers of conflicts and of other faults so far.
func (p *problems) counts() (conflicts uint64, faults int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conflicts, p.faults
}
