package curve

import "slices"

// points is the Points of both back ends. The zero value of A is the identity.
type points[A comparable] struct {
	group Group
	at    []A
}

func (p *points[A]) Group() Group { return p.group }
func (p *points[A]) Len() int     { return len(p.at) }

// groupBackend is what a back end does within one group; pair dispatches to two of them.
type groupBackend interface {
	read(slab []byte, index []int, uncompressed bool) (Points, []int)
	append(dst []byte, p Points, i int, uncompressed bool) []byte
	isIdentity(p Points, i int) bool
	inSubgroup(p Points, i int) bool
	outside(p Points) []int
	equal(p Points, i int, q Points, j int) bool
	selectPoints(p Points, index []int) Points
	join(parts []Points) Points
	neg(p Points) Points
	sum(p Points) Points
	sums(sets []Points) Points
	mul(p Points, scalars []Scalar) Points
	mulSum(p Points, scalars []Scalar) Points
	standardGenerator() Points
	hashTo(tag []byte, messages [][]byte) Points
	signWith(secret *[32]byte, h Points) Points
	publicKey(secret *[32]byte) Points
}

// group turns a library's operations on single points into batches. A is the library's affine point and J its
// Jacobian one; the zero value of either is the identity, and == on A is equality of points.
type group[A comparable, J any] struct {
	id        Group
	generator A

	// decode reads a point other than the identity whose flag bits are right. It refuses what is not canonical or not
	// on the curve.
	decode func(p *A, in []byte, uncompressed bool) bool
	// decodeMany is the same for many points, those at the places of slab named by index, of which there is at least
	// one, into out: it makes each state that is pending good or bad, and touches no other place. nil where there is no
	// faster way than one by one.
	decodeMany func(out []A, states []state, slab []byte, index []int, uncompressed bool)
	encode     func(dst []byte, p *A, uncompressed bool) []byte
	inTorsion  func(p *A) bool // in the subgroup of order r
	// inside says of many points, at least one, which are in the subgroup: 1, or 0. The identity is. nil where there is
	// no faster way than one by one.
	inside func(p []A) []uint8
	negate func(p *A)
	summed func(p []A) A // at least one point
	// sumMany adds up many sets of points, at least one. nil where there is no faster way than one by one.
	sumMany    func(sets [][]A) []A
	toAffine   func(p []J) []A
	multiplied func(p []A, scalars []Scalar) []A // point by point
	mulSummed  func(p []A, scalars []Scalar) A   // at least one point
	hash       func(tag, message []byte) J
	// hashMany hashes many messages, at least one. nil where there is no faster way than one by one.
	hashMany func(tag []byte, messages [][]byte) []A
	sign     func(secret *[32]byte, h *A) A
	public   func(secret *[32]byte) A
}

// of gives the points of p, which must be this back end's and this group's.
func (g *group[A, J]) of(p Points) []A {
	own := p.(*points[A])
	if own.group != g.id {
		panic("curve: points of the wrong group")
	}
	return own.at
}

func (g *group[A, J]) wrap(at []A) Points { return &points[A]{group: g.id, at: at} }

func (g *group[A, J]) read(slab []byte, index []int, uncompressed bool) (Points, []int) {
	if g.decodeMany != nil && len(index) >= fewestTogether {
		return g.readTogether(slab, index, uncompressed)
	}
	size := g.size(uncompressed)
	at := make([]A, len(index))
	n := 0
	var bad []int
	for k, i := range index {
		in := slab[i*size : (i+1)*size : (i+1)*size]
		switch flagsOf(in, uncompressed) {
		case pointFlags:
			if g.decode(&at[n], in, uncompressed) {
				n++
				continue
			}
		case identityFlags:
			if zeroPast(in) {
				var identity A
				at[n] = identity
				n++
				continue
			}
		}
		bad = append(bad, k)
	}
	return g.wrap(at[:n:n]), bad
}

// size is the length of a point in bytes.
func (g *group[A, J]) size(uncompressed bool) int {
	if uncompressed {
		return 2 * g.id.Compressed()
	}
	return g.id.Compressed()
}

// state is what is known of a place that is being read.
type state uint8

const (
	bad state = iota
	pending
	good
)

