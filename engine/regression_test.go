package engine_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

// Tests of faults that other implementations of batch verification had.

// cancellingKeys returns a set of four in which the keys of the first three, a quorum, add up to
// the identity.
func cancellingKeys(t testing.TB) *progression {
	p := newProgression(t, 4)
	p.negated = nil
	secrets := make([]fr.Element, 4)
	for i := range secrets {
		secrets[i].SetUint64(uint64(5 + i*i))
	}
	secrets[2].Add(&secrets[0], &secrets[1]).Neg(&secrets[2])
	for i := range secrets {
		p.keys[i].ScalarMultiplicationBase(secrets[i].BigInt(new(big.Int)))
		b := p.keys[i].Bytes()
		p.validators[i].Key = b[:]
	}
	p.secrets = secrets
	return p
}

// only selects the acks of some validators, in that order.
func only(who ...int) func(*rand.Rand, int) []int {
	return func(*rand.Rand, int) []int { return who }
}

// A pair whose key is the identity makes a pairing library refuse, or fail, the whole product. Here
// such a case is decided without a pairing.
func TestABatchIsNotAbortedBySignersWhoseKeysCancel(t *testing.T) {
	voters := cancellingKeys(t)
	const lanes = 8
	s := newAttackRig(t, voters, noAttack, lanes, func(c *engine.Config) {
		c.BatchDelay, c.BatchSize, c.SuspectDelay = 200*time.Millisecond, lanes, time.Hour
	})
	r := rand.New(rand.NewPCG(1, 1))
	good := s.nextAcks(r, only(0, 1, 3))
	s.height--
	cancelled := s.nextAcks(r, only(0, 1, 2)) // each vote is valid, and so is their sum, the identity
	good[3] = cancelled[3]
	done := s.expect(lanes - 1)
	s.deliver(good)
	s.await(done)
	// If votes are each valid and certify nothing, the keys do not fit each other, as is the case
	// here.
	var reports []wire.Activity
	eventually(t, "the keys are reported", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		reports, s.others = append(reports, s.others...), nil
		return len(reports) == 1
	})
	if report, ok := reports[0].(*wire.InconsistentKeys); !ok || report.Subject != s.subject(3, 0) || report.Signers.Count() != 3 {
		t.Errorf("reported %+v", reports[0])
	}
	s.audit(1)
	c := status(t, s.engine).Counters
	if c.Statements != lanes || c.Splits > 1 || c.Certificates != lanes-1 || c.AcksInvalid != 0 {
		t.Errorf("counted %+v", c)
	}
	if f := gather(t, s.registry)["lanecast_batch_statements"].GetMetric()[0].GetHistogram(); f.GetSampleCount() != 1 {
		t.Errorf("%d batches: the test shows nothing", f.GetSampleCount())
	}
}

// A peer whose bad messages are all in one batch, or on their way, is found before each of them has
// cost a pairing.
func TestAPeerWithABadAckInEveryChunkCostsLogarithmicallyManyChecks(t *testing.T) {
	t.Parallel()
	const lanes = 64
	voters := newProgression(t, 7)
	one := func(r *rand.Rand, s wire.Subject, valid [][]byte) [][]byte {
		b := stray(r)
		e := b.Bytes()
		valid[6] = e[:]
		return valid
	}
	s := newAttackRig(t, voters, one, lanes, func(c *engine.Config) { c.BatchSize = lanes })
	r := rand.New(rand.NewPCG(1, 1))
	for range 2 { // the hostile validator among the quorum, and five others to replace it
		s.round(s.nextAcks(r, only(6, 0, 1, 2, 3, 4, 5)))
	}
	s.audit(16)
	c := status(t, s.engine).Counters
	// One batch of one and one of the rest, maybe three, each with one vote to find: log₂ 64 checks
	// that fail and as many that do not. Isolation itself is no check.
	if c.Splits > 3*7 {
		t.Errorf("%d failed checks for one bad signer in %d chunks", c.Splits, 2*lanes)
	}
	if s.blames() != 1 || c.Certificates != 2*lanes {
		t.Errorf("%d validators blamed, counted %+v", s.blames(), c)
	}
}

func TestAPeerWithBadNodesIsVerifiedOncePerInterval(t *testing.T) {
	t.Parallel()
	voters := newProgression(t, 4)
	s := newNodeRig(t, voters, 2, 1, func(c *engine.Config) { c.BadNodeInterval = time.Hour })
	r := rand.New(rand.NewPCG(1, 1))
	s.round(s.nodes(r, 0))
	for range 10 {
		s.round(s.nodes(r, 50))
	}
	// One bad node, and at most one parent certificate of another that came before the verdict.
	c := status(t, s.engine).Counters
	if c.NodesReceived != 2+10*51 || c.NodesInvalid < 1 || c.NodesInvalid > 2 || c.Statements != 2+10+c.NodesInvalid || c.Splits > 4 {
		t.Errorf("counted %+v", c)
	}
}

// step delivers one ack and waits until the engine has verified that many statements, and until it
// is idle.
func (s *attackRig) step(m ackMessage, statements uint64) engine.Counters {
	s.t.Helper()
	s.hand(m)
	eventually(s.t, "a statement is verified", func() bool {
		return s.peers[m.from].Waiting() == 0 && status(s.t, s.engine).Counters.Statements >= statements
	})
	synctest.Wait()
	return status(s.t, s.engine).Counters
}

// Votes that failed are not verified again with each ack that arrives after them.
func TestABadAckIsNotVerifiedAgainWithEveryAckThatFollows(t *testing.T) {
	t.Parallel()
	const n, f, quorum = 16, 5, 11
	voters := newProgression(t, n)
	synctest.Test(t, func(t *testing.T) {
		s := newAttackRig(t, voters, randomPoints, 1, func(c *engine.Config) { c.SuspectDelay = time.Hour })
		r := rand.New(rand.NewPCG(1, 1))

		// Five bad and six good make a quorum that fails; then five good ones come one by one.
		acks := s.nextAcks(r, only(11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))[0]
		done := s.expect(1)
		for i, m := range acks {
			want := uint64(0)
			switch {
			case i == n-1:
				want = 2
			case i >= quorum-1:
				want = 1
			}
			c := s.step(m, want)
			if c.Statements != want || c.Splits > 1 {
				t.Fatalf("after ack %d: %d statements, %d failed checks", i, c.Statements, c.Splits)
			}
		}
		s.await(done)
		// They are known by now, and fail no more checks.
		before := status(t, s.engine).Counters
		done = s.expect(1)
		for _, m := range s.nextAcks(r, only(11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))[0] {
			s.step(m, 0)
		}
		s.await(done)
		after := status(t, s.engine).Counters
		if after.Statements != before.Statements+1 || after.Splits != before.Splits || s.blames() != f {
			t.Errorf("before %+v, after %+v, %d blamed", before, after, s.blames())
		}
		s.audit(1)
	})
}
