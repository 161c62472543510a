package kv

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

func encoded(pairs ...Pair) (b []byte) {
	for _, p := range pairs {
		b = p.AppendTo(b)
	}
	return b
}

func TestABodyIsReadIfItsBytesAreThoseOfAllowedPairs(t *testing.T) {
	good := encoded(Pair{"a", "1"}, Pair{"b", ""})
	if pairs, ok := ReadPairs(good); !ok || len(pairs) != 2 || pairs[1] != (Pair{"b", ""}) {
		t.Errorf("read %v, %v", pairs, ok)
	}
	for name, body := range map[string][]byte{
		"cut off":            good[:len(good)-1],
		"no key":             encoded(Pair{"", "1"}),
		"no UTF-8":           encoded(Pair{"a", "\xff"}),
		"a length too long":  {0x81, 0x00, 'a', 0x00},
		"a length of 2^63":   {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'a'},
		"too long a pair":    encoded(Pair{"a", strings.Repeat("x", MaxPair)}),
		"too many of them":   bytes.Repeat(encoded(Pair{"a", strings.Repeat("x", MaxPair/2)}), 9),
		"nothing but length": {0x05},
	} {
		if _, ok := ReadPairs(body); ok {
			t.Errorf("%s: read", name)
		}
	}
}

func FuzzReadPairs(f *testing.F) {
	f.Add(encoded(Pair{"a", "1"}))
	f.Fuzz(func(t *testing.T, body []byte) {
		if pairs, ok := ReadPairs(body); ok && !bytes.Equal(encoded(pairs...), body) {
			t.Errorf("%x was read as %v", body, pairs)
		}
	})
}

func chunk(lane byte, height uint64) *replica.Chunk {
	return &replica.Chunk{Place: engine.Place{Sequencer: wire.PublicKey{lane}, Height: height}, Digest: wire.Digest{lane, byte(height)}}
}

func apply(t *testing.T, s *Store, c *replica.Chunk, pairs ...Pair) {
	t.Helper()
	if err := s.Apply(c, pairs); err != nil {
		t.Fatal(err)
	}
}

func TestSavedStateIsFoundAgainWithItsCursorsAndUnsavedStateIsLostWithThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s, err := Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, chunk(1, 0), Pair{"a", "1"})
	saved := s.Status()
	if next, err := s.Save(); err != nil || next[wire.PublicKey{1}] != 1 {
		t.Fatal(next, err)
	}
	apply(t, s, chunk(1, 1), Pair{"a", "2"})
	last := s.Status()

	s, err = Open(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.Status().Hash != saved.Hash || s.Next(wire.PublicKey{1}) != 1 {
		t.Errorf("found %v, saved was %v", s.Status(), saved)
	}
	apply(t, s, chunk(1, 0), Pair{"a", "1"}) // handed over twice
	if s.Status().Hash != saved.Hash {
		t.Error("a chunk applied before has changed the state")
	}
	apply(t, s, chunk(1, 1), Pair{"a", "2"})
	if s.Status().Hash != last.Hash {
		t.Errorf("%v, and %v before the restart", s.Status(), last)
	}
	if err := s.Apply(chunk(1, 3), nil); err == nil {
		t.Error("a gap was applied")
	}
}

func TestTheOrderOfLanesIsAPartOfTheStateWhereItMatters(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		var hashes []string
		for _, lanes := range [][2]byte{{1, 2}, {2, 1}} {
			s, err := Open(filepath.Join(t.TempDir(), "state"), ordered)
			if err != nil {
				t.Fatal(err)
			}
			apply(t, s, chunk(lanes[0], 0), Pair{string(rune('a' + lanes[0])), "1"})
			apply(t, s, chunk(lanes[1], 0), Pair{string(rune('a' + lanes[1])), "1"})
			hashes = append(hashes, s.Status().Hash)
		}
		if differ := hashes[0] != hashes[1]; differ != ordered {
			t.Errorf("ordered %v: the hashes differ: %v", ordered, differ)
		}
	}
}

func TestAPutReturnsWhenItsBodyIsAppliedAndFailsIfAnotherOneIs(t *testing.T) {
	p := NewPuts()
	result := make(chan error, 1)
	put := func() {
		go func() { result <- p.Put(context.Background(), Pair{"a", "1"}) }()
		<-p.Some()
	}
	put()
	p.Applied(0, p.Take(0))
	if err := <-result; err != nil {
		t.Error(err)
	}
	put()
	p.Take(1)
	p.Applied(1, encoded(Pair{"b", "1"}))
	if err := <-result; !errors.Is(err, ErrReplaced) {
		t.Errorf("the error is %v", err)
	}
	put()
	p.Take(2)
	if p.Take(2) != nil {
		t.Error("pairs were taken twice")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Put(ctx, Pair{"a", "1"}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	p.Take(2)
	if err := <-result; !errors.Is(err, ErrReplaced) {
		t.Errorf("the error of a pair that was not proposed is %v", err)
	}
}
