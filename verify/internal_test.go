package verify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/verify/internal/curve"
	"github.com/lanecast/lanecast/wire"
)

func TestTheBackEndIsTheOneNamed(t *testing.T) {
	if got := curve.Default().Name(); got != BackendName {
		t.Errorf("%s, named %s", got, BackendName)
	}
}

func TestThePrefixKeepsNamespacesApart(t *testing.T) {
	if got := prefix([]byte("ns"), ackSuffix); string(got) != "\x06ns_ACK" {
		t.Errorf("%q", got)
	}
	if got := prefix(bytes.Repeat([]byte("n"), 300), chunkSuffix); string(got[:2]) != "\xb2\x02" || len(got) != 308 {
		t.Errorf("%q", got)
	}
	if got := prefix(nil, ""); string(got) != "\x00" {
		t.Errorf("%q", got)
	}
	p := prefix([]byte("ns"), ackSuffix)
	a, b := wire.Subject{Epoch: 1}, wire.Subject{Epoch: 2}
	first := ackMessage(p, &a)
	before := bytes.Clone(first)
	ackMessage(p, &b)
	if !bytes.Equal(first, before) {
		t.Error("two messages share memory")
	}
}

func TestACacheForgetsTheLeastRecentlyUsedValues(t *testing.T) {
	c := newCache[int, int](10)
	made := 0
	get := func(k int) {
		if v := c.get(k, func() int { made++; return -k }); v != -k {
			t.Errorf("%d has %d", k, v)
		}
	}
	for k := range 1000 {
		get(0) // stays because it is used
		get(k)
	}
	if made != 1000 {
		t.Errorf("made %d times", made)
	}
	if c.size() > 20 {
		t.Errorf("holds %d", c.size())
	}
	get(5)
	if made != 1001 {
		t.Error("5 was not forgotten")
	}
}

func TestWeightsAreFreshAndNotZero(t *testing.T) {
	seen := map[curve.Scalar]bool{curve.NewWeight([16]byte{}): true}
	for range 10 {
		for _, w := range weights(100) {
			if seen[w] {
				t.Fatalf("weight %v", w)
			}
			seen[w] = true
		}
	}
}

func TestSearchFindsExactlyTheBadWithFewTests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "n")
		wrong := make([]bool, n)
		var want []int
		all := make([]int, n)
		for i := range wrong {
			all[i] = i
			if wrong[i] = rapid.IntRange(0, 20).Draw(t, "dice") == 0; wrong[i] {
				want = append(want, i)
			}
		}
		tests := 0
		test := func(part []int) outcome {
			tests++
			for _, i := range part {
				if wrong[i] {
					return bad
				}
			}
			return good
		}
		if got := bisect(all, untested, test); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		if limit := 1 + len(want)*(2+bits.Len(uint(n))*2); tests > limit {
			t.Fatalf("%d tests of %d with %d bad", tests, n, len(want))
		}
	})
}

func TestSearchForOneBadOfManyTakesLogarithmicallyManyTests(t *testing.T) {
	all := make([]int, 64)
	for i := range all {
		all[i] = i
	}
	for bad1 := range all {
		tests := 0
		got := bisect(all, bad, func(part []int) outcome {
			tests++
			if slices.Contains(part, bad1) {
				return bad
			}
			return good
		})
		if !slices.Equal(got, []int{bad1}) || tests > 12 {
			t.Errorf("%d: found %v in %d tests", bad1, got, tests)
		}
	}
}

func TestSearchTestsASingleVoteHoweverSureTheConclusion(t *testing.T) {
	got := bisect([]int{3, 4}, bad, func([]int) outcome { return good })
	if len(got) > 0 {
		t.Errorf("blamed %v by inference", got)
	}
}

