package engine_test

import (
	"math/rand/v2"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/lanecast/lanecast/engine"
)

func (s *attackRig) batches() *dto.Histogram {
	s.t.Helper()
	return gather(s.t, s.registry)["lanecast_batch_statements"].GetMetric()[0].GetHistogram()
}

// Batches form without tuning, and the metrics show it.
func TestAtLowLoadAQuorumIsVerifiedAtOnceInABatchOfItsOwn(t *testing.T) {
	t.Parallel()
	const chunks = 12
	s := newAttackRig(t, newProgression(t, 7), noAttack, 1, nil)
	r := rand.New(rand.NewPCG(2, 2))
	latencies := time.Duration(0)
	for range chunks {
		m := s.nextAcks(r, shuffled)[0]
		for _, early := range m[:4] { // all except the ack that completes the quorum of five
			s.hand(early)
		}
		done := s.expect(1)
		began := time.Now()
		s.hand(m[4])
		s.await(done)
		latencies += time.Since(began)
	}
	eventually(t, "the batches are counted", func() bool { return s.batches().GetSampleCount() == chunks })
	if b := s.batches(); b.GetSampleSum() != chunks {
		t.Errorf("%v statements in %d batches", b.GetSampleSum(), b.GetSampleCount())
	}
	if c := status(t, s.engine).Counters; c.Statements != chunks || c.Splits != 0 {
		t.Errorf("counted %+v", c)
	}
	t.Logf("%v from the ack that completes a quorum of five to the reported lock", latencies/chunks)
}

func TestAtHighLoadBatchesGrow(t *testing.T) {
	const lanes, rounds = 64, 2
	s := newAttackRig(t, newProgression(t, 7), noAttack, lanes, func(c *engine.Config) { c.BatchSize = lanes })
	r := rand.New(rand.NewPCG(2, 2))
	for range rounds {
		s.round(s.nextAcks(r, shuffled))
	}
	eventually(t, "the batches are counted", func() bool { return s.batches().GetSampleSum() == lanes*rounds })
	b := s.batches()
	mean := b.GetSampleSum() / float64(b.GetSampleCount())
	t.Logf("%v statements in %d batches", b.GetSampleSum(), b.GetSampleCount())
	if mean < 4 {
		t.Errorf("%.1f statements in a batch, of %d in flight", mean, lanes)
	}
	if got := value(gather(t, s.registry)["lanecast_statements_total"], ""); got != lanes*rounds {
		t.Errorf("the metric says %v statements", got)
	}
}
