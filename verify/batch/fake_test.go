package batch

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// ants starts a pool of its own when it is imported; the goroutines of that pool are ignored.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// The fake schemes compute in the integers modulo prime instead of on a curve: a key is a number k,
// the message hash is a number h, a vote is (k·h, 0), and the "pairing" compares. The second
// component is an element of a group of order 3: a vote in which it is not zero is outside the
// "subgroup". These values add like points, so errors can be made to cancel.
const (
	prime    = 1<<61 - 1
	voteSize = 9
)

func mul(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	_, r := bits.Div64(hi, lo, prime)
	return r
}
func add(a, b uint64) uint64 { return (a + b) % prime }
func sub(a, b uint64) uint64 { return (a + prime - b) % prime }
func inverse(a uint64) uint64 {
	r := uint64(1)
	for e := uint64(prime - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			r = mul(r, a)
		}
		a = mul(a, a)
	}
	return r
}

type element struct {
	v uint64
	t byte // of order 3
}

func (e element) plus(o element) element { return element{add(e.v, o.v), (e.t + o.t) % 3} }
func (e element) times(k uint64) element {
	return element{mul(e.v, k), byte(uint64(e.t) * (k % 3) % 3)}
}
func (e element) good() bool               { return e.v != 0 && e.t == 0 }
func (e element) appendTo(b []byte) []byte { return append(binary.BigEndian.AppendUint64(b, e.v), e.t) }

func read(b []byte) (element, bool) {
	e := element{binary.BigEndian.Uint64(b), b[8]}
	return e, e.v < prime && e.t < 3
}

func hash(s wire.Subject) uint64 {
	h := fnv.New64a()
	h.Write(s.AppendTo(nil))
	return h.Sum64()%(prime-1) + 1
}

// fake is a scheme over such numbers: like multisig, or like threshold with shares of a polynomial.
type fake struct {
	n         int
	weights   verify.Weights
	threshold bool
	keys      []uint64 // the signing keys, or shares
	public    []uint64 // keys that verify votes: equal to keys, unless the keys are inconsistent
	groupKey  uint64   // of threshold
	group     any

	checks, combines, isolates, proves atomic.Int64
	sizes                              sync.Map // numbers of combinations checked at once

	combining func()       // called in Combine, to delay it or make it panic
	checking  func(n int)  // called in Check of n combinations
	flips     atomic.Int64 // number of further calls of Check that return false regardless
	deceived  bool         // Isolate finds no invalid vote
}

var fakeGroups atomic.Int64

func newFake(n int, threshold bool, seed uint64) *fake {
	f := &fake{n: n, weights: verify.EqualWeights(n), threshold: threshold, keys: make([]uint64, n), group: fakeGroups.Add(1)}
	r := rand.New(rand.NewPCG(seed, 1))
	if threshold {
		polynomial := make([]uint64, verify.Quorum(n))
		for i := range polynomial {
			polynomial[i] = r.Uint64N(prime-1) + 1
		}
		f.groupKey = polynomial[0]
		for i := range f.keys {
			for _, c := range slices.Backward(polynomial) {
				f.keys[i] = add(mul(f.keys[i], uint64(i+1)), c)
			}
		}
	} else {
		for i := range f.keys {
			f.keys[i] = r.Uint64N(prime-1) + 1
		}
	}
	f.public = slices.Clone(f.keys)
	return f
}

func (f *fake) Format() wire.Format {
	kind := wire.SignersAndAggregate
	if f.threshold {
		kind = wire.SingleSignature
	}
	return wire.Format{Kind: kind, Participants: f.n, Signature: voteSize, AckSignature: voteSize}
}
func (f *fake) Participants() []wire.PublicKey                { return make([]wire.PublicKey, f.n) }
func (f *fake) Index(wire.PublicKey) (wire.Participant, bool) { return 0, false }
func (f *fake) Weights() verify.Weights                       { return f.weights }
func (f *fake) Attributable() bool                            { return !f.threshold }
func (f *fake) Group() any                                    { return f.group }

type fakeCombination struct {
	scheme  *fake
	hash    uint64
	sum     element
	key     uint64
	signers wire.Signers
}

func (c *fakeCombination) AppendCertificate(dst []byte) []byte {
	if !c.scheme.threshold {
		dst = c.signers.AppendTo(dst)
	}
	return c.sum.appendTo(dst)
}

// key and coefficients of a set of signers.
func (f *fake) key(signers wire.Signers) (k uint64) {
	if f.threshold {
		return f.groupKey
	}
	for i := range signers.All() {
		k = add(k, f.public[i])
	}
	return k
}

func (f *fake) coefficient(i wire.Participant, signers wire.Signers) uint64 {
	if !f.threshold {
		return 1
	}
	l, x := uint64(1), uint64(i)+1
	for o := range signers.All() {
		if o != i {
			xo := uint64(o) + 1
			l = mul(l, mul(xo, inverse(sub(xo, x))))
		}
	}
	return l
}

func (f *fake) Combine(s *verify.Statement, signers wire.Signers) (verify.Combination, []wire.Participant) {
	f.combines.Add(1)
	if f.combining != nil {
		f.combining()
	}
	var unreadable []wire.Participant
	var sum element
	for i := range signers.All() {
		e, ok := read(s.Vote(i))
		if !ok {
			unreadable = append(unreadable, i)
			continue
		}
		sum = sum.plus(e.times(f.coefficient(i, signers)))
	}
	if unreadable != nil || !sum.good() {
		return nil, unreadable
	}
	return &fakeCombination{f, hash(s.Subject), sum, f.key(signers), signers.Clone()}, nil
}