const (
	// lanes is how many points decodeMany reads in the time for one.
	lanes = 8
	// fewestTogether is how many points one by one take longer than that.
	fewestTogether = 2
	// bytesTogether is how many bytes of compressed points one call of decodeMany is given: it cannot be preempted and
	// takes about a millisecond for so many.
	bytesTogether = 256 * 48

	// fewestHashed is how many messages are hashed faster together than one by one.
	fewestHashed = 2
	// fewestSummed is how many points of one set are added up faster together than one by one.
	fewestSummed = 16
	// insideTogether is how many points one call of inside is given, for the same reason.
	insideTogether = 128
)

// fewestInside is how many points are checked faster together than one by one.
func fewestInside(g Group) int {
	if g == G1 {
		return 2
	}
	return 3
}

// together returns how many of n go eight at a time, when those beyond a multiple of eight go one by one if they are
// fewer than so many.
func together(n, fewest int) int {
	if rest := n % lanes; rest < fewest {
		return n - rest
	}
	return n
}

// readTogether is read by way of decodeMany.
func (g *group[A, J]) readTogether(slab []byte, index []int, uncompressed bool) (Points, []int) {
	most := bytesTogether / g.id.Compressed()
	at := make([]A, len(index))
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

// readPart reads the points at the places in part to the same places of out, which are zero, and says which are good
// and which bad. Those beyond a multiple of eight go one by one if they are few.
func (g *group[A, J]) readPart(out []A, states []state, slab []byte, part []int, uncompressed bool) {
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
	rest := count - together(count, fewestTogether)
	if count -= rest; rest > 0 {
		for k := len(part) - 1; rest > 0; k-- {
			if states[k] != pending {
				continue
			}
			rest--
			states[k] = bad
			if g.decode(&out[k], place(k), uncompressed) {
				states[k] = good
			}
		}
	}
	if count > 0 {
		g.decodeMany(out[:len(part)], states[:len(part)], slab, part, uncompressed)
	}
}

type flags uint8

const (
	wrongFlags flags = iota
	pointFlags
	identityFlags
)

// flagsOf looks at the three flag bits (compressed, infinity, sign): neither library demands that they agree with the
// form that the caller expects, so it is done here, once for both. An uncompressed point has none of them.
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

func (g *group[A, J]) append(dst []byte, p Points, i int, uncompressed bool) []byte {
	return g.encode(dst, &g.of(p)[i], uncompressed)
}

func (g *group[A, J]) isIdentity(p Points, i int) bool {
	var identity A
	return g.of(p)[i] == identity
}

func (g *group[A, J]) inSubgroup(p Points, i int) bool {
	return g.isIdentity(p, i) || g.inTorsion(&g.of(p)[i])
}

func (g *group[A, J]) outside(p Points) (positions []int) {
	at := g.of(p)
	many := 0
	if g.inside != nil {
		many = together(len(at), fewestInside(g.id))
	}
	for start := 0; start < many; start += insideTogether {
		for i, in := range g.inside(at[start:min(start+insideTogether, many)]) {
			if in == 0 {
				positions = append(positions, start+i)
			}
		}
	}
	for i := many; i < len(at); i++ {
		if !g.inSubgroup(p, i) {
			positions = append(positions, i)
		}
	}
	return positions
}

func (g *group[A, J]) equal(p Points, i int, q Points, j int) bool { return g.of(p)[i] == g.of(q)[j] }

func (g *group[A, J]) selectPoints(p Points, index []int) Points {
	from := g.of(p)
	at := make([]A, len(index))
	for k, i := range index {
		at[k] = from[i]
	}
	return g.wrap(at)
}

func (g *group[A, J]) join(parts []Points) Points {
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	at := make([]A, 0, n)
	for _, p := range parts {
		at = append(at, g.of(p)...)
	}
	return g.wrap(at)
}

func (g *group[A, J]) neg(p Points) Points {
	at := slices.Clone(g.of(p))
	for i := range at {
		g.negate(&at[i])
	}
	return g.wrap(at)
}

func (g *group[A, J]) sum(p Points) Points {
	at := g.of(p)
	switch len(at) {
	case 0:
		return g.wrap(make([]A, 1))
	case 1:
		return p
	}
	if g.sumMany != nil && len(at) >= fewestSummed {
		return g.wrap(g.sumMany([][]A{at}))
	}
	return g.wrap([]A{g.summed(at)})
}

func (g *group[A, J]) sums(sets []Points) Points {
	if g.sumMany == nil {
		parts := make([]Points, len(sets))
		for i, p := range sets {
			parts[i] = g.sum(p)
		}
		return g.join(parts)
	}
	own := make([][]A, len(sets))
	for i, p := range sets {
		own[i] = g.of(p)
	}
	return g.wrap(g.sumMany(own))
}

func (g *group[A, J]) mul(p Points, scalars []Scalar) Points {
	at := g.of(p)
	if len(scalars) != len(at) {
		panic("curve: as many scalars as points are needed")
	}
	if len(at) == 0 {
		return g.wrap(nil)
	}
	return g.wrap(g.multiplied(at, scalars))
}

func (g *group[A, J]) mulSum(p Points, scalars []Scalar) Points {
	at := g.of(p)
	if len(scalars) != len(at) {
		panic("curve: as many scalars as points are needed")
	}
	if len(at) == 0 {
		return g.wrap(make([]A, 1))
	}
	return g.wrap([]A{g.mulSummed(at, scalars)})
}

func (g *group[A, J]) standardGenerator() Points { return g.wrap([]A{g.generator}) }

func (g *group[A, J]) hashTo(tag []byte, messages [][]byte) Points {
	if len(tag) == 0 || len(tag) > 255 {
		panic("curve: a domain separation tag has 1 to 255 bytes")
	}
	if len(messages) == 0 {
		return g.wrap(nil)
	}
	var at []A
	if g.hashMany != nil {
		if many := together(len(messages), fewestHashed); many > 0 {
			at, messages = g.hashMany(tag, messages[:many]), messages[many:]
		}
	}
	if len(messages) > 0 {
		hashed := make([]J, len(messages))
		for i, m := range messages {
			hashed[i] = g.hash(tag, m)
		}
		at = append(at, g.toAffine(hashed)...)
	}
	return g.wrap(at)
}

func (g *group[A, J]) signWith(secret *[32]byte, h Points) Points {
	at := g.of(h)
	out := make([]A, len(at))
	for i := range at {
		out[i] = g.sign(secret, &at[i])
	}
	return g.wrap(out)
}

func (g *group[A, J]) publicKey(secret *[32]byte) Points { return g.wrap([]A{g.public(secret)}) }

// pair is the part of a Backend that dispatches on the group.
type pair struct{ g1, g2 groupBackend }

func (b *pair) in(g Group) groupBackend {
	switch g {
	case G1:
		return b.g1
	case G2:
		return b.g2
	}
	panic("curve: no such group")
}

func (b *pair) Read(g Group, slab []byte, index []int, uncompressed bool) (Points, []int) {
	return b.in(g).read(slab, index, uncompressed)
}

func (b *pair) Append(dst []byte, p Points, i int, uncompressed bool) []byte {
	return b.in(p.Group()).append(dst, p, i, uncompressed)
}

func (b *pair) IsIdentity(p Points, i int) bool { return b.in(p.Group()).isIdentity(p, i) }
func (b *pair) InSubgroup(p Points, i int) bool { return b.in(p.Group()).inSubgroup(p, i) }
func (b *pair) Outside(p Points) []int          { return b.in(p.Group()).outside(p) }
func (b *pair) Equal(p Points, i int, q Points, j int) bool {
	return b.in(p.Group()).equal(p, i, q, j)
}

func (b *pair) Select(p Points, index []int) Points { return b.in(p.Group()).selectPoints(p, index) }
func (b *pair) Join(parts ...Points) Points         { return b.in(parts[0].Group()).join(parts) }
func (b *pair) Neg(p Points) Points                 { return b.in(p.Group()).neg(p) }
func (b *pair) Sum(p Points) Points                 { return b.in(p.Group()).sum(p) }
func (b *pair) Sums(sets ...Points) Points          { return b.in(sets[0].Group()).sums(sets) }

func (b *pair) Mul(p Points, scalars []Scalar) Points { return b.in(p.Group()).mul(p, scalars) }

func (b *pair) MulSum(p Points, scalars []Scalar) Points { return b.in(p.Group()).mulSum(p, scalars) }

func (b *pair) Generator(g Group) Points { return b.in(g).standardGenerator() }

func (b *pair) Hash(g Group, tag []byte, messages ...[]byte) Points {
	return b.in(g).hashTo(tag, messages)
}

func (b *pair) Sign(secret *[32]byte, h Points) Points {
	return b.in(h.Group()).signWith(secret, h)
}

func (b *pair) PublicKey(secret *[32]byte, g Group) Points { return b.in(g).publicKey(secret) }
