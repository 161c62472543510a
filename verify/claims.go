package verify

import (
	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// claim is the equation e(signature, g) = e(hash, key). The signature and the key are points of the subgroup and
// not the identity, checked by whoever makes a claim: a weighted sum lets points of small order pass now and then.
type claim struct {
	signature, hash, key curve.Points
	keyName              string // equal for equal keys, and only for them

	// If the key is the sum of those of signers, members of set; else set is nil.
	set     *keySet
	signers wire.Signers
}

// keySet is the keys of n validators, as the terms that a sum of most of them is made of: −k₀, …, −kₙ₋₁, Σ kᵢ.
type keySet struct {
	n     int
	terms curve.Points
}

// sameKey is claims of one batch that share a key, by their places in it.
type sameKey struct {
	first  *claim
	claims []int
}

// holds reports whether all claims hold, in one multi-pairing. With random weights w it demands
//
//	e(Σ wⱼ·Sⱼ, −g) · Π e(wⱼ·Hⱼ, Kⱼ) = 1
//
// If claim j does not hold, its error is an element other than 1 of the group of prime order r, and no more than one
// value of wⱼ makes up for it, whatever the other weights are. What follows is bilinearity alone: the product is the
// same element, made of other pairs, as few and as cheap as the batch allows. wⱼ may stand at Kⱼ as well; claims of one
// key share the pair (Σ wⱼ·Hⱼ, K); and claims whose keys are sums over one set may share pairs by validator (byMissing).
func (p *pairing) holds(claims []claim) bool {
	switch len(claims) {
	case 0:
		return true
	case 1: // nothing that its error could cancel with: no weight
		c := &claims[0]
		return p.cancel(p.curve.Join(c.signature, c.hash), p.curve.Join(p.minusOne, c.key))
	}
	ws := weights(len(claims))
	signatures := make([]curve.Points, len(claims))
	byKey := make(map[string]int, len(claims))
	var keys []sameKey // in order of first occurrence, so that equal input makes equal work
	for i := range claims {
		signatures[i] = claims[i].signature
		k, known := byKey[claims[i].keyName]
		if !known {
			k = len(keys)
			byKey[claims[i].keyName] = k
			keys = append(keys, sameKey{first: &claims[i]})
		}
		keys[k].claims = append(keys[k].claims, i)
	}
	e := equation{pairing: p, claims: claims, weights: ws}
	e.pair(p.curve.MulSum(p.curve.Join(signatures...), ws), p.minusOne)
	for len(keys) > 0 {
		// The keys of one set, and those that are of none, together.
		set, rest := keys[0].first.set, keys[:0:0]
		some := make([]sameKey, 0, len(keys))
		for _, k := range keys {
			if k.first.set == set {
				some = append(some, k)
			} else {
				rest = append(rest, k)
			}
		}
		if set == nil || !e.byMissing(set, some) {
			e.byKey(some)
		}
		keys = rest
	}
	return p.cancel(p.curve.Join(e.left...), p.curve.Join(e.right...))
}

// equation collects the pairs of the product, left ones of the signatures' group.
type equation struct {
	*pairing
	claims      []claim
	weights     []curve.Scalar
	left, right []curve.Points
}

func (e *equation) pair(left, right curve.Points) {
	e.left, e.right = append(e.left, left), append(e.right, right)
}

// byKey takes a pair for every key: (Σ wⱼ·Hⱼ, K), or for a lone claim (wⱼ·Hⱼ, K) or (Hⱼ, wⱼ·K), whichever costs less.
func (e *equation) byKey(keys []sameKey) {
	var lone, fixed []curve.Points // the side to be weighted, and the other
	var ws []curve.Scalar
	for _, k := range keys {
		if len(k.claims) > 1 {
			e.pair(e.weightedHash(k), k.first.key)
			continue
		}
		weighted, other := k.first.key, k.first.hash
		if e.costs.weighHashes {
			weighted, other = other, weighted
		}
		lone, fixed, ws = append(lone, weighted), append(fixed, other), append(ws, e.weights[k.claims[0]])
	}
	if len(lone) == 0 {
		return
	}
	weighted, others := e.curve.Mul(e.curve.Join(lone...), ws), e.curve.Join(fixed...)
	if e.costs.weighHashes {
		e.pair(weighted, others)
	} else {
		e.pair(others, weighted)
	}
}

// weightedHash returns Σ wⱼ·Hⱼ over the claims of one key.
func (e *equation) weightedHash(k sameKey) curve.Points {
	hashes, ws := make([]curve.Points, len(k.claims)), make([]curve.Scalar, len(k.claims))
	for at, i := range k.claims {
		hashes[at], ws[at] = e.claims[i].hash, e.weights[i]
	}
	return e.curve.MulSum(e.curve.Join(hashes...), ws)
}

// byMissing takes a pair for every validator of the set that is missing from one of these keys, and one for the set,
// if that is cheaper than one for every key. With T = Σ kᵢ over the whole set, Mⱼ those not among the signers of key j,
// and Wⱼ = Σ w·H over the claims of key j,
//
//	Π e(Wⱼ, Kⱼ) = Π e(Wⱼ, T − Σ kᵢ over i ∈ Mⱼ) = e(Σ Wⱼ, T) · Π e(Σ Wⱼ over j with i ∈ Mⱼ, −kᵢ) over all i
//
// So however many quorums a batch has, no more than n + 1 pairs are needed for them. It costs the same checks of
// subgroups, and each Wⱼ has its claims' own weights, so that nothing changes in what is demanded.
func (e *equation) byMissing(set *keySet, keys []sameKey) bool {
	type absence struct {
		validator int
		keys      []int // that it is missing from
	}
	var absent []absence
	budget := len(keys) * e.costs.pair
	spent := e.costs.pair + len(keys)*e.costs.missingKey
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
		if spent += e.costs.pair + e.costs.missingValidator + len(a.keys)*e.costs.addition; spent > budget {
			return false
		}
	}

	// Wⱼ is weighted[at[j]].
	var lone []curve.Points
	var ws []curve.Scalar
	at, parts := make([]int, len(keys)), make([]curve.Points, 1, len(keys)+1)
	for j, k := range keys {
		if len(k.claims) == 1 {
			at[j] = len(lone)
			lone, ws = append(lone, k.first.hash), append(ws, e.weights[k.claims[0]])
		}
	}
	parts[0] = e.curve.Select(keys[0].first.hash, nil)
	if len(lone) > 0 {
		parts[0] = e.curve.Mul(e.curve.Join(lone...), ws)
	}
	for j, k := range keys {
		if len(k.claims) > 1 {
			at[j] = len(lone) + len(parts) - 1
			parts = append(parts, e.weightedHash(k))
		}
	}
	weighted := e.curve.Join(parts...)

	sets, terms := []curve.Points{weighted}, []int{set.n}
	for _, a := range absent {
		for k, j := range a.keys {
			a.keys[k] = at[j]
		}
		sets, terms = append(sets, e.curve.Select(weighted, a.keys)), append(terms, a.validator)
	}
	e.pair(e.curve.Sums(sets...), e.curve.Select(set.terms, terms))
	return true
}

// costs are what the pairs of a batch cost, in tenths of a microsecond: it is their ratios that choose among ways to
// the same answer. Measured by BenchmarkBackend of package curve.
type costs struct {
	weighHashes      bool // a lone claim is weighted at its hash, or else at its key
	pair             int  // one Miller loop of many
	addition         int  // of a weighted hash to a validator's sum
	missingValidator int  // what a validator's sum costs beside its additions
	missingKey       int  // weighting a hash where byKey would weight a key
}

func costsOf(v Variant) costs {
	if v == MinSig { // hashes in G1, the cheaper group to weigh and to add in
		return costs{weighHashes: true, pair: 1950, addition: 4, missingValidator: 50}
	}
	return costs{pair: 1950, addition: 11, missingValidator: 80, missingKey: 600}
}
