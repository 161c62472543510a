package record

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func lock(height uint64) *wire.Lock {
	return &wire.Lock{Chunk: wire.Chunk{Sequencer: wire.PublicKey{1}, Height: height}, Epoch: 3, Certificate: bytes.Repeat([]byte{7}, 90)}
}

// read returns the entries of a record, and the error at its end.
func read(t *testing.T, name string) (entries []Entry, end error) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for r := NewReader(bytes.NewReader(b)); ; {
		e, err := r.Next()
		if err != nil {
			return entries, err
		}
		e.Body = bytes.Clone(e.Body)
		entries = append(entries, e)
	}
}

// write appends entries to a record, one with each method of Writer.
func write(t *testing.T, name string, height uint64) {
	t.Helper()
	w, err := Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := lock(height)
	w.Chunk(Ack, &l.Chunk)
	w.Lock(l)
	w.JSON(Run, map[string]uint64{"height": height})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARecordHasWhatWasWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "record")
	write(t, name, 4)
	write(t, name, 5)
	entries, end := read(t, name)
	if !errors.Is(end, io.EOF) || len(entries) != 6 {
		t.Fatalf("%d entries, %v", len(entries), end)
	}
	last := int64(0)
	for i, e := range entries {
		want := lock(4 + uint64(i/3))
		switch e.Kind {
		case Ack:
			if c, err := e.DecodeChunk(); err != nil || c != want.Chunk {
				t.Errorf("entry %d: %v, %v", i, c, err)
			}
		case Lock:
			if l, err := e.DecodeLock(); err != nil || l.Chunk != want.Chunk || l.Epoch != 3 || !bytes.Equal(l.Certificate, want.Certificate) {
				t.Errorf("entry %d: %v, %v", i, l, err)
			}
		case Run:
			var v struct{ Height uint64 }
			if err := e.DecodeJSON(&v); err != nil || v.Height != want.Chunk.Height {
				t.Errorf("entry %d: %v, %v", i, v, err)
			}
		default:
			t.Errorf("entry %d is of kind %q", i, e.Kind)
		}
		if e.At < last {
			t.Errorf("entry %d is of %d, after one of %d", i, e.At, last)
		}
		last = e.At
	}
}

// A process that is killed may leave any part of the entry that it was writing.
func TestTheNextProcessCutsOffWhatAKilledOneLeft(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	write(t, whole, 4)
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range b {
		name := filepath.Join(dir, "cut")
		if err := os.WriteFile(name, b[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		before, _ := read(t, name)
		write(t, name, 9)
		after, end := read(t, name)
		if !errors.Is(end, io.EOF) || len(after) != len(before)+3 || after[len(before)].Kind != Ack {
			t.Fatalf("cut at %d: %d entries before, %d after, %v", cut, len(before), len(after), end)
		}
	}
}

func TestADamagedRecordIsNotTakenForAnother(t *testing.T) {
	name := filepath.Join(t.TempDir(), "record")
	write(t, name, 4)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := read(t, name)
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 0x10
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		entries, end := read(t, name)
		// A length that reaches past the end looks like an incomplete entry.
		if errors.Is(end, io.EOF) || len(entries) >= len(whole) || !errors.Is(end, ErrDamaged) && !errors.Is(end, io.ErrUnexpectedEOF) {
			t.Fatalf("byte %d: %d entries, %v", i, len(entries), end)
		}
	}
}

func TestARecordIsReadWhileItIsWritten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "record")
	write(t, name, 4)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "growing"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := os.Open(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, found := NewReader(in), 0
	for i := range b {
		if _, err := f.Write(b[i : i+1]); err != nil {
			t.Fatal(err)
		}
		_, err := r.Next()
		switch {
		case err == nil:
			found++
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			t.Fatalf("after %d bytes: %v", i+1, err)
		}
	}
	if found != 3 {
		t.Errorf("%d entries", found)
	}
}

func TestALengthOfNoEntryMakesNoRoom(t *testing.T) {
	for _, head := range [][]byte{{0, 0, 0, 0, 0, 0, 0, 0}, {8, 0, 0, 0, 0, 0, 0, 0}, {255, 255, 255, 255, 0, 0, 0, 0}, {1, 0, 0, 1, 0, 0, 0, 0}} {
		if _, err := NewReader(bytes.NewReader(head)).Next(); !errors.Is(err, ErrDamaged) {
			t.Errorf("% x: %v", head, err)
		}
	}
	// The longest possible entry, none of whose bytes arrive.
	r := NewReader(bytes.NewReader([]byte{0, 0, 0, 1, 0, 0, 0, 0}))
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) || cap(r.part) > 1<<18 {
		t.Errorf("%v, room for %d bytes", err, cap(r.part))
	}
}
