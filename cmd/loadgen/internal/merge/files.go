package merge

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
)

// Files makes the result of a network from the results of its members, each with its record beside
// it.
func Files(names []string) (*cluster.Result, error) {
	members, records, err := read(names)
	if err != nil {
		return nil, err
	}
	var first *proc.Result
	known := make(offsets)
	for i, m := range members {
		if m == nil {
			continue
		}
		known[i] = m.Clocks
		if first == nil {
			first = m
		}
	}
	s, err := New(first.Network, records, known)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.wanted = first.Run.ID
	for _, r := range s.sources {
		r.begin = members[r.index].Run.Begin
		r.ahead = r.begin - first.Run.Begin
	}
	if err := s.readAll(); err != nil {
		return nil, err
	}
	return s.Result(members, nil), nil
}

// readAll takes in all entries, in steps of time.
func (s *State) readAll() error {
	for now := int64(0); ; {
		at, more, err := s.earliest()
		if err != nil || !more {
			return err
		}
		now = max(now+int64(Interval), at)
		if _, _, _, err := s.Tick(now); err != nil {
			return err
		}
	}
}

// read reads results, which must be from one run, and finds their records. It returns both by
// member.
func read(names []string) (members []*proc.Result, records []string, err error) {
	var first *proc.Result
	for _, name := range names {
		m, err := proc.Read(name)
		if err != nil {
			return nil, nil, err
		}
		if first == nil {
			first = m
			members, records = make([]*proc.Result, len(m.Network.Members)), make([]string, len(m.Network.Members))
		}
		i := m.Member - 1
		switch {
		case m.NetworkHash != first.NetworkHash || i >= len(members):
			return nil, nil, cli.Usagef("%s and %s are of different networks", names[0], name)
		case m.Run.ID != first.Run.ID:
			return nil, nil, cli.Usagef("%s and %s are of different runs, begun at %v and %v", names[0], name,
				time.Unix(0, first.Run.Begin).UTC().Format(time.RFC3339), time.Unix(0, m.Run.Begin).UTC().Format(time.RFC3339))
		case members[i] != nil:
			return nil, nil, cli.Usagef("%s is of member %d, like an earlier result", name, m.Member)
		case m.Record != filepath.Base(m.Record):
			return nil, nil, fmt.Errorf("%s: record %q is no name of a file beside it", name, m.Record)
		}
		members[i], records[i] = m, filepath.Join(filepath.Dir(name), m.Record)
	}
	return members, records, nil
}
