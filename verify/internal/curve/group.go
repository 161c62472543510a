package curve

import "slices"

// points implements Points for both back ends. The zero value of affine is the identity.
type points[E comparable] struct {
	group Group
	at    []affine[E]
}

func (p *points[E]) Group() Group { return p.group }
func (p *points[E]) Len() int     { return len(p.at) }

// group performs the operations of a back end on the points of one group, whose coordinates are of
// type E. Whatever the library, products or simd computes sums and products.
type group[E comparable, P coordinate[E]] struct {
	id        Group
	generator affine[E]
	library   library[E]
	products  *products[E, P]
	multiples multiples[E]
	simd      *simd[E] // nil without SIMD
}

// library holds the operations of a library on single points.
type library[E any] struct {
	// decode reads a point other than the identity, whose flag bits have been checked. It refuses
	// encodings that are not canonical and points that are not on the curve.
	decode     func(p *affine[E], in []byte, uncompressed bool) bool
	encode     func(dst []byte, p *affine[E], uncompressed bool) []byte
	inSubgroup func(p *affine[E]) bool // for points other than the identity
	hash       func(tag, message []byte) jacobian[E]
	sign       func(secret *[32]byte, h *affine[E]) affine[E]
	publicKey  func(secret *[32]byte) affine[E]
}

// multiples computes products of at least one point by scalars.
type multiples[E any] interface {
	each(points []affine[E], scalars []Scalar) []affine[E] // point by point
	sum(points []affine[E], scalars []Scalar) affine[E]
}

// simd holds the operations that process several points at a time. Each takes at least one point,
// message or set.
type simd[E any] struct {
	// read decodes the points at the places of slab named by index into out. It changes each
	// pending state to good or bad, and writes to no other places.
	read func(out []affine[E], states []state, slab []byte, index []int, uncompressed bool)
	// inSubgroup returns 1 for each point in the subgroup, which includes the identity, and 0 for
	// each other.
	inSubgroup func(p []affine[E]) []uint8
	hash       func(tag []byte, messages [][]byte) []affine[E]
	sums       func(sets [][]affine[E]) []affine[E]

	fewest fewest
}

// fewest holds, for each operation, the minimum number of points that are processed faster together
// than one by one: reading, subgroup checks, hashing, sums, products, and sums of products.
type fewest struct{ read, checked, hashed, summed, multiplied, mulSummed int }

const (
	// simdWidth is the number of points that SIMD processes at a time.
	simdWidth = 8
	// bytesTogether is the maximum number of bytes of compressed points in one call of simd.read,
	// which cannot be preempted. That many take about a millisecond.
	bytesTogether = 256 * 48

	// checkedTogether is the maximum number of points in one call of simd.inSubgroup, which cannot
	// be preempted.
	checkedTogether = 128
)

// together returns how many of n points are processed with SIMD. Those beyond a multiple of the
// width are processed one by one if they are fewer than fewest.
func together(n, fewest int) int {
	if rest := n % simdWidth; rest < fewest {
		return n - rest
	}
	return n
}

// of returns the points of p, which must be this group's.
func (g *group[E, P]) of(p Points) []affine[E] {
	own := p.(*points[E])
	if own.group != g.id {
		panic("curve: points of the wrong group")
	}
	return own.at
}

func (g *group[E, P]) wrap(at []affine[E]) Points { return &points[E]{group: g.id, at: at} }

func (g *group[E, P]) append(dst []byte, p Points, i int, uncompressed bool) []byte {
	return g.library.encode(dst, &g.of(p)[i], uncompressed)
}

func (g *group[E, P]) isIdentity(p Points, i int) bool {
	return g.of(p)[i] == (affine[E]{})
}

func (g *group[E, P]) inSubgroup(p Points, i int) bool {
	return g.isIdentity(p, i) || g.library.inSubgroup(&g.of(p)[i])
}

