package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

const (
	markName  = "WATERMARK"
	markMagic = "lanemark"
	markSize  = 72
	slotSize  = 4 << 10 // one page each, so that no write of one slot affects the other
	markFile  = slotSize + markSize

	markInterval = 100 * time.Millisecond
	markBytes    = 1 << 20
)

const markCreating uint32 = 1 // flag in a watermark

// watermark is the end of the durable log at the time of its writing. The log never ends before it.
type watermark struct {
	identity   segment.Identity
	generation uint64 // of two slots the one with the higher generation counts
	creating   bool   // the log may not exist yet; if it does, it reaches this far
	segment    uint64
	offset     int64
	next       Position
}

func (m *watermark) encode() []byte {
	b := make([]byte, markSize)
	copy(b, markMagic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], formatVersion)
	if m.creating {
		le.PutUint32(b[12:], markCreating)
	}
	copy(b[16:], m.identity[:])
	le.PutUint64(b[32:], m.generation)
	le.PutUint64(b[40:], m.segment)
	le.PutUint64(b[48:], uint64(m.offset))
	le.PutUint64(b[56:], uint64(m.next))
	le.PutUint32(b[68:], crc32.Checksum(b[:68], segment.Castagnoli))
	return b
}

// decode reports whether b is a watermark; the error is ErrVersion.
func (m *watermark) decode(b []byte) (ok bool, err error) {
	le := binary.LittleEndian
	if len(b) < markSize || string(b[:8]) != markMagic || le.Uint32(b[68:]) != crc32.Checksum(b[:68], segment.Castagnoli) {
		return false, nil
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return false, unknownVersion(v)
	}
	copy(m.identity[:], b[16:])
	m.generation = le.Uint64(b[32:])
	m.segment = le.Uint64(b[40:])
	m.offset = int64(le.Uint64(b[48:]))
	m.next = Position(le.Uint64(b[56:]))
	flags := le.Uint32(b[12:])
	m.creating = flags&markCreating != 0
	return flags&^markCreating == 0 && m.segment > 0 && m.offset >= segment.HeadSize && m.offset%8 == 0 && m.next > 0, nil
}

// extent is the watermark without its generation: the part to compare.
func (m watermark) extent() watermark {
	m.generation = 0
	return m
}

func (m *watermark) public() Watermark {
	return Watermark{File: segmentName(m.segment), Offset: m.offset, Next: m.next}
}

// foundMark is the content of the watermark file when Open reads it.
type foundMark struct {
	watermark
	exists bool
	sound  bool // a slot holds a watermark
	slot   int  // slot to be written next
	both   bool // both slots have the same extent
}

// readMark reads the watermark file of a folder.
//
// The slot to write next is the one that holds no watermark, because the other is durable: a slot
// is written only after the other was synced. If both hold one, it is the newer: that one may be
// only in the system's cache, and the older is durable by the same rule.
func readMark(fsys FS, dir string) (found foundMark, err error) {
	file, err := fsys.OpenRead(filepath.Join(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("journal: opening %s: %w", markName, err)
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = fmt.Errorf("journal: reading %s: %w", markName, err)
		}
	}()
	found.exists = true
	size, err := file.Size()
	if err != nil {
		return found, err
	}
	r := frameReader{file: file, size: size}
	var marks [2]watermark
	var sound [2]bool
	for slot := range marks {
		b, at := make([]byte, markSize), int64(slot)*slotSize
		if size < at+markSize {
			continue
		}
		if err := r.readFull(b, at); err != nil {
			return found, err
		}
		if sound[slot], err = marks[slot].decode(b); err != nil {
			return found, err
		}
	}
	newer := 0
	if !sound[0] || sound[1] && marks[1].generation > marks[0].generation {
		newer = 1
	}
	found.watermark, found.sound, found.slot = marks[newer], sound[newer], newer
	if !sound[1-newer] {
		found.slot = 1 - newer
	}
	found.both = sound[0] && sound[1] && marks[0].extent() == marks[1].extent()
	return found, nil
}

