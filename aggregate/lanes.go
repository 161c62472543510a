package aggregate

import (
	"slices"

	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/wire"
)

// Lane is the votes and certificates of one sequencer.
type Lane struct {
	Certificates
	sequencer wire.PublicKey
	votes     *Votes
	slots     map[uint64]*slot // by height; slots of one height are linked
	peak      shrink.Peak      // of slots
	floor     uint64           // no slot is below it
	found     *slot            // found last, nil once closed: most votes go to the same slot
}

// Lane returns a new, empty lane.
func (v *Votes) Lane(sequencer wire.PublicKey) *Lane {
	return &Lane{
		Certificates: Certificates{past: v.cfg.Past}, sequencer: sequencer, votes: v, slots: make(map[uint64]*slot),
	}
}

// slot returns the slot of k, nil if no vote has opened it.
func (l *Lane) slot(k key) *slot {
	if l.found != nil && l.found.key == k {
		return l.found
	}
	s := l.slots[k.height]
	for s != nil && s.epoch != k.epoch {
		s = s.next
	}
	if s != nil {
		l.found = s
	}
	return s
}

// open returns the slot of k and opens it if necessary. It returns nil when there is no room.
func (l *Lane) open(k key, set *Set, opener wire.Participant, ahead bool) *slot {
	if s := l.slot(k); s != nil {
		return s
	}
	s := l.votes.memory.open(set, opener, ahead)
	if s == nil {
		return nil
	}
	s.key, s.lane = k, l
	s.next = l.slots[k.height]
	l.slots[k.height] = s
	if k.height < l.floor {
		l.floor = k.height
	}
	return s
}

// Certify adds a valid certificate and closes its slot. A certificate of an epoch below bounds is
// Known if a newer one for the same payload is held. With Contradicted, Certify returns the other
// certificate; with Added or Late, it returns a pointer to the new one, valid until the lane's
// certificates change.
func (l *Lane) Certify(c Certificate) (CertifyResult, *Certificate) {
	result, held := l.add(c, l.votes.first)
	if result == Added {
		if s := l.slot(key{c.Chunk.Height, c.Epoch}); s != nil {
			l.close(s)
		}
	}
	return result, held
}

// Prune drops certificates below the highest certified height less one, unless they are of the tip
// or its parent. Of several certificates for one chunk it drops those of epochs below bounds that
// have a newer one beside them. It returns the dropped ones. tip is the height of the lane's tip;
// hasTip reports whether the lane has one.
func (l *Lane) Prune(tip uint64, hasTip bool) (dropped []Certificate) {
	return l.prune(tip, hasTip, l.votes.first)
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

// Close closes every slot.
func (l *Lane) Close() {
	for height := range l.slots {
		l.closeHeight(height)
	}
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

// CloseOutOfBounds closes every slot whose epoch is not within bounds.
func (l *Lane) CloseOutOfBounds() {
	for _, s := range l.slots {
		for s != nil {
			next := s.next
			if s.epoch < l.votes.first || s.epoch > l.votes.last {
				l.close(s)
			}
			s = next
		}
	}
}

func (l *Lane) closeHeight(height uint64) {
	s := l.slots[height]
	l.remove(height)
	for s != nil {
		next := s.next
		l.forget(s)
		s.close()
		s = next
	}
}

// close unlinks one slot and closes it.
func (l *Lane) close(s *slot) {
	head := l.slots[s.height]
	if head == s {
		if s.next == nil {
			l.remove(s.height)
		} else {
			l.slots[s.height] = s.next
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

// remove takes a height out of the map and lets the map shrink. Otherwise a validator that fills
// one lane after another with acks far ahead would leave every lane with a large map.
func (l *Lane) remove(height uint64) {
	delete(l.slots, height)
	l.slots = shrink.Map(l.slots, &l.peak)
}

// forget makes sure that s, which is about to be closed, is no longer found.
func (l *Lane) forget(s *slot) {
	if l.found == s {
		l.found = nil
	}
}

// Of returns the highest ack of a validator in an epoch that waits in a slot, with its bytes copied;
// false if there is none.
func (l *Lane) Of(i wire.Participant, epoch uint64) (a wire.Ack, ok bool) {
	for height, s := range l.slots {
		for ; s != nil; s = s.next {
			if s.epoch != epoch || !s.voted.Has(i) || s.choice[i] == 0 || ok && height < a.Chunk.Height {
				continue
			}
			chunk := wire.Chunk{Sequencer: l.sequencer, Height: height, Payload: s.candidates[s.choice[i]-1].payload}
			a, ok = wire.Ack{Chunk: chunk, Epoch: epoch, Participant: i, Signature: s.place(i)}, true
		}
	}
	a.Signature = slices.Clone(a.Signature)
	return a, ok
}
