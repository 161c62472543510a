package archive

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/lanecast/lanecast/wire"
)

// exported returns the values of all series, by name and label value.
func exported(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestMetricsEqualUsage(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	config := small(t.TempDir())
	config.Metrics = registry
	a := open(t, config)
	b := at(sequencer(0), 0, wire.Digest{}, make([]byte, 9000))
	put(t, a, ForVote, b)
	put(t, a, Pushed, at(sequencer(1), 0, wire.Digest{}, make([]byte, 2000)))
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, got := a.Usage(), exported(t, registry)
	_, index := a.index.Size()
	for name, want := range map[string]int64{
		"lanecast_archive_body_bytes quota": u.Used, "lanecast_archive_body_bytes room": 0, "lanecast_archive_body_bytes pushed": u.Pushed,
		"lanecast_archive_retained_bytes": 0, "lanecast_archive_pending_bytes": 0, "lanecast_archive_quota_bytes": 1 << 20,
		"lanecast_archive_headers": 2, "lanecast_archive_disk_bytes data": u.Disk, "lanecast_archive_disk_bytes index": index,
		"lanecast_archive_segments": 1, "lanecast_archive_damaged_bodies_total": 0, "lanecast_archive_failed": 0,
	} {
		if value, there := got[name]; !there || value != float64(want) {
			t.Errorf("%s is %v (there: %v), want %d", name, value, there, want)
		}
	}
	if len(got) != 12 || u.Used < 9000 || u.Pushed < 2000 || index == 0 {
		t.Errorf("%d series, %+v, %d bytes of index", len(got), u, index)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}

	a.fail(errors.New("the disk is gone"))
	if got := exported(t, registry)["lanecast_archive_failed"]; got != 1 {
		t.Errorf("after a failure failed is %v", got)
	}
	_ = a.Close()
	if left := exported(t, registry); len(left) != 0 {
		t.Errorf("%d series are left after Close", len(left))
	}
}

func TestTwoArchivesOnOneRegistryNeedALabel(t *testing.T) {
	registry := prometheus.NewRegistry()
	label := func(member string) prometheus.Registerer {
		return prometheus.WrapRegistererWith(prometheus.Labels{"member": member}, registry)
	}
	first, second := small(t.TempDir()), small(t.TempDir())
	first.Metrics, second.Metrics = label("1"), label("1")
	open(t, first)
	if a, err := Open(second); err == nil {
		_ = a.Close()
		t.Fatal("the second was registered beside the first")
	}
	second.Metrics = label("2")
	open(t, second) // the folder was given back
}
