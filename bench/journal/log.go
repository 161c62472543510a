package journalbench

import (
	"errors"
	"sync"
)

// Lanes is the number of lanes that append, RecordSize the size of each record in bytes: about that
// of a node with a certificate of 100 validators.
const (
	Lanes      = 64
	RecordSize = 300
)

// Log makes records durable. One goroutine calls Append, Durable and Close.
type Log interface {
	// Append appends a copy of a record. It waits until the record is durable only if the way has
	// no other form.
	Append(lane int, record []byte) error
	// Durable returns the number of durable records, and the error that ended the log, if any.
	Durable() (int64, error)
	// Moved receives after Durable's results have changed.
	Moved() <-chan struct{}
	// Syncs returns the number of syncs; 0 if it is not known.
	Syncs() int64
	// Close makes all records durable and ends the log.
	Close() error
}

// group holds the records that were appended while the group before it was being synced.
type group struct {
	bytes []byte // of all records, back to back
	ends  []int
	lanes []int
}

func (g *group) reset() { g.bytes, g.ends, g.lanes = g.bytes[:0], g.ends[:0], g.lanes[:0] }

func (g *group) record(i int) []byte {
	start := 0
	if i > 0 {
		start = g.ends[i-1]
	}
	return g.bytes[start:g.ends[i]:g.ends[i]]
}

// committer makes a group durable before it returns.
type committer interface {
	commit(g *group) error
	close() error
}

// grouped makes a Log from a committer, with a goroutine that groups records as package journal's
// does.
type grouped struct {
	c     committer
	wake  chan struct{}
	moved chan struct{}
	done  chan struct{}

	mu      sync.Mutex
	queued  group
	closing bool
	durable int64
	syncs   int64
	err     error
}

func newGrouped(c committer, err error) (Log, error) {
	if err != nil {
		return nil, err
	}
	l := &grouped{c: c, wake: make(chan struct{}, 1), moved: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (l *grouped) Append(lane int, record []byte) error {
	l.mu.Lock()
	first := len(l.queued.ends) == 0
	l.queued.bytes = append(l.queued.bytes, record...)
	l.queued.ends = append(l.queued.ends, len(l.queued.bytes))
	l.queued.lanes = append(l.queued.lanes, lane)
	err := l.err
	l.mu.Unlock()
	if first {
		signal(l.wake)
	}
	return err
}

func (l *grouped) run() {
	defer close(l.done)
	var g group
	for {
		<-l.wake
		for {
			l.mu.Lock()
			g, l.queued = l.queued, g
			closing := l.closing
			l.mu.Unlock()
			if len(g.ends) == 0 {
				if closing {
					return
				}
				break
			}
			err := l.c.commit(&g)
			l.mu.Lock()
			l.err = errors.Join(l.err, err)
			l.durable += int64(len(g.ends))
			l.syncs++
			l.mu.Unlock()
			g.reset()
			signal(l.moved)
		}
	}
}

func (l *grouped) Durable() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable, l.err
}

func (l *grouped) Syncs() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.syncs
}

func (l *grouped) Moved() <-chan struct{} { return l.moved }

func (l *grouped) Close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	signal(l.wake)
	<-l.done
	return errors.Join(l.err, l.c.close())
}
