package aggregate

import (
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Lane is the votes and certificates of one sequencer.
type Lane struct {
	table *Table
	slots map[uint64]*Slot // by height; slots of one height are linked
	floor uint64           // no slot is below it
	last  *Slot            // found last, while it is open: most votes are for the same as those before them

	certificates []Certificate // a few, see Certify
	// past is one certificate for each of the last few heights that nothing is held of, at the height modulo its
	// length. Heights that are remembered differ by less than that.
	past      []pastCertificate
	highest   uint64 // highest certified height, if certified
	certified bool
}

// Slot returns the slot of k, nil if no vote has opened it.
func (l *Lane) Slot(k Key) *Slot {
	if l.last != nil && l.last.Key == k {
		return l.last
	}
	s := l.slots[k.Height]
	for s != nil && s.Epoch != k.Epoch {
		s = s.next
	}
	if s != nil {
		l.last = s
	}
	return s
}

// Open returns the slot of k, opening it if need be. It returns nil when there is no room: speculative slots, for
// heights or epochs ahead of need, have less of it, and are charged to opener.
func (l *Lane) Open(k Key, scheme verify.Scheme, speculative bool, opener *Quota) *Slot {
	if s := l.Slot(k); s != nil {
		return s
	}
	s := l.table.open(scheme, speculative, opener)
	if s == nil {
		return nil
	}
	s.Key = k
	s.next = l.slots[k.Height]
	l.slots[k.Height] = s
	if k.Height < l.floor {
		l.floor = k.Height
	}
	return s
}

// Slots returns the number of open slots.
func (l *Lane) Slots() int {
	n := 0
	for _, s := range l.slots {
		for ; s != nil; s = s.next {
			n++
		}
	}
	return n
}

// CloseBelow closes every slot whose height is below height.
func (l *Lane) CloseBelow(height uint64) {
	if height <= l.floor {
		return
	}
	if height-l.floor <= uint64(len(l.slots)) {
		for h := l.floor; h < height; h++ {
			l.closeHeight(h)
		}
	} else {
		for h := range l.slots {
			if h < height {
				l.closeHeight(h)
			}
		}
	}
	l.floor = height
}

func (l *Lane) closeHeight(height uint64) {
	s := l.slots[height]
	delete(l.slots, height)
	for s != nil {
		next := s.next
		l.forget(s)
		s.close()
		s = next
	}
}

// forget makes sure that s, which is about to be closed, is not found any more.
func (l *Lane) forget(s *Slot) {
	if l.last == s {
		l.last = nil
	}
}

// CloseEpochs closes every slot whose epoch is below first or above last.
func (l *Lane) CloseEpochs(first, last uint64) {
	for _, s := range l.slots {
		for s != nil {
			next := s.next
			if s.Epoch < first || s.Epoch > last {
				l.close(s)
			}
			s = next
		}
	}
}

// close unlinks one slot and closes it.
func (l *Lane) close(s *Slot) {
	head := l.slots[s.Height]
	if head == s {
		if s.next == nil {
			delete(l.slots, s.Height)
		} else {
			l.slots[s.Height] = s.next
		}
	} else {
		for head.next != s {
			head = head.next
		}
		head.next = s.next
	}
	s.next = nil
	l.forget(s)
	s.close()
}

// Highest returns the highest certified height, false if nothing is certified.
func (l *Lane) Highest() (uint64, bool) { return l.highest, l.certified }

// Certificate is a certificate of the lane.
type Certificate struct {
	Height, Epoch uint64
	Payload       wire.Digest
	Bytes         []byte // immutable
	Position      uint64 // of its record in the journal; 0 for none
	Report        uint64 // number of the report that told of it; 0 for none
}

// pastCertificate is a place for one.
type pastCertificate struct {
	Certificate
	set bool
}

// CertifyResult says what became of a certificate.
type CertifyResult uint8

const (
	// Added: it is new, and held now.
	Added CertifyResult = iota
	// Late: it is new, and of a height below those that are held. It is remembered among the past ones.
	Late
	// Known: one for the same payload is held or remembered that makes it superfluous.
	Known
	// Contradicted: one for another payload of that height is held or remembered. The first stands.
	Contradicted
	// Below: it is of a height so far below the highest certified one that nothing is remembered there.
	Below
)

// Certify adds a valid certificate and closes its slot. firstEpoch is the lowest epoch in bounds: of certificates for one
// payload, those below it are not wanted beside a newer one. When the result is Contradicted, the other certificate is
// returned; when it is Added or Late, a pointer to the new one, valid until the lane's certificates change.
func (l *Lane) Certify(c Certificate, firstEpoch uint64) (CertifyResult, *Certificate) {
	below := l.below(c.Height)
	for i := range l.certificates {
		held := &l.certificates[i]
		if held.Height != c.Height {
			continue
		}
		if held.Payload != c.Payload {
			return Contradicted, held
		}
		if below || held.Epoch == c.Epoch || held.Epoch > c.Epoch && c.Epoch < firstEpoch {
			return Known, nil
		}
	}
	if past := l.remembered(c.Height); past != nil {
		if past.Payload != c.Payload {
			return Contradicted, past
		}
		return Known, nil
	}
	if below {
		if !l.remembers(c.Height) {
			return Below, nil
		}
		return Late, l.remember(c)
	}
	l.certificates = append(l.certificates, c)
	if !l.certified || c.Height > l.highest {
		l.highest, l.certified = c.Height, true
	}
	if s := l.Slot(Key{c.Height, c.Epoch}); s != nil {
		l.close(s)
	}
	return Added, &l.certificates[len(l.certificates)-1]
}

// below reports whether height is below the highest certified height less one.
func (l *Lane) below(height uint64) bool {
	return l.certified && height < l.highest && l.highest-height > 1
}

// remembers reports whether past certificates of a height are remembered.
func (l *Lane) remembers(height uint64) bool {
	return height >= l.highest || l.highest-height < l.table.options.Past
}

// remember makes c the past certificate of its height, in the place of one that has become too low.
func (l *Lane) remember(c Certificate) *Certificate {
	if l.past == nil {
		l.past = make([]pastCertificate, l.table.options.Past)
	}
	p := &l.past[c.Height%uint64(len(l.past))]
	*p = pastCertificate{c, true}
	return &p.Certificate
}

// remembered returns the past certificate of a height, nil if there is none.
func (l *Lane) remembered(height uint64) *Certificate {
	if l.past == nil || !l.remembers(height) {
		return nil
	}
	if p := &l.past[height%uint64(len(l.past))]; p.set && p.Height == height {
		return &p.Certificate
	}
	return nil
}

// Knows reports whether Certify would find nothing new in a certificate for payload.
func (l *Lane) Knows(k Key, payload wire.Digest) bool {
	below := l.below(k.Height)
	for i := range l.certificates {
		if c := &l.certificates[i]; c.Height == k.Height && (below || c.Epoch == k.Epoch) && c.Payload == payload {
			return true
		}
	}
	past := l.remembered(k.Height)
	return past != nil && past.Payload == payload
}

// Resume sets the highest certified height of a lane that holds no certificate.
func (l *Lane) Resume(highest uint64) { l.highest, l.certified = highest, true }

// Close closes every slot.
func (l *Lane) Close() {
	for height := range l.slots {
		l.closeHeight(height)
	}
}

// Held returns the certificate of a height and epoch, nil if there is none.
func (l *Lane) Held(k Key) *Certificate {
	for i := range l.certificates {
		if c := &l.certificates[i]; c.Height == k.Height && c.Epoch == k.Epoch {
			return c
		}
	}
	return nil
}

// Newest returns the certificate for payload at height whose epoch is newest, nil if there is none.
func (l *Lane) Newest(height uint64, payload wire.Digest) *Certificate {
	var newest *Certificate
	for i := range l.certificates {
		c := &l.certificates[i]
		if c.Height == height && c.Payload == payload && (newest == nil || c.Epoch > newest.Epoch) {
			newest = c
		}
	}
	return newest
}

// At returns any certificate of a height, nil if there is none. All held ones of a height have the same payload.
func (l *Lane) At(height uint64) *Certificate {
	for i := range l.certificates {
		if l.certificates[i].Height == height {
			return &l.certificates[i]
		}
	}
	return nil
}

// Top returns the newest certificate of the highest certified height, nil if none is held there.
func (l *Lane) Top() *Certificate {
	if at := l.At(l.highest); l.certified && at != nil {
		return l.Newest(l.highest, at.Payload)
	}
	return nil
}

// Certificates returns what is held, oldest first. The slice is the lane's own.
func (l *Lane) Certificates() []Certificate { return l.certificates }

// PruneCertificates drops those below the highest certified height less one, unless they are the tip's or its
// parent's, and of several for one chunk those of epochs below firstEpoch that have a newer one beside them. release is
// called with each dropped one. tip is the height of the lane's tip, if it has one.
func (l *Lane) PruneCertificates(tip uint64, hasTip bool, firstEpoch uint64, release func(Certificate)) {
	kept := l.certificates[:0]
	for _, c := range l.certificates {
		old := l.below(c.Height)
		if hasTip && c.Height <= tip && tip-c.Height <= 1 {
			old = false
		}
		if c.Epoch < firstEpoch && l.newer(c) {
			old = true
		}
		if old {
			if l.below(c.Height) && l.remembers(c.Height) && l.remembered(c.Height) == nil {
				l.remember(c)
			}
			release(c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(l.certificates[len(kept):])
	l.certificates = kept
}

// newer reports whether the list still holds a certificate of c's height with a later epoch. It is asked while the
// list is compacted in place, which overwrites entries only with later ones: what it finds is always a real one.
func (l *Lane) newer(c Certificate) bool {
	for i := range l.certificates {
		if o := &l.certificates[i]; o.Height == c.Height && o.Epoch > c.Epoch {
			return true
		}
	}
	return false
}
