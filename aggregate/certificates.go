package aggregate

import "github.com/lanecast/lanecast/wire"

// Certificate is a certificate of a lane, with the positions of its record and its report. Its
// bytes are immutable.
type Certificate struct {
	wire.Lock
	Position uint64 // of its record in the journal; 0 for none
	Report   uint64 // number of the report that contained it; 0 for none
}

// Certificates are the certificates of one lane.
type Certificates struct {
	held []Certificate // a few, see CertifyResult
	// remembered has one certificate for each of the last past heights of which none is held, at
	// index height modulo past. The heights in it differ by less than past.
	remembered []pastCertificate
	past       uint64
	highest    uint64 // highest certified height, if certified
	certified  bool
}

// pastCertificate is an entry of Certificates.remembered.
type pastCertificate struct {
	Certificate
	set bool
}

// CertifyResult is the result of [Lane.Certify].
type CertifyResult uint8

const (
	// Added: the certificate is new, and is held now.
	Added CertifyResult = iota
	// Late: the certificate is new, and its height is below those that are held. It is remembered
	// as a past one.
	Late
	// Known: a held or remembered certificate for the same payload makes it superfluous.
	Known
	// Contradicted: a certificate for another payload of that height is held or remembered. The
	// first one stays.
	Contradicted
	// Below: its height is so far below the highest certified one that nothing is remembered there.
	Below
)

// add adds a valid certificate. firstEpoch is the lowest epoch within bounds.
func (cs *Certificates) add(c Certificate, firstEpoch uint64) (CertifyResult, *Certificate) {
	height := c.Chunk.Height
	below := cs.below(height)
	for i := range cs.held {
		held := &cs.held[i]
		if held.Chunk.Height != height {
			continue
		}
		if held.Chunk.Payload != c.Chunk.Payload {
			return Contradicted, held
		}
		if below || held.Epoch == c.Epoch || held.Epoch > c.Epoch && c.Epoch < firstEpoch {
			return Known, nil
		}
	}
	if past := cs.pastAt(height); past != nil {
		if past.Chunk.Payload != c.Chunk.Payload {
			return Contradicted, past
		}
		return Known, nil
	}
	if below {
		if !cs.remembers(height) {
			return Below, nil
		}
		return Late, cs.remember(c)
	}
	cs.held = append(cs.held, c)
	if !cs.certified || height > cs.highest {
		cs.highest, cs.certified = height, true
	}
	return Added, &cs.held[len(cs.held)-1]
}

// below reports whether height is below the highest certified height less one.
func (cs *Certificates) below(height uint64) bool {
	return cs.certified && height < cs.highest && cs.highest-height > 1
}

// remembers reports whether past certificates of a height are remembered.
func (cs *Certificates) remembers(height uint64) bool {
	return height >= cs.highest || cs.highest-height < cs.past
}

// remember makes c the past certificate of its height. It replaces one whose height has become too
// low.
func (cs *Certificates) remember(c Certificate) *Certificate {
	if cs.remembered == nil {
		cs.remembered = make([]pastCertificate, cs.past)
	}
	p := &cs.remembered[c.Chunk.Height%cs.past]
	*p = pastCertificate{c, true}
	return &p.Certificate
}

// pastAt returns the past certificate of a height, nil if there is none.
func (cs *Certificates) pastAt(height uint64) *Certificate {
	if cs.remembered == nil || !cs.remembers(height) {
		return nil
	}
	if p := &cs.remembered[height%cs.past]; p.set && p.Chunk.Height == height {
		return &p.Certificate
	}
	return nil
}

// Knows reports whether Certify would find nothing new in a certificate for s.
func (cs *Certificates) Knows(s wire.Subject) bool {
	below := cs.below(s.Chunk.Height)
	for i := range cs.held {
		c := &cs.held[i]
		if c.Chunk.Height == s.Chunk.Height && (below || c.Epoch == s.Epoch) && c.Chunk.Payload == s.Chunk.Payload {
			return true
		}
	}
	past := cs.pastAt(s.Chunk.Height)
	return past != nil && past.Chunk.Payload == s.Chunk.Payload
}

// Resume sets the highest certified height of a lane that holds no certificate.
func (cs *Certificates) Resume(highest uint64) { cs.highest, cs.certified = highest, true }

// Highest returns the highest certified height, false if nothing is certified.
func (cs *Certificates) Highest() (uint64, bool) { return cs.highest, cs.certified }

// Held returns the certificate of a height and epoch, nil if there is none.
func (cs *Certificates) Held(height, epoch uint64) *Certificate {
	for i := range cs.held {
		if c := &cs.held[i]; c.Chunk.Height == height && c.Epoch == epoch {
			return c
		}
	}
	return nil
}

// At returns the newest certificate of a height, nil if there is none. All held ones of a height
// have the same payload.
func (cs *Certificates) At(height uint64) *Certificate {
	var newest *Certificate
	for i := range cs.held {
		if c := &cs.held[i]; c.Chunk.Height == height && (newest == nil || c.Epoch > newest.Epoch) {
			newest = c
		}
	}
	return newest
}

// Top returns the newest certificate of the highest certified height, nil if none is held there.
func (cs *Certificates) Top() *Certificate {
	if !cs.certified {
		return nil
	}
	return cs.At(cs.highest)
}

// All returns the held certificates, oldest first. The lane owns the slice.
func (cs *Certificates) All() []Certificate { return cs.held }

// prune is [Lane.Prune]; firstEpoch is the lowest epoch within bounds.
func (cs *Certificates) prune(tip uint64, hasTip bool, firstEpoch uint64) (dropped []Certificate) {
	kept := cs.held[:0]
	for _, c := range cs.held {
		height := c.Chunk.Height
		old := cs.below(height)
		if hasTip && height <= tip && tip-height <= 1 {
			old = false
		}
		if c.Epoch < firstEpoch && cs.newer(c) {
			old = true
		}
		if old {
			if cs.below(height) && cs.remembers(height) && cs.pastAt(height) == nil {
				cs.remember(c)
			}
			dropped = append(dropped, c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(cs.held[len(kept):])
	cs.held = kept
	return dropped
}

// newer reports whether the list still holds a certificate of c's height with a later epoch. prune
// calls it while it compacts the list in place. Compaction overwrites entries only with later ones,
// so newer never finds an entry that is gone.
func (cs *Certificates) newer(c Certificate) bool {
	for i := range cs.held {
		if o := &cs.held[i]; o.Chunk.Height == c.Chunk.Height && o.Epoch > c.Epoch {
			return true
		}
	}
	return false
}
