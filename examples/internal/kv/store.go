package kv

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// Store is the state of a process: keys with their values, and a cursor for each lane. It is in
// memory, and written to a file as a whole from time to time. So after a crash it is older than the
// last applied chunks: the replica hands over again the chunks above the file's cursors, which its
// archive has kept. A database is an alternative: it writes a chunk's pairs and its lane's cursor
// in one transaction.
type Store struct {
	path    string
	ordered bool

	mu    sync.Mutex
	state state
}

type state struct {
	// Next is the first height of each lane that is not applied.
	Next map[wire.PublicKey]uint64
	Keys map[string]string
	// Order is a hash over all chunks in the order in which they were applied, if that order is
	// part of the state.
	Order wire.Digest
}

// Open reads the state from a file; without a file the state is empty. ordered means that the
// chunks of all lanes are applied in one order.
func Open(path string, ordered bool) (*Store, error) {
	s := &Store{path: path, ordered: ordered}
	bytes, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(bytes, &s.state)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if s.state.Next == nil {
		s.state.Next, s.state.Keys = make(map[wire.PublicKey]uint64), make(map[string]string)
	}
	return s, err
}

// Next returns the first height of a lane that is not applied: replica.Config.Next.
func (s *Store) Next(sequencer wire.PublicKey) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Next[sequencer]
}

// Apply applies a chunk, and moves the cursor of its lane. A chunk that was applied before changes
// nothing. The chunk's Proof is not part of the state: it differs between processes.
func (s *Store) Apply(c *replica.Chunk, pairs []Pair) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch next := s.state.Next[c.Sequencer]; cmp.Compare(c.Height, next) {
	case -1:
		return nil
	case 1:
		return fmt.Errorf("kv: height %d of lane %v after height %d", c.Height, c.Sequencer, next)
	}
	for _, p := range pairs {
		s.state.Keys[p.Key] = p.Value
	}
	s.state.Next[c.Sequencer] = c.Height + 1
	if s.ordered {
		s.state.Order = sha256.Sum256(append(s.state.Order[:], c.Digest[:]...))
	}
	return nil
}

// Get returns the value of a key.
func (s *Store) Get(key string) (value string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.state.Keys[key]
	return value, ok
}

// Status is the progress of a process. Two processes with the same cursors have the same hash.
type Status struct {
	Hash string // of the whole state
	Next map[wire.PublicKey]uint64
}

// Status returns the status.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Hash: fmt.Sprintf("%x", sha256.Sum256(s.encode())), Next: maps.Clone(s.state.Next)}
}

// encode returns the state as JSON, which sorts keys. mu must be held.
func (s *Store) encode() []byte {
	b, err := json.Marshal(&s.state)
	if err != nil {
		panic(err) // cannot happen: only strings and numbers
	}
	return b
}

// Save makes the state durable, keys and cursors in one atomic step, and returns the cursors.
func (s *Store) Save() (next map[wire.PublicKey]uint64, err error) {
	s.mu.Lock()
	b, next := s.encode(), maps.Clone(s.state.Next)
	s.mu.Unlock()
	file, err := os.Create(s.path + ".new")
	if err != nil {
		return nil, err
	}
	_, err = file.Write(b)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(file.Name(), s.path); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return nil, err
	}
	return next, errors.Join(dir.Sync(), dir.Close()) // make the new name durable
}

// SaveEvery saves at intervals until ctx ends, and once more after that, and lets the replica drop
// the chunks that are no longer needed.
func (s *Store) SaveEvery(ctx context.Context, interval time.Duration, r *replica.Replica) error {
	for {
		select {
		case <-ctx.Done():
			_, err := s.Save()
			return err
		case <-time.After(interval):
		}
		next, err := s.Save()
		if err != nil {
			return err
		}
		for sequencer, below := range next {
			if err := r.Prune(ctx, sequencer, below); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}
