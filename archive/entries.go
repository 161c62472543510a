package archive

import "iter"

// entries holds the entries of a lane by height. Lanes mostly have no gaps, so entries lie in
// blocks of eight neighbours, of some 135 bytes for each entry. A map of entries takes twice as
// much.
type entries struct {
	blocks map[uint64]*block // by height / blockLength; none is empty
	n      int
}

const blockLength = 8

type block struct {
	held uint8 // a bit for each entry that is there
	of   [blockLength]entry
}

// get returns the entry of a height.
func (e *entries) get(height uint64) (entry, bool) {
	b, i := e.blocks[height/blockLength], height%blockLength
	if b == nil || b.held>>i&1 == 0 {
		return entry{}, false
	}
	return b.of[i], true
}

// set puts an entry in its place.
func (e *entries) set(height uint64, to entry) {
	b, i := e.blocks[height/blockLength], height%blockLength
	if b == nil {
		if e.blocks == nil {
			e.blocks = make(map[uint64]*block)
		}
		b = new(block)
		e.blocks[height/blockLength] = b
	}
	if b.held>>i&1 == 0 {
		b.held |= 1 << i
		e.n++
	}
	b.of[i] = to
}

// remove removes the entry of a height, if there is one.
func (e *entries) remove(height uint64) {
	b, i := e.blocks[height/blockLength], height%blockLength
	if b == nil || b.held>>i&1 == 0 {
		return
	}
	b.held &^= 1 << i
	b.of[i] = entry{}
	if e.n--; b.held == 0 {
		delete(e.blocks, height/blockLength)
	}
}

func (e *entries) len() int { return e.n }

// all returns the entries in any order. The loop may change or remove the entry that it visits.
func (e *entries) all() iter.Seq2[uint64, entry] {
	return func(yield func(uint64, entry) bool) {
		for at, b := range e.blocks {
			for i := range uint64(blockLength) {
				if b.held>>i&1 == 1 && !yield(at*blockLength+i, b.of[i]) {
					return
				}
			}
		}
	}
}