// marker keeps the watermark file up to date while the journal is open. A goroutine of its own
// writes it, so that a group never waits for the file.
type marker struct {
	file   File
	limit  int64 // number of durable bytes since the last watermark at which the next is due
	manual bool
	failed func() // called once after failure was set

	wake  chan struct{} // capacity 1: limit bytes are unmarked
	timer *time.Timer   // started by the journal's goroutine with the first unmarked byte
	stop  chan struct{} // closed by halt
	done  chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	reached  watermark // the durable end; written by the journal's goroutine, and by writeBoth
	unmarked int64     // bytes made durable since reached was last written to the file

	// Owned by the goroutine while it runs, by the journal's goroutine before and after.
	generation uint64
	slot       int
	unsynced   bool      // the slot is written, but not synced
	inBoth     watermark // content of both slots; zero if they differ

	failure atomic.Pointer[error]
}

func newMarker(file File, found *foundMark, cfg *Config, failed func()) *marker {
	timer := time.NewTimer(markInterval)
	timer.Stop()
	k := &marker{
		file: file, limit: cfg.markBytes, manual: cfg.manual, failed: failed,
		wake: make(chan struct{}, 1), timer: timer, stop: make(chan struct{}), done: make(chan struct{}),
		generation: found.generation, slot: found.slot,
	}
	if found.both {
		k.inBoth = found.extent()
	}
	return k
}

// note records that the log is durable up to m, n bytes more than before.
func (k *marker) note(m watermark, n int64) {
	k.mu.Lock()
	before := k.unmarked
	k.reached = m
	k.unmarked += n
	after := k.unmarked
	k.mu.Unlock()
	switch {
	case k.manual:
		k.step()
	case before < k.limit && after >= k.limit:
		select {
		case k.wake <- struct{}{}:
		default:
		}
	case before == 0:
		k.timer.Reset(markInterval)
	}
}

// step replaces the goroutine in manual mode: it writes the watermark when it is due, and syncs it
// when the log has grown meanwhile.
func (k *marker) step() {
	switch {
	case k.err() != nil:
	case k.unsynced:
		k.end(k.sync())
	case k.waiting() >= k.limit:
		k.end(k.write())
	}
}

func (k *marker) waiting() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unmarked
}

// run is the goroutine.
func (k *marker) run() {
	defer close(k.done)
	defer k.timer.Stop()
	for {
		select {
		case <-k.timer.C:
		case <-k.wake:
		case <-k.stop:
			return
		}
		if k.waiting() == 0 {
			continue // the last watermark covered that already
		}
		if err := k.save(); err != nil {
			k.end(err)
			return
		}
	}
}

// end notes the result of a write or sync.
func (k *marker) end(err error) {
	if err != nil {
		k.failure.Store(&err)
		k.failed()
	}
}

func (k *marker) err() error {
	if p := k.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// halt ends the goroutine and waits for it. The goroutine finishes a write that it has begun.
func (k *marker) halt() {
	if !k.manual {
		close(k.stop)
		<-k.done
	}
}

// writeBoth writes the end of a log that is being opened or closed to both slots: if one is lost in
// a write of the next process, the other is no older. It is called while the goroutine does not
// run.
func (k *marker) writeBoth(m watermark) error {
	if k.inBoth == m {
		return nil
	}
	k.reached = m
	for range 2 {
		if err := k.save(); err != nil {
			return err
		}
	}
	k.inBoth = m
	return nil
}

// save writes the end of the durable log to the file, durably.
func (k *marker) save() error {
	if k.unsynced {
		if err := k.sync(); err != nil {
			return err
		}
	}
	if err := k.write(); err != nil {
		return err
	}
	return k.sync()
}

func (k *marker) write() error {
	k.mu.Lock()
	m := k.reached
	k.unmarked = 0
	k.mu.Unlock()
	m.generation = k.generation + 1
	if err := writeAt(k.file, m.encode(), int64(k.slot)*slotSize); err != nil {
		return fmt.Errorf("journal: writing %s: %w", markName, err)
	}
	k.unsynced, k.inBoth = true, watermark{}
	return nil
}

func (k *marker) sync() error {
	if err := k.file.Sync(); err != nil {
		return fmt.Errorf("journal: syncing %s: %w", markName, err)
	}
	k.unsynced = false
	k.generation++
	k.slot = 1 - k.slot
	return nil
}
