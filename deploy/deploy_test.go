package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/lanecast/lanecast/internal/testkit"
)

// exported runs a cluster until each member has seen certificates of all lanes. It returns the
// names of the series and, by label, the values.
func exported(t *testing.T) (names map[string]bool, labels map[string]map[string]bool) {
	t.Helper()
	registry := startCluster(t, 5*time.Millisecond)
	var families []*dto.MetricFamily
	testkit.Eventually(t, "chunks are certified", func() bool {
		var err error
		if families, err = registry.Gather(); err != nil {
			t.Fatal(err)
		}
		return certifying(families) == members
	})
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
	ownLabel   = regexp.MustCompile(`(status|reason|setting|timing|own_ack|role|use)!?="([^"]*)"`)
)

func TestEveryMetricOfDashboardAndAlertsIsExported(t *testing.T) {
	names, labels := exported(t)
	used := make(map[string]bool)
	for _, file := range []string{"grafana-dashboard.json", "prometheus-alerts.yml", "prometheus-alerts-test.yml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), `\"`, `"`)
		for _, name := range metricName.FindAllString(text, -1) {
			used[name] = true
			if !names[name] {
				t.Errorf("%s: nothing exports %s", file, name)
			}
		}
		for _, m := range ownLabel.FindAllStringSubmatch(text, -1) {
			if !labels[m[1]][m[2]] {
				t.Errorf("%s: nothing is exported with %s", file, m[0])
			}
		}
	}
	if len(used) < 60 {
		t.Errorf("only %d metrics used: were the files read?", len(used))
	}
}

type dashboard struct {
	Title  string
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ Expr, RefID string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile("grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	places := make(map[[2]int]bool)
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
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
	if d.Title == "" || len(d.Panels) < 30 {
		t.Errorf("%q with %d panels", d.Title, len(d.Panels))
	}
}

// alerts returns the text of each alert by its name.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, a := range strings.Split(string(b), "- alert: ")[1:] {
		name, text, _ := strings.Cut(a, "\n")
		if _, twice := all[name]; twice {
			t.Errorf("there are two alerts %s", name)
		}
		all[name] = "\n" + text
	}
	if len(all) < 30 {
		t.Errorf("%d alerts: was the file read?", len(all))
	}
	return all
}

func TestEveryAlertHasASummaryASeverityAndARunbook(t *testing.T) {
	runbook, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range alerts(t) {
		for _, part := range []string{
			"\n        expr: ", "\n        labels: {severity: ", "\n          summary: ", "\n          description: ",
			"\n          runbook_url: https://github.com/lanecast/lanecast/blob/main/docs/operations.md#" + strings.ToLower(name) + "\n",
		} {
			if strings.Count(text, part) != 1 {
				t.Errorf("no %q in alert %s", strings.TrimSpace(part), name)
			}
		}
		if !strings.Contains(string(runbook), "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section %s", name)
		}
	}
}

// The cases themselves are run by promtool: see .ci/run.
func TestEveryAlertHasACaseInWhichItFiresAndOneInWhichItDoesNot(t *testing.T) {
	b, err := os.ReadFile("prometheus-alerts-test.yml")
	if err != nil {
		t.Fatal(err)
	}
	cases := strings.Split(string(b), "  - name: ")[1:]
	healthy := cases[0]
	if strings.Contains(healthy, "alertname=") {
		t.Error("an alert fires in the first case, which is that of a healthy cluster")
	}
	for name, text := range alerts(t) {
		if !slices.ContainsFunc(cases, func(c string) bool { return strings.Contains(c, `{alertname="`+name+`"}`) }) {
			t.Errorf("there is no case in which %s fires", name)
		}
		expr, _, _ := strings.Cut(text, "\n        labels: ")
		for _, metric := range metricName.FindAllString(expr, -1) {
			if !strings.Contains(healthy, "'"+metric+"{") {
				t.Errorf("the healthy cluster of the first case has no %s, of %s", metric, name)
			}
		}
	}
}
