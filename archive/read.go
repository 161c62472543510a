package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// State is the kind of content of a place.
type State uint8

const (
	// Absent means nothing.
	Absent State = iota
	// Gone means nothing, since the height is below what is kept of the lane.
	Gone
	// PushedBody means a pushed body that nobody has requested yet.
	PushedBody
	// HeaderOnly means the header, and no body, or a damaged one.
	HeaderOnly
	// Held means header and body.
	Held
)

// Head is the content of a place of a lane. Header and Digest are zero if State is Absent or Gone.
type Head struct {
	State  State
	Header payload.Header
	Digest wire.Digest
}

// Head returns the content of a place.
func (a *Archive) Head(sequencer wire.PublicKey, height uint64) Head {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.state.lanes[sequencer]
	if l == nil {
		return Head{}
	}
	if e, ok := l.wanted.get(height); ok {
		return l.head(height, &e)
	}
	if e, ok := l.pushed.get(height); ok && e.held() {
		return Head{State: PushedBody, Header: l.header(height, &e), Digest: e.digest}
	}
	if !l.keeps(height) {
		return Head{State: Gone}
	}
	return Head{}
}

func (l *lane) head(height uint64, e *entry) Head {
	h := Head{State: HeaderOnly, Header: l.header(height, e), Digest: e.digest}
	if e.held() {
		h.State = Held
	}
	return h
}

// Range returns the contents of a lane from a height up, without a gap, at most limit places;
// nothing if the first place is empty.
func (a *Archive) Range(sequencer wire.PublicKey, from uint64, limit int) []Head {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.state.lanes[sequencer]
	if l == nil {
		return nil
	}
	var heads []Head
	for height := from; len(heads) < limit; height++ {
		e, ok := l.wanted.get(height)
		if !ok {
			break
		}
		heads = append(heads, l.head(height, &e))
		if height == ^uint64(0) {
			break
		}
	}
	return heads
}

// Tip is the state of a lane.
type Tip struct {
	Sequencer wire.PublicKey
	Watermark uint64 // the host needs nothing below
	Floor     uint64 // nothing below is held, save the lane's top
	Top       *Head  // the highest header; nil if there is none
	Locks     []wire.Lock
}

// Tips returns the state of all lanes, by ascending sequencer, each with the last lock of every
// epoch, by ascending epoch. Certificates must not be changed.
func (a *Archive) Tips() []Tip {
	a.mu.Lock()
	defer a.mu.Unlock()
	tips := make([]Tip, 0, len(a.state.lanes))
	for _, l := range a.state.lanes {
		tips = append(tips, l.tip())
	}
	slices.SortFunc(tips, func(a, b Tip) int { return a.Sequencer.Compare(b.Sequencer) })
	return tips
}

// Tip returns the state of one lane; ok is false if there is nothing of it.
func (a *Archive) Tip(sequencer wire.PublicKey) (t Tip, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.state.lanes[sequencer]
	if l == nil {
		return Tip{}, false
	}
	return l.tip(), true
}

func (l *lane) tip() Tip {
	t := Tip{Sequencer: l.sequencer, Watermark: l.watermark, Floor: l.floor}
	if e, ok := l.wanted.get(l.top); ok {
		h := l.head(l.top, &e)
		t.Top = &h
	}
	for _, k := range l.locks {
		t.Locks = append(t.Locks, k.Lock)
	}
	slices.SortFunc(t.Locks, func(a, b wire.Lock) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return t
}

// Usage is the amount of data in an archive, in bytes of bodies with their framing unless noted
// otherwise.
type Usage struct {
	Used     int64 // wanted bodies, within Quota
	Room     int64 // wanted bodies in the lanes' own room
	Pushed   int64 // pushed bodies
	Retained int64 // of Used, bodies below the watermark
	Pending  int64 // bodies that are put and not durable
	Headers  int   // headers that are held, with and without bodies
	Segments int   // data files
	Disk     int64 // the length of the data files
	Damaged  int64 // bodies found damaged since Open
}

// Usage returns the amount of data in the archive.
func (a *Archive) Usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.state
	u := Usage{Used: s.used, Room: s.room, Pushed: s.pushed, Retained: s.retained, Pending: a.pending, Headers: s.headers, Damaged: a.damages}
	for _, g := range s.segments {
		if !g.missing {
			u.Segments++
			u.Disk += g.disk()
		}
	}
	for _, g := range a.spares {
		u.Segments++
		u.Disk += g.size
	}
	return u
}

// HasRoom reports whether Put would now take bodies ForVote of so many bytes together, whose
// headers are held: see [StoredSize].
func (a *Archive) HasRoom(bytes int64) bool {
	free, err := a.free()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil || a.usable() != nil || a.pending+bytes > a.cfg.MaxPending ||
		a.cfg.MinFree > 0 && free-a.pending-bytes < a.leastFree(ForVote) {
		return false
	}
	missing := a.state.used + a.reserved.used + bytes - a.cfg.Quota
	return missing <= 0 || missing <= a.state.retained && missing <= a.state.yields()
}

// yields returns the bytes of bodies that are only retained, without the lanes' tops, which stay.
func (s *state) yields() int64 {
	bytes := s.retained
	for _, l := range s.lanes {
		for i, height := range []uint64{l.top, l.lockTop} {
			if e, ok := l.wanted.get(height); ok && height >= l.floor && height < l.watermark && (i == 0 || height != l.top) {
				bytes -= l.quotaOf(height, &e).used
			}
		}
	}
	return bytes
}

