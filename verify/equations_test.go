package verify

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

// equationPool returns equations that hold, of every kind: by single keys, and by the keys of every
// nonempty subset of two sets, on some messages.
func equationPool(t *testing.T, p *pairing) []equation {
	var hashes, keys []curve.Points
	var secrets []*SecretKey
	for i := range byte(3) {
		hashes = append(hashes, p.curve.Hash(p.sigGroup, p.variant.messageTag(), []byte{i}))
	}
	for i := range byte(8) {
		k, err := SecretKeyFromSeed(p.variant, bytes.Repeat([]byte{i + 1}, 32))
		if err != nil {
			t.Fatal(err)
		}
		secrets, keys = append(secrets, k), append(keys, p.curve.PublicKey(k.secret(), p.keyGroup))
	}
	var pool []equation
	for i, k := range secrets[:3] {
		h := hashes[i%2]
		pool = append(pool, equation{signature: p.curve.Sign(k.secret(), h), hash: h, key: keys[i], keyName: p.nameKey(keys[i])})
	}
	for _, members := range [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}} {
		var own []curve.Points
		for _, i := range members {
			own = append(own, keys[i])
		}
		all := p.curve.Join(own...)
		set := &keySet{len(members), p.curve.Join(p.curve.Neg(all), p.curve.Sum(all))}
		for subset := 1; subset < 1<<len(members); subset++ {
			h := hashes[subset%len(hashes)]
			signers := wire.NewSigners(len(members))
			var who []int
			var signatures []curve.Points
			for k, i := range members {
				if subset>>k&1 == 1 {
					signers.Add(wire.Participant(k))
					who = append(who, k)
					signatures = append(signatures, p.curve.Sign(secrets[i].secret(), h))
				}
			}
			key := p.curve.Sum(p.curve.Select(all, who))
			pool = append(pool, equation{p.curve.Sum(p.curve.Join(signatures...)), h, key, p.nameKey(key), set, signers})
		}
	}
	return pool
}

// The product is the same with one pair for every equation, as in the slow method, with one for
// every key, and with one for every missing validator.
func TestEveryWayToPairAgreesWithClaimsOneByOne(t *testing.T) {
	for _, v := range []Variant{MinSig, MinPk} {
		usual := newPairing(v)
		pool := equationPool(t, usual)
		byKey, byMissing := *usual, *usual
		byKey.costs.missingKey = 1 << 30
		byMissing.costs = costs{weighHashes: usual.costs.weighHashes, pair: 1000} // others are 0
		for i := range pool {
			if !usual.allHold(pool[i : i+1]) {
				t.Fatalf("%v: equation %d of the pool does not hold", v, i)
			}
		}
		rapid.Check(t, func(t *rapid.T) {
			equations := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 40).Draw(t, "equations")
			equations = slices.Clone(equations)
			want := true
			for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "wrong") {
				if len(equations) == 0 {
					break
				}
				i := rapid.IntRange(0, len(equations)-1).Draw(t, "which")
				other := rapid.SampledFrom(pool).Draw(t, "takes the signature of")
				equations[i].signature = other.signature
				want = false
			}
			if !want { // the other signature may be equal
				want = true
				for i := range equations {
					want = want && usual.allHold(equations[i:i+1])
				}
			}
			for name, p := range map[string]*pairing{"usual": usual, "by key": &byKey, "by missing": &byMissing} {
				if got := p.allHold(equations); got != want {
					t.Fatalf("%v, %s: %v of %d equations, one by one %v", v, name, got, len(equations), want)
				}
			}
		})
	}
}

func TestABatchOfManyQuorumsTakesNoMorePairsThanValidatorsAndTwo(t *testing.T) {
	for _, v := range []Variant{MinSig, MinPk} {
		p := newPairing(v)
		pool := equationPool(t, p)
		all := pool[3:18] // fifteen subsets of one set of four
		for i := range all {
			count := func(equations []equation) int {
				pp := pairProduct{pairing: p, equations: equations, weights: weights(len(equations))}
				var keys []sameKey
				for i := range equations {
					keys = append(keys, sameKey{&equations[i], []int{i}})
				}
				if !pp.byMissing(equations[0].set, keys) {
					pp.byKey(keys)
				}
				return p.curve.Join(pp.left...).Len()
			}
			n := count(all[:i+1])
			if n > i+1 {
				t.Errorf("%v: %d pairs for %d keys", v, n, i+1)
			}
			if i == len(all)-1 && n != 5 {
				t.Errorf("%v: %d pairs for all", v, n)
			}
		}
	}
}
