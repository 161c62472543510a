package verify

import (
	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// equation is the pairing equation e(signature, g) = e(hash, key) of one statement. The signature
// and the key are points of the subgroup and not the identity; the maker of an equation has checked
// that, because a weighted sum accepts points of small order with some probability.
type equation struct {
	signature, hash, key curve.Points
	keyName              string // equal for equal keys, and only for them

	// Set if the key is the sum of the keys of signers, members of set; otherwise set is nil.
	set     *keySet
	signers wire.Signers
}

// keySet holds the keys of n validators as the terms of a sum of most of them: −k₀, …, −kₙ₋₁, Σ kᵢ.
type keySet struct {
	n     int
	terms curve.Points
}

// sameKey lists the equations of one batch that share a key, by their indices in it.
type sameKey struct {
	first     *equation
	equations []int
}

// allHold reports whether all equations hold, in one multi-pairing. With random weights w it tests
//
//	e(Σ wⱼ·Sⱼ, −g) · Π e(wⱼ·Hⱼ, Kⱼ) = 1
//
// If equation j does not hold, its error is an element other than 1 of the group of prime order r,
// and at most one value of wⱼ cancels it, whatever the other weights are. The rest follows from
// bilinearity: the product is the same element, made of other pairs, as few and as cheap as the
// batch allows. wⱼ may be applied to Kⱼ instead. Equations of one key share the pair (Σ wⱼ·Hⱼ, K).
// Equations whose keys are sums over one set may share pairs by validator (byMissing).
func (p *pairing) allHold(equations []equation) bool {
	switch len(equations) {
	case 0:
		return true
	case 1: // its error cannot cancel with another: no weight
		c := &equations[0]
		return p.cancel(p.curve.Join(c.signature, c.hash), p.curve.Join(p.minusOne, c.key))
	}
	ws := weights(len(equations))
	signatures := make([]curve.Points, len(equations))
	byKey := make(map[string]int, len(equations))
	var keys []sameKey // in order of first occurrence, so that equal input causes equal work
	for i := range equations {
		signatures[i] = equations[i].signature
		k, known := byKey[equations[i].keyName]
		if !known {
			k = len(keys)
			byKey[equations[i].keyName] = k
			keys = append(keys, sameKey{first: &equations[i]})
		}
		keys[k].equations = append(keys[k].equations, i)
	}
	pp := pairProduct{pairing: p, equations: equations, weights: ws}
	pp.pair(p.curve.MulSum(p.curve.Join(signatures...), ws), p.minusOne)
	for len(keys) > 0 {
		// The keys of one set are processed together, and so are those without a set.
		set, rest := keys[0].first.set, keys[:0:0]
		some := make([]sameKey, 0, len(keys))
		for _, k := range keys {
			if k.first.set == set {
				some = append(some, k)
			} else {
				rest = append(rest, k)
			}
		}
		if set == nil || !pp.byMissing(set, some) {
			pp.byKey(some)
		}
		keys = rest
	}
	return p.cancel(p.curve.Join(pp.left...), p.curve.Join(pp.right...))
}

// pairProduct collects the pairs of the product. The left elements are in the signatures' group.
type pairProduct struct {
	*pairing
	equations   []equation
	weights     []curve.Scalar
	left, right []curve.Points
}

func (pp *pairProduct) pair(left, right curve.Points) {
	pp.left, pp.right = append(pp.left, left), append(pp.right, right)
}

// byKey makes a pair for every key: (Σ wⱼ·Hⱼ, K), or for a lone equation the cheaper one of (wⱼ·Hⱼ,
// K) and (Hⱼ, wⱼ·K).
func (pp *pairProduct) byKey(keys []sameKey) {
	var lone, fixed []curve.Points // the side to be weighted, and the other side
	var ws []curve.Scalar
	for _, k := range keys {
		if len(k.equations) > 1 {
			pp.pair(pp.weightedHash(k), k.first.key)
			continue
		}
		weighted, other := k.first.key, k.first.hash
		if pp.costs.weighHashes {
			weighted, other = other, weighted
		}
		lone, fixed, ws = append(lone, weighted), append(fixed, other), append(ws, pp.weights[k.equations[0]])
	}
	if len(lone) == 0 {
		return
	}
	weighted, others := pp.curve.Mul(pp.curve.Join(lone...), ws), pp.curve.Join(fixed...)
	if pp.costs.weighHashes {
		pp.pair(weighted, others)
	} else {
		pp.pair(others, weighted)
	}
}

// weightedHash returns Σ wⱼ·Hⱼ over the equations of one key.
func (pp *pairProduct) weightedHash(k sameKey) curve.Points {
	hashes, ws := make([]curve.Points, len(k.equations)), make([]curve.Scalar, len(k.equations))
	for at, i := range k.equations {
		hashes[at], ws[at] = pp.equations[i].hash, pp.weights[i]
	}
	return pp.curve.MulSum(pp.curve.Join(hashes...), ws)
}

// byMissing makes a pair for every validator of the set that is missing from one of these keys, and
// one for the set, if that costs less than a pair for every key. Otherwise it reports false. With T
// = Σ kᵢ over the whole set, Mⱼ the validators not among the signers of key j, and Wⱼ = Σ w·H over
// the equations of key j,
//
//	Π e(Wⱼ, Kⱼ) = Π e(Wⱼ, T − Σ kᵢ over i ∈ Mⱼ) = e(Σ Wⱼ, T) · Π e(Σ Wⱼ over j with i ∈ Mⱼ, −kᵢ) over all i
//
// So however many quorums a batch has, at most n + 1 pairs are needed for them. The subgroup checks
// are the same, and each Wⱼ contains its equations' own weights, so the tested condition is the
// same.
func (pp *pairProduct) byMissing(set *keySet, keys []sameKey) bool {
	type absence struct {
		validator int
		keys      []int // keys from which the validator is missing
	}
	var absent []absence
	budget := len(keys) * pp.costs.pair
	spent := pp.costs.pair + len(keys)*pp.costs.missingKey
	for i := range set.n {
		a := absence{validator: i}
		for j, k := range keys {
			if !k.first.signers.Has(wire.Participant(i)) {
				a.keys = append(a.keys, j)
			}
		}
		if len(a.keys) == 0 {
			continue
		}
		absent = append(absent, a)
		if spent += pp.costs.pair + pp.costs.missingValidator + len(a.keys)*pp.costs.addition; spent > budget {
			return false
		}
	}

	// Wⱼ is stored in weighted[at[j]].
	var lone []curve.Points
	var ws []curve.Scalar
	at, parts := make([]int, len(keys)), make([]curve.Points, 1, len(keys)+1)
	for j, k := range keys {
		if len(k.equations) == 1 {
			at[j] = len(lone)
			lone, ws = append(lone, k.first.hash), append(ws, pp.weights[k.equations[0]])
		}
	}
	parts[0] = pp.curve.Select(keys[0].first.hash, nil)
	if len(lone) > 0 {
		parts[0] = pp.curve.Mul(pp.curve.Join(lone...), ws)
	}
	for j, k := range keys {
		if len(k.equations) > 1 {
			at[j] = len(lone) + len(parts) - 1
			parts = append(parts, pp.weightedHash(k))
		}
	}
	weighted := pp.curve.Join(parts...)

	sets, terms := []curve.Points{weighted}, []int{set.n}
	for _, a := range absent {
		for k, j := range a.keys {
			a.keys[k] = at[j]
		}
		sets, terms = append(sets, pp.curve.Select(weighted, a.keys)), append(terms, a.validator)
	}
	pp.pair(pp.curve.Sums(sets...), pp.curve.Select(set.terms, terms))
	return true
}

// costs are the costs of the parts of a batch, in tenths of a microsecond. Their ratios select
// among methods with the same result. BenchmarkBackend of package curve measures them.
type costs struct {
	weighHashes      bool // a lone equation is weighted at its hash, otherwise at its key
	pair             int  // one Miller loop of many
	addition         int  // of a weighted hash to a validator's sum
	missingValidator int  // of a validator's sum, without its additions
	missingKey       int  // of weighting a hash where byKey would weight a key
}

func costsOf(v Variant) costs {
	if v == MinSig { // hashes in G1, where multiplication and addition cost less
		return costs{weighHashes: true, pair: 1950, addition: 4, missingValidator: 50}
	}
	return costs{pair: 1950, addition: 11, missingValidator: 80, missingKey: 600}
}
