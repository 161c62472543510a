package aggregate

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// If a slab is reused while a statement still reads it, acks turn out bad.
func TestMain(m *testing.M) {
	poison.Switch(true)
	m.Run()
}

const plenty = 1 << 20

func id(i int) wire.PublicKey { return wire.PublicKey{byte(i >> 8), byte(i), 0xA5} }

func ids(n int) []wire.PublicKey {
	all := make([]wire.PublicKey, n)
	for i := range all {
		all[i] = id(i)
	}
	return all
}

func payload(i int) wire.Digest { return wire.Digest{byte(i), 0xD1} }

func chunk(lane int, height uint64, p int) wire.Chunk {
	return wire.Chunk{Sequencer: id(lane), Height: height, Payload: payload(p)}
}

func certificate(height, epoch uint64, payload wire.Digest) wire.Lock {
	return wire.Lock{Chunk: wire.Chunk{Height: height, Payload: payload}, Epoch: epoch}
}

func signers(n int, participants ...wire.Participant) wire.Signers {
	s := wire.NewSigners(n)
	for _, i := range participants {
		s.Add(i)
	}
	return s
}

func expect[T comparable](t rapid.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// The helpers below are for tests of one slot or lane, which verify nothing.

// scheme is a Scheme that implements only the format and the participants; other methods are never
// called.
type scheme struct {
	verify.Scheme
	n, size int
	others  int // number of validators of other sets to skip
	weights []uint64
}

func (s scheme) Format() wire.Format {
	return wire.Format{Kind: wire.SingleSignature, Participants: s.n, Signature: s.size, AckSignature: s.size}
}

func (s scheme) Weights() verify.Weights {
	if s.weights == nil {
		return verify.EqualWeights(s.n)
	}
	w, err := verify.NewWeights(s.weights)
	if err != nil {
		panic(err)
	}
	return w
}

func (s scheme) Participants() []wire.PublicKey { return ids(s.others + s.n)[s.others:] }

func newVotes(limit int) *Votes { return New(Config{MaxBytes: limit}) }

func setOf(n, size int) *Set { return newSet(scheme{n: n, size: size}) }

var four = setOf(4, 16)

func lane(v *Votes) *Lane { return v.Lane(id(900)) }

// signature returns the signature with which participant i votes for payload p.
func signature(i wire.Participant, p, size int) []byte {
	b := make([]byte, size)
	for k := range b {
		b[k] = byte(int(i)*7 + p*3 + k)
	}
	return b
}

func open(t *testing.T, l *Lane, k key, s *Set) *slot {
	t.Helper()
	slot := l.open(k, s, 0, false)
	if slot == nil {
		t.Fatalf("no room for %v", k)
	}
	return slot
}

// vote delivers the votes of participants for payload p, and returns the candidate.
func vote(t *testing.T, s *slot, p, size int, participants ...wire.Participant) *candidate {
	t.Helper()
	var c *candidate
	for _, i := range participants {
		result, to := s.add(i, payload(p), signature(i, p, size))
		if result != Counted {
			t.Fatalf("vote of %d: %v", i, result)
		}
		c = to
	}
	return c
}

// statement makes a statement of a quorum of c's votes without those of suspects; nil if there is
// none.
func statement(c *candidate, suspects wire.Signers, first wire.Participant) *verify.Statement {
	if c.slot.closed {
		return nil
	}
	c.slot.set.suspects = suspects
	if !c.trusted() {
		return nil
	}
	v := c.slot.lane.votes
	v.add(0, c, c.quorum(first), wire.Signers{})
	return &v.next[len(v.next)-1].Statement
}

// check makes a statement with as many of the suspects' votes as a quorum needs, to be proven; nil
// if there is none.
func check(c *candidate, suspects []wire.Participant) *verify.Statement {
	votes, chosen, ok := c.quorumOfSuspects(suspects)
	if !ok {
		return nil
	}
	v := c.slot.lane.votes
	v.add(0, c, votes, chosen)
	return &v.next[len(v.next)-1].Statement
}

// The helpers below are for tests of whole Votes.

// rig drives Votes as the core does. The test decides each statement. All epochs have the same
// validators.
type rig struct {
	t        *testing.T
	v        *Votes
	cfg      Config
	scheme   *model.Scheme
	now      time.Duration
	lanes    map[int]*Lane
	verifies []*Statement
	locks    []wire.Lock
	unfit    []*wire.InconsistentKeys
	invalid  []wire.Ack // of new offenders
}

func newRig(t *testing.T, n int, kind model.Kind) *rig {
	r := &rig{
		t: t, cfg: Config{MaxBytes: 64 << 20, SuspectDelay: 250 * time.Millisecond, Past: 1 << 10},
		scheme: model.New(kind, ids(n), 5), lanes: map[int]*Lane{},
	}
	r.v = New(r.cfg)
	r.v.SetBounds(4, 6)
	return r
}

func (r *rig) lane(i int) *Lane {
	if r.lanes[i] == nil {
		r.lanes[i] = r.v.Lane(id(i))
	}
	return r.lanes[i]
}

// ack delivers participant i's ack, of epoch 5.
func (r *rig) ack(i int, c wire.Chunk) Result {
	s := wire.Subject{Chunk: c, Epoch: 5}
	return r.add(wire.Ack{Chunk: c, Epoch: 5, Participant: wire.Participant(i), Signature: r.scheme.Sign(wire.Participant(i), s)})
}

// badAck delivers an ack of participant i whose signature is wrong.
func (r *rig) badAck(i int, c wire.Chunk) Result {
	s := wire.Subject{Chunk: c, Epoch: 5}
	signature := r.scheme.Sign(wire.Participant(i), s)
	signature[len(signature)-1] ^= 1
	return r.add(wire.Ack{Chunk: c, Epoch: 5, Participant: wire.Participant(i), Signature: signature})
}

func (r *rig) add(a wire.Ack) Result {
	l := r.lane(int(a.Chunk.Sequencer[1]))
	if l.Held(a.Chunk.Height, a.Epoch) != nil {
		return Repeated
	}
	result := l.Add(&a, r.v.Set(a.Epoch, r.scheme), false)
	if result == Quorate {
		r.next()
	}
	return result
}

// acks delivers good acks of the listed participants for a chunk of a lane.
func (r *rig) acks(lane int, height uint64, who ...int) {
	for _, i := range who {
		r.ack(i, chunk(lane, height, 1))
	}
}

// everyoneAcks delivers the good acks of all ten for a chunk of a lane.
func (r *rig) everyoneAcks(lane int, height uint64) {
	r.acks(lane, height, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
}

func (r *rig) next() { r.verifies = append(r.verifies, r.v.Next(r.now)...) }

// verdict decides the oldest statement.
func (r *rig) verdict() {
	r.t.Helper()
	st := r.verifies[0]
	r.verifies = r.verifies[1:]
	r.resolve(st, model.Decide(&st.Statement, model.ChunkValid))
}

func (r *rig) resolve(st *Statement, v *verify.Verdict) {
	r.t.Helper()
	result := r.v.Resolve(r.now, st, v)
	r.invalid = append(r.invalid, result.Offenders...)
	if result.InconsistentKeys != nil {
		r.unfit = append(r.unfit, result.InconsistentKeys)
	}
	if result.Certified {
		whole := &verify.Statement{Scheme: r.scheme, Subject: st.Subject, Certificate: result.Lock.Certificate}
		if !model.Decide(whole, model.ChunkValid).CertificateValid {
			r.t.Fatalf("a lock that is not valid, at height %d", result.Lock.Chunk.Height)
		}
		l := r.lane(int(result.Lock.Chunk.Sequencer[1]))
		if added, _ := l.Certify(Certificate{Lock: result.Lock}); added == Added || added == Late {
			r.locks = append(r.locks, result.Lock)
			l.CloseBelow(result.Lock.Chunk.Height)
			l.Prune(0, false)
		}
	}
	r.next()
}

// verdicts decides every waiting statement, and those that result from these verdicts.
func (r *rig) verdicts() {
	r.t.Helper()
	for len(r.verifies) > 0 {
		r.verdict()
	}
}

// pass lets time pass, and calls Next at each deadline on the way.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now + d
	for calls := 0; ; calls++ {
		due, ok := r.v.Deadline()
		if !ok || due > end {
			break
		}
		if calls > 10000 {
			r.t.Fatal("deadlines without end")
		}
		r.now = max(r.now, due)
		r.next()
	}
	r.now = end
}

// decideFor lets time pass, decides every statement immediately, and returns the number of
// statements.
func (r *rig) decideFor(d time.Duration) (statements int) {
	r.t.Helper()
	for end := r.now + d; r.now < end; r.pass(10 * time.Millisecond) {
		for len(r.verifies) > 0 {
			statements++
			r.verdict()
		}
	}
	return statements
}