func (f *fake) Open(s *verify.Statement) (verify.Combination, error) {
	signers, sig, err := f.Format().SplitCertificate(s.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", verify.ErrCertificate, err)
	}
	e, ok := read(sig)
	if !f.threshold && (signers.Len() != f.n || f.weigh(signers) < f.quorum()) || !ok || !e.good() {
		return nil, verify.ErrCertificate
	}
	return &fakeCombination{f, hash(s.Subject), e, f.key(signers), signers}, nil
}

func (f *fake) Check(cs []verify.Combination) bool {
	f.checks.Add(1)
	f.sizes.Store(len(cs), true)
	if f.checking != nil {
		f.checking(len(cs))
	}
	if f.flips.Add(-1) >= 0 {
		return false
	}
	var sum uint64
	for _, c := range cs {
		c := c.(*fakeCombination)
		if c.scheme.group != f.group {
			panic("combinations of two groups in one check")
		}
		sum = add(sum, mul(rand.Uint64N(prime-1)+1, sub(c.sum.v, mul(c.key, c.hash))))
	}
	return sum == 0
}

func (f *fake) validVote(s *verify.Statement, i wire.Participant) bool {
	e, ok := read(s.Vote(i))
	return ok && e.good() && e.v == mul(f.public[i], hash(s.Subject))
}

func (f *fake) InvalidVotes(s *verify.Statement, signers wire.Signers) (invalid []wire.Participant) {
	f.proves.Add(1)
	for i := range signers.All() {
		if !f.validVote(s, i) {
			invalid = append(invalid, i)
		}
	}
	return invalid
}

// Isolate keeps parts whose plain sum verifies, as multisig may; threshold proves each vote.
func (f *fake) Isolate(s *verify.Statement, signers wire.Signers) (invalid []wire.Participant) {
	f.isolates.Add(1)
	if f.deceived {
		return nil
	}
	if f.threshold {
		f.proves.Add(-1)
		return f.InvalidVotes(s, signers)
	}
	h := hash(s.Subject)
	var part func(ps []wire.Participant)
	part = func(ps []wire.Participant) {
		var sum element
		var key uint64
		for _, p := range ps {
			e, _ := read(s.Vote(p))
			sum, key = sum.plus(e), add(key, f.public[p])
		}
		switch {
		case sum.good() && sum.v == mul(key, h):
		case len(ps) == 1:
			invalid = append(invalid, ps[0])
		default:
			part(ps[:len(ps)/2])
			part(ps[len(ps)/2:])
		}
	}
	part(slices.Collect(signers.All()))
	return invalid
}

// weigh returns the weight of signers, and quorum the weight that certifies, by their definitions.
func (f *fake) weigh(signers wire.Signers) (sum uint64) {
	for i := range f.n {
		if signers.Has(wire.Participant(i)) {
			sum += f.weights.Of(wire.Participant(i))
		}
	}
	return sum
}

func (f *fake) quorum() uint64 {
	all := f.weigh(everyone(f.n))
	return all - (all-1)/3
}

// The methods below make statements over a fake scheme.

const fakeEpoch = 7

func subject(i int) wire.Subject {
	return wire.Subject{Chunk: wire.Chunk{Height: uint64(i), Payload: wire.Digest{byte(i), byte(i >> 8)}}, Epoch: fakeEpoch}
}

func signersOf(n int, ps ...wire.Participant) wire.Signers {
	s := wire.NewSigners(n)
	for _, p := range ps {
		s.Add(p)
	}
	return s
}

func everyone(n int) wire.Signers {
	s := wire.NewSigners(n)
	for i := range n {
		s.Add(wire.Participant(i))
	}
	return s
}

// votes returns a statement about subject(i) with good votes of signers.
func (f *fake) votes(i int, signers wire.Signers) *verify.Statement {
	s := &verify.Statement{
		Tag: uint64(i), Scheme: f, Subject: subject(i), Signers: signers, Slab: make([]byte, f.n*voteSize),
	}
	for p := range signers.All() {
		f.setVote(s, p, element{v: mul(f.keys[p], hash(s.Subject))})
	}
	return s
}

func (f *fake) setVote(s *verify.Statement, p wire.Participant, e element) {
	e.appendTo(s.Vote(p)[:0])
}

// spoil adds an error to a vote.
func (f *fake) spoil(s *verify.Statement, p wire.Participant, by element) {
	e, _ := read(s.Vote(p))
	f.setVote(s, p, e.plus(by))
}

func (f *fake) blur(s *verify.Statement, p wire.Participant) { s.Vote(p)[8] = 0xff }

// certificate returns a statement with signers' certificate on subject(i).
func (f *fake) certificate(i int, signers wire.Signers) *verify.Statement {
	s := f.votes(i, signers)
	c, _ := f.Combine(s, signers)
	return &verify.Statement{Tag: uint64(i), Scheme: f, Subject: s.Subject, Certificate: c.AppendCertificate(nil)}
}

// certifies verifies a certificate by itself, without code of this package.
func (f *fake) certifies(s wire.Subject, certificate []byte) (wire.Signers, bool) {
	c, err := f.Open(&verify.Statement{Scheme: f, Subject: s, Certificate: certificate})
	if err != nil {
		return wire.Signers{}, false
	}
	fc := c.(*fakeCombination)
	return fc.signers, fc.sum.v == mul(fc.key, fc.hash)
}
