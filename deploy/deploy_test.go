package deploy

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// lastHeight is the height at which the lane ends. Engines hold only the last certificates of a
// lane, so the test waits for this one.
const lastHeight = 3

// application proposes chunks up to lastHeight, approves every chunk and spreads no payload.
type application struct{}

// Broadcast does nothing: nobody else is there.
func (application) Broadcast(context.Context, engine.Place, wire.Digest, []wire.PublicKey, bool) {}

func (application) Propose(_ context.Context, at engine.Place) (d wire.Digest, err error) {
	if at.Height > lastHeight {
		return d, engine.ErrDeclined
	}
	d[0] = byte(at.Height)
	return d, nil
}

func (application) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }

// exported runs an engine, which is the only validator and sequencer, until it has certified its
// lane. It returns the names of its series and, by label, the values.
func exported(t *testing.T) (names map[string]bool, labels map[string]map[string]bool) {
	t.Helper()
	ns := []byte("deploy-test")
	set := testkit.MustSet(t, testkit.Multisig, 1, ns, 1)
	me := set.ChunkSigners[0].PublicKey()
	sets, err := engine.NewStaticEpochs(set.Scheme, set.Signers[0], []wire.PublicKey{me})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	e, err := engine.New(engine.Config{
		Namespace: ns, Identity: me, Sequencer: set.ChunkSigners[0], Schemes: sets, Sequencers: sets, Monitor: sets,
		Automaton: application{}, Relay: application{}, Reporter: &testkit.Recorder{}, Sender: testkit.Discard{},
		Journal: engine.JournalConfig{Dir: t.TempDir(), Create: true}, Metrics: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	testkit.Eventually(t, "the last chunk is certified", func() bool {
		_, ok, err := e.Certificate(ctx, me, lastHeight)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names, labels = make(map[string]bool), make(map[string]map[string]bool)
	for _, f := range families {
		names[f.GetName()] = true
		for _, m := range f.GetMetric() {
			if m.GetHistogram() != nil {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					names[f.GetName()+suffix] = true
				}
			}
			for _, l := range m.GetLabel() {
				if labels[l.GetName()] == nil {
					labels[l.GetName()] = make(map[string]bool)
				}
				labels[l.GetName()][l.GetValue()] = true
			}
		}
	}
	return names, labels
}

var (
	metricName = regexp.MustCompile(`lanecast_[a-z0-9_]+`)
	ownLabel   = regexp.MustCompile(`(status|reason)="([^"]*)"`)
)

func TestEveryMetricOfDashboardAndAlertsIsExported(t *testing.T) {
	names, labels := exported(t)
	used := make(map[string]bool)
	for _, file := range []string{"grafana-dashboard.json", "prometheus-alerts.yml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), `\"`, `"`)
		for _, name := range metricName.FindAllString(text, -1) {
			used[name] = true
			if !names[name] {
				t.Errorf("%s: the engine exports no %s", file, name)
			}
		}
		for _, m := range ownLabel.FindAllStringSubmatch(text, -1) {
			if !labels[m[1]][m[2]] {
				t.Errorf("%s: nothing is exported with %s", file, m[0])
			}
		}
	}
	if len(used) < 20 {
		t.Errorf("only %d metrics used: were the files read?", len(used))
	}
}

func TestTheDashboardIsWhole(t *testing.T) {
	b, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Title  string
		Panels []struct {
			ID                 int
			Title, Description string
			GridPos            struct{ X, Y, W, H int }
			Targets            []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	places := make(map[[2]int]bool)
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || places[[2]int{p.GridPos.X, p.GridPos.Y}] {
			t.Errorf("panel %d %q lacks something or lies on another", p.ID, p.Title)
		}
		places[[2]int{p.GridPos.X, p.GridPos.Y}] = true
		for _, q := range p.Targets {
			if strings.Count(q.Expr, "(") != strings.Count(q.Expr, ")") || strings.Count(q.Expr, "{") != strings.Count(q.Expr, "}") {
				t.Errorf("panel %q: unbalanced: %s", p.Title, q.Expr)
			}
		}
	}
	if d.Title == "" || len(d.Panels) < 10 {
		t.Errorf("%q with %d panels", d.Title, len(d.Panels))
	}
}

func TestEveryAlertSaysWhatItIsAndHowBad(t *testing.T) {
	b, err := os.ReadFile("prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := strings.Split(string(b), "- alert: ")[1:]
	if len(alerts) < 8 {
		t.Errorf("%d alerts", len(alerts))
	}
	for _, a := range alerts {
		for _, part := range []string{"\n        expr: ", "\n        labels: {severity: ", "\n          summary: "} {
			if strings.Count(a, part) != 1 {
				t.Errorf("no %q in alert %s", strings.TrimSpace(part), a)
			}
		}
	}
}
