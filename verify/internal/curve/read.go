package curve

func (g *group[E, P]) read(slab []byte, index []int, uncompressed bool) (Points, []int) {
	if g.simd != nil && len(index) >= g.simd.fewest.read {
		return g.readTogether(slab, index, uncompressed)
	}
	size := g.size(uncompressed)
	at := make([]affine[E], len(index))
	n := 0
	var bad []int
	for k, i := range index {
		in := slab[i*size : (i+1)*size : (i+1)*size]
		switch flagsOf(in, uncompressed) {
		case pointFlags:
			if g.library.decode(&at[n], in, uncompressed) {
				n++
				continue
			}
		case identityFlags:
			if zeroPast(in) {
				at[n] = affine[E]{}
				n++
				continue
			}
		}
		bad = append(bad, k)
	}
	return g.wrap(at[:n:n]), bad
}

// size returns the length of a point in bytes.
func (g *group[E, P]) size(uncompressed bool) int {
	if uncompressed {
		return 2 * g.id.Compressed()
	}
	return g.id.Compressed()
}

// state is the state of a place to read.
type state uint8

const (
	bad state = iota
	pending
	good
)

// readTogether implements read with SIMD.
func (g *group[E, P]) readTogether(slab []byte, index []int, uncompressed bool) (Points, []int) {
	most := bytesTogether / g.id.Compressed()
	at := make([]affine[E], len(index))
	states := make([]state, min(len(index), most))
	n := 0
	var wrong []int
	for start := 0; start < len(index); start += most {
		part := index[start:min(start+most, len(index))]
		g.readPart(at[start:], states, slab, part, uncompressed)
		for k := range part {
			if states[k] == good {
				at[n] = at[start+k]
				n++
			} else {
				wrong = append(wrong, start+k)
			}
		}
	}
	return g.wrap(at[:n:n]), wrong
}

// readPart reads the points at the places in part to the same places of out, which must be zero,
// and sets their states to good or bad. Points beyond a multiple of the SIMD width are read one by
// one if they are few.
func (g *group[E, P]) readPart(out []affine[E], states []state, slab []byte, part []int, uncompressed bool) {
	size := g.size(uncompressed)
	place := func(k int) []byte { return slab[part[k]*size : (part[k]+1)*size : (part[k]+1)*size] }
	count := 0
	for k := range part {
		in := place(k)
		states[k] = bad
		switch flagsOf(in, uncompressed) {
		case pointFlags:
			states[k] = pending
			count++
		case identityFlags:
			if zeroPast(in) {
				states[k] = good
			}
		}
	}
	rest := count - together(count, g.simd.fewest.read)
	if count -= rest; rest > 0 {
		for k := len(part) - 1; rest > 0; k-- {
			if states[k] != pending {
				continue
			}
			rest--
			states[k] = bad
			if g.library.decode(&out[k], place(k), uncompressed) {
				states[k] = good
			}
		}
	}
	if count > 0 {
		g.simd.read(out[:len(part)], states[:len(part)], slab, part, uncompressed)
	}
}

// flags classifies the flag bits of an encoded point.
type flags uint8

const (
	wrongFlags flags = iota
	pointFlags
	identityFlags
)

// flagsOf checks the three flag bits (compressed, infinity, sign) against the form that the caller
// expects. Neither library does that, so this function does it for both. An uncompressed point has
// none of the flags.
func flagsOf(in []byte, uncompressed bool) flags {
	switch top := in[0] & 0xe0; {
	case uncompressed && top == 0:
		return pointFlags
	case uncompressed || top&0x80 == 0:
		return wrongFlags
	case top&0x40 == 0:
		return pointFlags
	case in[0] == 0xc0:
		return identityFlags
	default:
		return wrongFlags
	}
}

// zeroPast reports whether all bytes after the first are zero.
func zeroPast(in []byte) bool {
	var or byte
	for _, b := range in[1:] {
		or |= b
	}
	return or == 0
}
