package audit

import (
	"fmt"
	"slices"
	"sync"
)

// maxProblems is the number of problems kept as text; all are counted.
const maxProblems = 20

// Problems records the problems of a run. Its methods may be called from any goroutine.
type Problems struct {
	mu        sync.Mutex
	conflicts uint64
	faults    int
	Texts     []string
}

// Conflict records that two payloads were seen where only one may be.
func (p *Problems) Conflict(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conflicts++
	p.addText(format, args...)
}

// Fault records anything else that must not happen.
func (p *Problems) Fault(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults++
	p.addText(format, args...)
}

// Add adds the problems that another process recorded; a prefix names the process.
func (p *Problems) Add(prefix string, conflicts uint64, faults int, texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conflicts += conflicts
	p.faults += faults
	for _, text := range texts {
		p.addText("%s: %s", prefix, text)
	}
}

func (p *Problems) addText(format string, args ...any) {
	if len(p.Texts) < maxProblems {
		p.Texts = append(p.Texts, fmt.Sprintf(format, args...))
	}
}

// Counts returns the numbers of conflicts and of other faults so far.
func (p *Problems) Counts() (conflicts uint64, faults int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conflicts, p.faults
}

// All returns the number of conflicts, the number of other faults, and the first texts.
func (p *Problems) All() (conflicts uint64, faults int, texts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conflicts, p.faults, slices.Clone(p.Texts)
}
