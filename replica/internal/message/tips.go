package message

import (
	"errors"
	"math"
	"slices"

	"github.com/lanecast/lanecast/wire"
)

const (
	// MaxEpochs bounds the epochs that a request for tips may name.
	MaxEpochs = 16

	instanceSize = 16
	// shortestLock has a certificate without bytes, which no scheme has.
	shortestLock = wire.PublicKeySize + 1 + wire.DigestSize + 1
)

// Revision numbers the states of a process's locks, within one start of it:
// instance [16] ‖ varint number.
type Revision struct {
	Instance [instanceSize]byte // drawn at start
	Number   uint64
}

func (v *Revision) size() int { return instanceSize + wire.UvarintSize(v.Number) }

func (v *Revision) appendTo(dst []byte) []byte {
	return wire.AppendUvarint(append(dst, v.Instance[:]...), v.Number)
}

func (r *reader) revision(v *Revision) {
	copy(v.Instance[:], r.take(instanceSize, "instance"))
	v.Number = r.uvarint64("revision")
}

// TipsRequest asks for the highest lock of each lane: follow ‖ 0x00, or 0x01 ‖ since ‖
// 0x00, or 0x01 ‖ after [32] ‖ varint u32 count ‖ count × varint epoch.
type TipsRequest struct {
	Follow bool            // the asker wants each new lock from now on
	Since  *Revision       // only changes since this revision of the answerer; nil: all
	After  *wire.PublicKey // the last lane of the page before; nil: the first page
	Epochs []uint64        // epochs whose locks are wanted, ascending, at most MaxEpochs; none: any
}

// Size returns the length of the encoding in bytes.
func (q *TipsRequest) Size() int {
	n := 3 + wire.UvarintSize(uint64(len(q.Epochs)))
	if q.Since != nil {
		n += q.Since.size()
	}
	if q.After != nil {
		n += wire.PublicKeySize
	}
	for _, e := range q.Epochs {
		n += wire.UvarintSize(e)
	}
	return n
}

// AppendTo appends the encoding to dst.
func (q *TipsRequest) AppendTo(dst []byte) []byte {
	dst = appendOption(dst, q.Follow)
	dst = appendOption(dst, q.Since != nil)
	if q.Since != nil {
		dst = q.Since.appendTo(dst)
	}
	dst = appendOption(dst, q.After != nil)
	if q.After != nil {
		dst = append(dst, q.After[:]...)
	}
	dst = wire.AppendUvarint(dst, uint64(len(q.Epochs)))
	for _, e := range q.Epochs {
		dst = wire.AppendUvarint(dst, e)
	}
	return dst
}

// Decode reads a request that is the whole of b.
func (q *TipsRequest) Decode(b []byte) error {
	r := reader{b: b}
	q.Since, q.After = nil, nil
	q.Follow = r.option("follow")
	if r.option("since option") {
		q.Since = new(Revision)
		r.revision(q.Since)
	}
	if r.option("after option") {
		q.After = new(wire.PublicKey)
		r.digest((*[32]byte)(q.After), "after")
	}
	n := r.count(MaxEpochs, 1, "count")
	q.Epochs = slices.Grow(q.Epochs[:0], n)[:n]
	for i := range q.Epochs {
		q.Epochs[i] = r.uvarint64("epoch")
		if i > 0 && q.Epochs[i] <= q.Epochs[i-1] {
			r.fail("epochs", ErrOrder)
		}
	}
	return r.end()
}

// Tips answers a TipsRequest:
// instance [16] ‖ varint revision ‖ more ‖ varint u32 count ‖ count × (varint u32 length ‖ Lock).
type Tips struct {
	Revision                // of the answerer's locks
	More     bool           // there is another page, after the last lane of this one
	Locks    []wire.Lock    // ascending by sequencer, one each; views after decoding
	Unknown  []wire.Subject // locks of unknown epochs, if taken; never encoded
	added    int            // bytes of the locks that Add has added, with their lengths
}

