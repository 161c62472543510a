// Package plan reads the events of a mixed network from the command line.
package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Library is the library whose engine a process runs.
type Library byte

// The libraries, with their letters in a mix.
const (
	Upstream Library = 'U'
	Lanecast Library = 'L'
)

// MaxValidators bounds a mix: each validator is a process, and each pair a connection.
const MaxValidators = 20

// ParseMix reads one letter for each validator.
func ParseMix(text string) ([]Library, error) {
	if len(text) < 1 || len(text) > MaxValidators {
		return nil, fmt.Errorf("a mix of %d validators; there must be 1 to %d", len(text), MaxValidators)
	}
	mix := []Library(text)
	for _, l := range mix {
		if l != Upstream && l != Lanecast {
			return nil, fmt.Errorf("mix %q: %q is neither U, upstream, nor L, Lanecast", text, l)
		}
	}
	return mix, nil
}

// Action is an action on a process.
type Action int

// The actions. Kill is SIGKILL; a process that is started again continues with its files on disk.
// Move is Kill, followed by the start of a Lanecast process with the same keys that adopts the
// locks of others.
const (
	Start Action = iota
	Kill
	Move
)

func (a Action) String() string { return [...]string{"start", "kill", "move"}[a] }

// Event is an action at a time after the beginning.
type Event struct {
	At        time.Duration
	Action    Action
	Validator int
}

// Plan is the list of events of a run.
type Plan struct {
	Mix    []Library
	Events []Event // in order; the processes start with those at 0
}

// New reads a plan: the mix, kills of the form I@FROM-TO, late joiners of the form I@AT, and moves
// likewise. All others start at once.
func New(mix string, kills, late, moves []string) (p Plan, err error) {
	if p.Mix, err = ParseMix(mix); err != nil {
		return p, err
	}
	starts := make([]time.Duration, len(p.Mix))
	for _, text := range late {
		i, times, err := p.parse("late", text, 1)
		if err != nil {
			return p, err
		}
		starts[i] = times[0]
	}
	for i, at := range starts {
		p.Events = append(p.Events, Event{at, Start, i})
	}
	for _, text := range kills {
		i, times, err := p.parse("kill", text, 2)
		if err != nil {
			return p, err
		}
		p.Events = append(p.Events, Event{times[0], Kill, i}, Event{times[1], Start, i})
	}
	for _, text := range moves {
		i, times, err := p.parse("move", text, 1)
		if err != nil {
			return p, err
		}
		p.Events = append(p.Events, Event{times[0], Move, i})
	}
	slices.SortStableFunc(p.Events, func(a, b Event) int { return cmp.Compare(a.At, b.At) })
	return p, p.check()
}

// parse reads I@TIME or I@FROM-TO.
func (p *Plan) parse(what, text string, count int) (i int, times []time.Duration, err error) {
	form := [...]string{1: "I@TIME", 2: "I@FROM-TO"}[count]
	fault := func() (int, []time.Duration, error) {
		return 0, nil, fmt.Errorf("--%s %q: it must be of the form %s, with a validator from 0 to %d and times such as 5s",
			what, text, form, len(p.Mix)-1)
	}
	number, rest, found := strings.Cut(text, "@")
	i, err = strconv.Atoi(number)
	if !found || err != nil || i < 0 || i >= len(p.Mix) {
		return fault()
	}
	parts := strings.Split(rest, "-")
	if len(parts) != count {
		return fault()
	}
	for _, part := range parts {
		at, err := time.ParseDuration(part)
		if err != nil || at < 0 {
			return fault()
		}
		times = append(times, at)
	}
	return i, times, nil
}

// check returns an error unless each process is stopped only while it runs, and started only while
// it does not.
func (p *Plan) check() error {
	running, moved := make([]bool, len(p.Mix)), make([]bool, len(p.Mix))
	for _, e := range p.Events {
		if running[e.Validator] == (e.Action == Start) {
			return fmt.Errorf("validator %d: %v at %v, but running then: %t", e.Validator, e.Action, e.At, running[e.Validator])
		}
		if e.Action == Move {
			if moved[e.Validator] || p.Mix[e.Validator] == Lanecast {
				return fmt.Errorf("validator %d: move at %v, but it runs Lanecast already", e.Validator, e.At)
			}
			moved[e.Validator] = true
		}
		running[e.Validator] = e.Action != Kill
	}
	return nil
}

// Settled returns the time of the last event.
func (p *Plan) Settled() time.Duration {
	if len(p.Events) == 0 {
		return 0
	}
	return p.Events[len(p.Events)-1].At
}

// Moved reports whether a validator moves from upstream to Lanecast: its own lane ends with that.
func (p *Plan) Moved(validator int) bool {
	return slices.ContainsFunc(p.Events, func(e Event) bool { return e.Action == Move && e.Validator == validator })
}