func TestTheHashOfASubjectIsComputedOnce(t *testing.T) {
	set, _, err := newValidatorSet([]wire.PublicKey{{3}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Variant{MinSig, MinPk} {
		b := newBLSScheme(Config{Variant: v}, set, wire.SignersAndAggregate)
		s := wire.Subject{Epoch: 5}
		first := b.hash(s)
		if fmt.Sprintf("%p", b.hash(s)) != fmt.Sprintf("%p", first) || b.hashes.size() != 1 {
			t.Errorf("%v: hashed again", v)
		}
		s.Epoch++
		if bytes.Equal(b.curve.Append(nil, b.hash(s), 0, true), b.curve.Append(nil, first, 0, true)) {
			t.Errorf("%v: two subjects, one hash", v)
		}
		if first.Group() != v.signatures() {
			t.Errorf("%v: hashed to G%d", v, first.Group())
		}
	}
}

func TestAWeightedEquationHoldsWithAnyMixtureOfEqualAndDifferentKeys(t *testing.T) {
	for _, v := range []Variant{MinSig, MinPk} {
		p := newPairing(v)
		make1 := func(key byte, message string) equation {
			k, err := SecretKeyFromSeed(v, bytes.Repeat([]byte{key}, 32))
			if err != nil {
				t.Fatal(err)
			}
			h := p.curve.Hash(p.sigGroup, v.messageTag(), []byte(message))
			pk := p.curve.PublicKey(k.secret(), p.keyGroup)
			return equation{signature: p.curve.Sign(k.secret(), h), hash: h, key: pk, keyName: p.nameKey(pk)}
		}
		equations := []equation{make1(1, "a"), make1(2, "b"), make1(1, "c"), make1(3, "d"), make1(2, "a"), make1(1, "a")}
		for n := range len(equations) + 1 {
			if !p.allHold(equations[:n]) {
				t.Errorf("%v: the first %d do not hold", v, n)
			}
		}
		for i := range equations {
			wrong := slices.Clone(equations)
			wrong[i].signature = p.curve.Neg(wrong[i].signature)
			if p.allHold(wrong) {
				t.Errorf("%v: holds with equation %d negated", v, i)
			}
		}
	}
}

// RFC 6979, A.2.5: the signature with SHA-256 on "sample", whose s is high, and that on "test",
// whose s is low.
func TestECDSASignaturesAreThoseOfRFC6979WithLowS(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), unhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))
	if err != nil {
		t.Fatal(err)
	}
	high := unhex("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")
	low := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(high)).Bytes()
	for message, want := range map[string][]byte{
		"sample": append(unhex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"), low...),
		"test": append(unhex("f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"),
			unhex("019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083")...),
	} {
		if got, err := signWithECDSA(key)([]byte(message)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v", message, got, err)
		}
	}
}

// Conversion to DER and back leaves every signature unchanged, however many zeros its halves begin
// with.
func TestSignaturesComeThroughDERUnchanged(t *testing.T) {
	halves := [][]byte{
		append(make([]byte, 31), 1), append(make([]byte, 31), 0x80), append(make([]byte, 30), 0x80, 0),
		bytes.Repeat([]byte{0x7f}, 32), append([]byte{0}, bytes.Repeat([]byte{0xff}, 31)...), secp256r1Half,
	}
	for _, r := range append(halves, bytes.Repeat([]byte{0x80}, 32), secp256r1Order) {
		for _, s := range halves {
			want := slices.Concat(r, s)
			der := appendDER(nil, want)
			if got, err := fromDER(der); err != nil || !bytes.Equal(got, want) || len(der) > maxDER {
				t.Errorf("%x became %x by way of %x: %v", want, got, der, err)
			}
		}
	}
	for _, bad := range []string{"", "30", "3000", "300601010202", "30060201010201", "3105020101020101", "3007020101020101ff", "30820102"} {
		b, _ := hex.DecodeString(bad)
		if got, err := fromDER(b); err == nil {
			t.Errorf("%s became %x", bad, got)
		}
	}
}
