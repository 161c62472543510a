package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// uncompressed is a progression whose acks are sent uncompressed.
type uncompressed struct{ *progression }

func (u uncompressed) scheme(t testing.TB) verify.Scheme {
	t.Helper()
	s, err := verify.NewMultisigFromProvenKeys(verify.Config{Namespace: namespace, AckEncoding: verify.Uncompressed}, u.validators)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (u uncompressed) votes(_ testing.TB, s wire.Subject) [][]byte {
	points := u.points(s)
	votes := make([][]byte, len(points))
	for i := range points {
		b := points[i].RawBytes()
		votes[i] = b[:]
	}
	return votes
}

// statements makes the engine's statements from the acks in chunks: one for the quorum of each.
func (s *attackRig) statements(scheme verify.Scheme, chunks [][]ackMessage) []*verify.Statement {
	s.t.Helper()
	out := make([]*verify.Statement, len(chunks))
	size := scheme.Format().AckSignature
	for i, c := range chunks {
		st := &verify.Statement{Scheme: scheme, Signers: wire.NewSigners(s.n()), Slab: make([]byte, s.n()*size)}
		for _, m := range c {
			var a wire.Ack
			if err := a.Decode(m.bytes); err != nil {
				s.t.Fatal(err)
			}
			st.Subject = a.Subject()
			st.Signers.Add(a.Participant)
			copy(st.Vote(a.Participant), a.Signature)
		}
		out[i] = st
	}
	return out
}

// The engine, with one worker and pre-signed acks, is compared with the verifier alone on the same
// statements: the difference is the cost from DeliverAck to the lock. Acks of several heights of
// each lane are in flight.
func TestTheEngineLosesLittleOfItsVerifiersSpeed(t *testing.T) {
	n, lanes, heights, rounds, measured := 10, 8, 2, 1, heavy(t)
	if measured {
		n, lanes, heights, rounds = 100, 64, 4, 20
	}
	p := newProgression(t, n)
	for _, encoding := range []struct {
		name   string
		voters voterSet
	}{{"compressed", p}, {"uncompressed", uncompressed{p}}} {
		for _, equal := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/equal=%t", encoding.name, equal), func(t *testing.T) {
				quorum := verify.Quorum(n)
				order := func(r *rand.Rand, n int) []int { return r.Perm(n)[:quorum] }
				if equal {
					order = func(_ *rand.Rand, n int) []int { return only(upTo(quorum)...)(nil, n) }
				}
				const size = 64
				s := newAttackRig(t, encoding.voters, noAttack, lanes, func(c *engine.Config) { c.BatchSize = size })
				v, err := batch.New(batch.Config{Workers: 1, BatchSize: size, Chunks: verify.NewChunkVerifier(namespace)})
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				scheme := encoding.voters.scheme(t) // not the engine's: it has seen none of the chunks
				r := rand.New(rand.NewPCG(4, 4))
				var pure, cpu, wall, pureWall time.Duration
				for range rounds {
					var chunks [][]ackMessage
					for range heights {
						chunks = append(chunks, s.nextAcks(r, order)...)
					}
					statements := s.statements(scheme, chunks)
					runtime.GC()
					wallBegan, began := time.Now(), cpuTime()
					verdicts, err := v.Verify(context.Background(), statements)
					took, tookWall := cpuTime()-began, time.Since(wallBegan)
					if err != nil || slices.ContainsFunc(verdicts, func(v verify.Verdict) bool { return v.Certificate == nil }) {
						t.Fatal("the statements do not verify", err)
					}
					runtime.GC()
					c, w := s.round(chunks)
					keepLeast(&pure, took)
					keepLeast(&pureWall, tookWall)
					keepLeast(&cpu, c)
					keepLeast(&wall, w)
				}
				acks := float64(lanes * heights * quorum)
				t.Logf("verifier alone %.2f µs per ack, engine %.2f µs CPU and %.2f µs wall: %.3f of its throughput by wall, %.3f by CPU of all threads",
					pure.Seconds()*1e6/acks, cpu.Seconds()*1e6/acks, wall.Seconds()*1e6/acks, ratio(pureWall, wall), ratio(pure, cpu))
				s.audit(64)
				if share := max(ratio(pureWall, wall), ratio(pure, cpu)); measured && share < 0.9 {
					t.Errorf("%.3f of the verifier's throughput", share)
				}
			})
		}
	}
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