// sizedLock returns the length of a lock and of the length before it, in bytes.
func sizedLock(l *wire.Lock) int {
	n := l.Size()
	return wire.UvarintSize(uint64(n)) + n
}

// Add adds a lock if its encoding fits the page, and reports whether it does. All locks of a filled
// page must be added by Add. A lock that does not fit an empty page fits none.
func (t *Tips) Add(l *wire.Lock) bool {
	added := t.added + sizedLock(l)
	if t.headSize(len(t.Locks)+1)+added > PageLimit {
		return false
	}
	t.Locks, t.added = append(t.Locks, *l), added
	return true
}

// headSize returns the length of the fields before that number of locks, in bytes.
func (t *Tips) headSize(locks int) int {
	return t.Revision.size() + 1 + wire.UvarintSize(uint64(locks))
}

// Size returns the length of the encoding in bytes.
func (t *Tips) Size() int {
	n := t.headSize(len(t.Locks))
	for i := range t.Locks {
		n += sizedLock(&t.Locks[i])
	}
	return n
}

// AppendTo appends the encoding to dst.
func (t *Tips) AppendTo(dst []byte) []byte {
	dst = appendOption(t.Revision.appendTo(dst), t.More)
	dst = wire.AppendUvarint(dst, uint64(len(t.Locks)))
	for i := range t.Locks {
		dst = wire.AppendUvarint(dst, uint64(t.Locks[i].Size()))
		dst = t.Locks[i].AppendTo(dst)
	}
	return dst
}

// Decode reads an answer that is the whole of b. The epochs of its locks are looked up in formats;
// an epoch that formats does not know is an error.
func (t *Tips) Decode(b []byte, formats wire.Formats) error { return t.decode(b, formats, false) }

// DecodeAny is Decode for an answer with locks of any epoch. Locks of epochs that formats does not
// know cannot be verified: their chunks and epochs go to Unknown.
func (t *Tips) DecodeAny(b []byte, formats wire.Formats) error { return t.decode(b, formats, true) }

// Range returns the first and the last lane of a page that was decoded; nil for a page of no tips.
func (t *Tips) Range() (first, last *wire.PublicKey) {
	take := func(id *wire.PublicKey) {
		if first == nil || id.Compare(*first) < 0 {
			first = id
		}
		if last == nil || id.Compare(*last) > 0 {
			last = id
		}
	}
	if n := len(t.Locks); n > 0 {
		take(&t.Locks[0].Chunk.Sequencer)
		take(&t.Locks[n-1].Chunk.Sequencer)
	}
	if n := len(t.Unknown); n > 0 {
		take(&t.Unknown[0].Chunk.Sequencer)
		take(&t.Unknown[n-1].Chunk.Sequencer)
	}
	return first, last
}

func (t *Tips) decode(b []byte, formats wire.Formats, anyEpoch bool) error {
	r := reader{b: b}
	t.added = 0
	r.revision(&t.Revision)
	t.More = r.option("more")
	n := r.count(math.MaxUint32, 1+shortestLock, "count")
	t.Locks, t.Unknown = slices.Grow(t.Locks[:0], n)[:0], t.Unknown[:0]
	var before wire.PublicKey
	for i := range n {
		var lock wire.Lock
		encoded := r.take(int(r.uvarint32("lock length")), "lock")
		if r.err != nil {
			return r.err
		}
		err := lock.Decode(encoded, formats)
		if anyEpoch && errors.Is(err, wire.ErrUnknownEpoch) {
			if err = lock.DecodeStored(encoded); err == nil {
				t.Unknown = append(t.Unknown, lock.Subject())
			}
		} else {
			t.Locks = append(t.Locks, lock)
		}
		if r.part(0, err); err == nil && i > 0 && before.Compare(lock.Chunk.Sequencer) >= 0 {
			r.fail("locks", ErrOrder)
		}
		if r.err != nil {
			return r.err
		}
		before = lock.Chunk.Sequencer
	}
	if n == 0 && t.More {
		r.fail("more", ErrMore)
	}
	return r.end()
}