func (g *group[E, P]) outside(p Points) (positions []int) {
	at := g.of(p)
	many := 0
	if g.simd != nil {
		many = together(len(at), g.simd.fewest.checked)
	}
	for start := 0; start < many; start += checkedTogether {
		for i, in := range g.simd.inSubgroup(at[start:min(start+checkedTogether, many)]) {
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

func (g *group[E, P]) selectPoints(p Points, index []int) Points {
	from := g.of(p)
	at := make([]affine[E], len(index))
	for k, i := range index {
		at[k] = from[i]
	}
	return g.wrap(at)
}

func (g *group[E, P]) join(parts []Points) Points {
	n := 0
	for _, p := range parts {
		n += p.Len()
	}
	at := make([]affine[E], 0, n)
	for _, p := range parts {
		at = append(at, g.of(p)...)
	}
	return g.wrap(at)
}

func (g *group[E, P]) neg(p Points) Points {
	at := slices.Clone(g.of(p))
	for i := range at {
		P(&at[i].y).Neg(&at[i].y)
	}
	return g.wrap(at)
}

func (g *group[E, P]) sum(p Points) Points {
	at := g.of(p)
	switch len(at) {
	case 0:
		return g.wrap(make([]affine[E], 1))
	case 1:
		return p
	}
	if g.simd != nil && len(at) >= g.simd.fewest.summed {
		return g.wrap(g.simd.sums([][]affine[E]{at}))
	}
	return g.wrap([]affine[E]{g.products.total(at)})
}

func (g *group[E, P]) sums(sets []Points) Points {
	if g.simd == nil {
		parts := make([]Points, len(sets))
		for i, p := range sets {
			parts[i] = g.sum(p)
		}
		return g.join(parts)
	}
	own := make([][]affine[E], len(sets))
	for i, p := range sets {
		own[i] = g.of(p)
	}
	return g.wrap(g.simd.sums(own))
}

func (g *group[E, P]) mul(p Points, scalars []Scalar) Points {
	at := g.of(p)
	if len(scalars) != len(at) {
		panic("curve: the numbers of points and scalars differ")
	}
	if len(at) == 0 {
		return g.wrap(nil)
	}
	return g.wrap(g.multiples.each(at, scalars))
}

func (g *group[E, P]) mulSum(p Points, scalars []Scalar) Points {
	at := g.of(p)
	if len(scalars) != len(at) {
		panic("curve: the numbers of points and scalars differ")
	}
	if len(at) == 0 {
		return g.wrap(make([]affine[E], 1))
	}
	return g.wrap([]affine[E]{g.multiples.sum(at, scalars)})
}

func (g *group[E, P]) standardGenerator() Points { return g.wrap([]affine[E]{g.generator}) }

func (g *group[E, P]) hash(tag []byte, messages [][]byte) Points {
	if len(tag) == 0 || len(tag) > 255 {
		panic("curve: a domain separation tag has 1 to 255 bytes")
	}
	if len(messages) == 0 {
		return g.wrap(nil)
	}
	var at []affine[E]
	if g.simd != nil {
		if many := together(len(messages), g.simd.fewest.hashed); many > 0 {
			at, messages = g.simd.hash(tag, messages[:many]), messages[many:]
		}
	}
	if len(messages) > 0 {
		hashed := make([]jacobian[E], len(messages))
		for i, m := range messages {
			hashed[i] = g.library.hash(tag, m)
		}
		at = append(at, g.products.toAffine(hashed)...)
	}
	return g.wrap(at)
}

func (g *group[E, P]) sign(secret *[32]byte, h Points) Points {
	at := g.of(h)
	out := make([]affine[E], len(at))
	for i := range at {
		out[i] = g.library.sign(secret, &at[i])
	}
	return g.wrap(out)
}

func (g *group[E, P]) publicKey(secret *[32]byte) Points {
	return g.wrap([]affine[E]{g.library.publicKey(secret)})
}
