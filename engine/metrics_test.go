package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

func gather(t testing.TB, registry *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// value sums the counters and gauges of a family that carry a label value; "" means any.
func value(f *dto.MetricFamily, label string) (sum float64) {
	for _, m := range f.GetMetric() {
		match := label == ""
		for _, l := range m.GetLabel() {
			match = match || l.GetValue() == label
		}
		if match {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func TestMetricsCountTheEvents(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	m := members[0]
	m.config.Metrics = registry
	for _, o := range members {
		o.app.limit = 10
	}
	m.open(t, net)
	if got := gather(t, registry); got["lanecast_epoch"] != nil || got["lanecast_application_verdict_seconds"] == nil ||
		value(got["lanecast_build_info"], "") != 1 || value(got["lanecast_workers"], "") < 1 {
		t.Errorf("before the run there are %d families", len(got))
	}
	m.start()
	for _, o := range members[1:] {
		o.open(t, net, members...)
	}
	for _, o := range members[1:] {
		o.start()
	}
	eventually(t, "all lanes are certified", func() bool {
		s := status(t, m.engine)
		for _, l := range s.Lanes {
			if !l.HasCertified || l.Certified != 9 {
				return false
			}
		}
		return len(s.Lanes) == 4
	})
	p, err := m.engine.Peer(testkit.Identity(testkit.Identities(1, 77)[0]))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.DeliverAckBytes([]byte("garbage"))
	_ = p.DeliverAckBytes(make([]byte, 1<<20))
	eventually(t, "the garbage is counted", func() bool {
		return value(gather(t, registry)["lanecast_acks_total"], "malformed") == 1
	})
	eventually(t, "the application is asked for one more chunk, and declines", func() bool {
		return value(gather(t, registry)["lanecast_propose_declined_total"], "") >= 1
	})

	got := gather(t, registry)
	for _, c := range []struct {
		family, label string
		least         float64
	}{
		{"lanecast_sequencer_height", m.id.String(), 9},
		{"lanecast_sequencer_certified_height", m.id.String(), 9},
		{"lanecast_acks_total", "success", 1},
		{"lanecast_acks_total", "invalid", 1},
		{"lanecast_nodes_total", "success", 30},
		{"lanecast_nodes_verified_total", "", 30},
		{"lanecast_application_verdicts_total", "success", 10},
		{"lanecast_certificates_total", "", 1},
		{"lanecast_locks_total", "", 30},
		{"lanecast_propose_total", "success", 10},
		{"lanecast_propose_declined_total", "", 1},
		{"lanecast_broadcast_total", "success", 10},
		{"lanecast_own_acks_total", "success", 10},
		{"lanecast_peers", "", 4},
		{"lanecast_inbox_dropped_total", "too_large", 1},
		{"lanecast_statements_total", "", 30},
		{"lanecast_faults_total", "", 1},
		{"lanecast_validators", "", 4},
		{"lanecast_sequencers", "", 4},
		{"lanecast_weight", "", 4},
		{"lanecast_quorum", "", 3},
		{"lanecast_validator", "", 1},
		{"lanecast_journal_bytes", "", 1000},
		{"lanecast_journal_segments", "", 1},
		{"lanecast_validator_acks_total", m.id.String(), 10},
		{"lanecast_validator_acks_total", members[1].id.String(), 10},
		{"lanecast_parents_total", "included", 10},
	} {
		if v := value(got[c.family], c.label); v < c.least {
			t.Errorf("%s{%s} is %v, want at least %v", c.family, c.label, v, c.least)
		}
	}
	for _, name := range []string{
		"lanecast_application_verdict_seconds", "lanecast_e2e_duration_seconds", "lanecast_batch_statements",
		"lanecast_batch_duration_seconds", "lanecast_journal_sync_duration_seconds", "lanecast_journal_sync_records",
	} {
		if f := got[name]; f == nil || f.GetMetric()[0].GetHistogram().GetSampleCount() == 0 {
			t.Errorf("%s observed nothing", name)
		}
	}
	if got := got["lanecast_e2e_duration_seconds"].GetMetric()[0].GetHistogram().GetSampleCount(); got != 10 {
		t.Errorf("%d of our 10 chunks have an end-to-end duration", got)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	haltAll(t, members)
	if left := gather(t, registry); len(left) != 0 {
		t.Errorf("%d families are left after the run", len(left))
	}
}

// A certificate can take minutes: such a time is in a bucket too, and a quantile is off by less
// than half of the true value.
func TestDurationsAreTellableUpToFiveMinutes(t *testing.T) {
	registry := prometheus.NewRegistry()
	config := soundConfig(t)
	config.Metrics = registry
	e, err := engine.New(config)
	if err != nil {
		t.Fatal(err)
	}
	families := gather(t, registry)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for name, upTo := range map[string]float64{
		"lanecast_e2e_duration_seconds": 300, "lanecast_application_verdict_seconds": 300,
		"lanecast_batch_duration_seconds": 30, "lanecast_journal_sync_duration_seconds": 30,
	} {
		buckets := families[name].GetMetric()[0].GetHistogram().GetBucket()
		for i, b := range buckets[1:] {
			if ratio := b.GetUpperBound() / buckets[i].GetUpperBound(); ratio <= 1 || ratio >= 2 {
				t.Errorf("%s: from %v to %v", name, buckets[i].GetUpperBound(), b.GetUpperBound())
			}
		}
		if last := buckets[len(buckets)-1].GetUpperBound(); last < upTo {
			t.Errorf("%s ends at %v s", name, last)
		}
		if first := buckets[0].GetUpperBound(); first > 0.001 {
			t.Errorf("%s begins at %v s", name, first)
		}
	}
}

func TestVerdictsAreCountedByTheirStatus(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 1, 1))
	m := members[0]
	m.config.Metrics = registry
	var asked atomic.Int64
	m.app.verify = func(context.Context, engine.Place, wire.Digest) (bool, error) {
		switch asked.Add(1) {
		case 1:
			return false, errors.New("the database is away")
		case 2:
			return false, nil
		}
		return true, nil
	}
	startAll(t, net, members)
	eventually(t, "each is counted", func() bool {
		verdicts := gather(t, registry)["lanecast_application_verdicts_total"]
		return value(verdicts, "success") > 0
	})
	verdicts := gather(t, registry)["lanecast_application_verdicts_total"]
	if none, no := value(verdicts, "none"), value(verdicts, "failure"); none != 1 || no != 1 {
		t.Errorf("%v verdicts none, %v false", none, no)
	}
	if statuses := len(gather(t, registry)["lanecast_propose_total"].GetMetric()); statuses != 3 {
		t.Errorf("proposals have %d statuses", statuses)
	}
	haltAll(t, members)
}

func TestTwoEnginesOnOneRegistryNeedALabel(t *testing.T) {
	registry := prometheus.NewRegistry()
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for i, m := range members[:2] {
		m.config.Metrics = prometheus.WrapRegistererWith(prometheus.Labels{"validator": string(rune('a' + i))}, registry)
		m.open(t, net)
	}
	members[2].config.Metrics = members[0].config.Metrics
	if _, err := engine.New(members[2].config); !errors.Is(err, engine.ErrMetrics) {
		t.Errorf("New returned %v", err)
	}
	members[2].config.Metrics = nil
	members[2].open(t, net) // the folder was given back
}

func TestValidatorSeriesAreBoundedAndOursIsAmongThem(t *testing.T) {
	net, _, members := newCluster(t, newSet(t, testkit.Ed25519, 4, 1))
	for i, bound := range []uint64{0, 2, 1, engine.ExplicitZero} {
		m, registry := members[i], prometheus.NewRegistry()
		m.config.Metrics, m.config.MaxValidatorSeries = registry, bound
		m.open(t, net)
		m.start()
		var got map[string]*dto.MetricFamily
		eventually(t, "the loop answers a scrape", func() bool {
			got = gather(t, registry)
			return got["lanecast_epoch"] != nil
		})
		series := got["lanecast_validator_acks_total"]
		want := map[uint64]int{0: 8, 2: 4, 1: 2, engine.ExplicitZero: 0}[bound]
		if n := len(series.GetMetric()); n != want {
			t.Errorf("%d series with the bound %d, want %d", n, bound, want)
		}
		ours := 0
		for _, s := range series.GetMetric() {
			for _, l := range s.GetLabel() {
				if l.GetValue() == m.id.String() {
					ours++
				}
			}
		}
		if want > 0 && ours != 2 {
			t.Errorf("%d series of our own with the bound %d", ours, bound)
		}
	}
	haltAll(t, members)
}