// StoredSize returns the bytes that a body takes in an archive, with its framing.
func StoredSize(h *payload.Header) int64 { return bodyFrame(h.Size(), h.BodySize) }

// Recovery returns the result of Open.
func (a *Archive) Recovery() Recovery { return a.recovery }

// Get reads a wanted body, into buf if that is large enough for its frame, and checks it. The body
// is a part of the buffer's memory. The errors are ErrNotHeld, ErrPruned, a *DamageError, and those
// of opening a file.
func (a *Archive) Get(sequencer wire.PublicKey, height uint64, buf []byte) (h payload.Header, body []byte, err error) {
	err = a.read(place{sequencer, height}, func(file journal.File, p place, e *entry) *DamageError {
		s, damage := a.readStored(file, p, e, buf)
		if damage == nil {
			h, body = (&lane{laneState: laneState{sequencer: sequencer}}).header(height, e), s.payload[s.prefix:]
		}
		return damage
	})
	return h, body, err
}

// Piece is a piece of a body with its audit path, as payload.CheckPiece takes it.
type Piece struct {
	Index uint64
	Bytes []byte
	Path  []byte
}

// Pieces reads pieces of a wanted body, from index first on, at most n, without reading the others,
// and proves them. Each is checked before it is returned, so that damage never goes to a peer. If
// the body has no piece first, there are none. The errors are those of Get.
func (a *Archive) Pieces(sequencer wire.PublicKey, height uint64, first uint64, n int) (h payload.Header, pieces []Piece, err error) {
	err = a.read(place{sequencer, height}, func(file journal.File, p place, e *entry) (damage *DamageError) {
		h = (&lane{laneState: laneState{sequencer: sequencer}}).header(height, e)
		pieces, damage = a.readPieces(file, p, e, &h, first, n)
		return damage
	})
	return h, pieces, err
}

func (a *Archive) readPieces(file journal.File, p place, e *entry, h *payload.Header, first uint64, n int) ([]Piece, *DamageError) {
	count := payload.Pieces(h.BodySize)
	if first >= count || n <= 0 {
		return nil, nil
	}
	if file == nil {
		return nil, damaged(p, e, "the segment is missing", nil)
	}
	last := min(count, first+uint64(n)) // no overflow: a body has few pieces
	size := prefixSize(h.Size(), h.BodySize)
	prefix := make([]byte, size)
	at := e.at.byte() + segment.FrameHead
	if err := readFull(file, prefix, at); err != nil {
		return nil, damaged(p, e, "it cannot be read: "+err.Error(), err)
	}
	leaves := leavesOf(prefix[1+h.Size():])
	tree, err := payload.TreeOfLeaves(h.BodySize, leaves)
	if err != nil || tree.Root() != h.Root || !bytes.Equal(prefix[1:1+h.Size()], h.AppendTo(nil)) {
		return nil, damaged(p, e, "its header or the hashes of its pieces are not right", err)
	}
	begin := int64(first) * payload.PieceSize
	end := min(int64(last)*payload.PieceSize, int64(h.BodySize))
	all := make([]byte, end-begin)
	if err := readFull(file, all, at+int64(size)+begin); err != nil {
		return nil, damaged(p, e, "it cannot be read: "+err.Error(), err)
	}
	pieces := make([]Piece, 0, last-first)
	for i := first; i < last; i++ {
		length := payload.PieceLength(h.BodySize, i)
		piece := Piece{Index: i, Bytes: all[:length:length], Path: tree.AppendPath(nil, i)}
		all = all[length:]
		if err := payload.CheckPiece(h, i, piece.Bytes, piece.Path); err != nil {
			return nil, damaged(p, e, fmt.Sprintf("piece %d is not what its hash says", i), err)
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

// read calls f with the file of a wanted body, or with nil if the file is missing, and notes the
// damage that f finds. If the body was moved meanwhile, read looks for it again.
func (a *Archive) read(p place, f func(file journal.File, p place, e *entry) *DamageError) error {
	for {
		e, err := a.find(p)
		if err != nil {
			return err
		}
		file, err := a.cfg.FS.OpenRead(filepath.Join(a.dir, segmentName(e.at.segment)))
		if err != nil && !isMissing(err) {
			return fmt.Errorf("archive: opening %s: %w", segmentName(e.at.segment), err)
		}
		damage := f(file, p, &e)
		if file != nil {
			_ = file.Close() // it was read only
		}
		if damage == nil {
			return nil
		}
		if a.noteDamage(p, &e) {
			return damage
		}
	}
}

// find returns the entry of a body that is held.
func (a *Archive) find(p place) (entry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return entry{}, ErrClosed
	}
	l := a.state.lanes[p.sequencer]
	if l == nil {
		return entry{}, ErrNotHeld
	}
	e, ok := l.wanted.get(p.height)
	switch {
	case ok && e.held():
		return e, nil
	case !ok && !l.keeps(p.height):
		return entry{}, fmt.Errorf("%w: height %d is below %d", ErrPruned, p.height, l.floor)
	}
	return entry{}, ErrNotHeld
}

// noteDamage notes that a body is damaged. It returns false if the body is elsewhere by now, or
// gone.
func (a *Archive) noteDamage(p place, was *entry) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.state.lanes[p.sequencer]
	e, ok := l.wanted.get(p.height)
	if !ok || e.at != was.at {
		return false
	}
	if !e.damaged {
		e.damaged = true
		l.wanted.set(p.height, e)
		a.damages++
	}
	return true
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func readFull(f journal.File, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
