package deploy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lanecast/lanecast/internal/testkit"
)

// prometheusVariable names the program of a Prometheus server, for a test that runs one.
const prometheusVariable = "LANECAST_PROMETHEUS"

// server is a Prometheus that scrapes a cluster twice a second and has loaded the alerts.
type server struct{ url string }

var listening = regexp.MustCompile(`address="?(127\.0\.0\.1:[1-9][0-9]*)`)

func startPrometheus(t *testing.T, program string) *server {
	t.Helper()
	cluster := httptest.NewServer(promhttp.HandlerFor(startCluster(t, 20*time.Millisecond), promhttp.HandlerOpts{}))
	t.Cleanup(cluster.Close)
	rules, err := filepath.Abs("prometheus-alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 500ms, evaluation_interval: 500ms}
rule_files: [%q]
scrape_configs: [{job_name: lanecast, static_configs: [{targets: [%q]}]}]
`, rules, strings.TrimPrefix(cluster.URL, "http://"))
	name := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--config.file", name, "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", "127.0.0.1:0")
	var log syncBuffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.String())
		}
	})
	s := new(server)
	testkit.Eventually(t, "Prometheus listens", func() bool {
		m := listening.FindStringSubmatch(log.String())
		if m == nil {
			return false
		}
		s.url = "http://" + m[1]
		return true
	})
	return s
}

// syncBuffer holds the output of a process. Any goroutine may use it.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// get decodes the data of an answer of the API into data. The error is Prometheus's.
func (s *server) get(path string, query url.Values, data any) error {
	answer, err := http.Get(s.url + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	whole := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(answer.Body).Decode(&whole); err != nil {
		return err
	}
	if whole.Status != "success" {
		return errors.New(whole.Error)
	}
	return nil
}

// query returns how many series an expression has now.
func (s *server) query(expr string) (int, error) {
	var data struct{ Result []any }
	err := s.get("/api/v1/query", url.Values{"query": {expr}}, &data)
	return len(data.Result), err
}

func TestPrometheusEvaluatesEveryPanelAndEveryAlert(t *testing.T) {
	program := os.Getenv(prometheusVariable)
	if program == "" {
		t.Skip("no Prometheus: " + prometheusVariable + " is not set")
	}
	s := startPrometheus(t, program)
	testkit.Eventually(t, "there are rates of a few seconds", func() bool {
		n, err := s.query("count_over_time(lanecast_epoch[5s]) >= 8")
		return err == nil && n == members
	})
	variables := strings.NewReplacer("$instance", ".*", "$__rate_interval", "5s")
	panels := readDashboard(t).Panels
	for _, p := range panels {
		for _, q := range p.Targets {
			n, err := s.query(variables.Replace(q.Expr))
			if err != nil || n == 0 {
				t.Errorf("panel %q: %s: %d series, %v", p.Title, q.Expr, n, err)
			}
		}
	}

	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError, State string }
		}
	}
	evaluated := 0
	testkit.Eventually(t, "all alerts have been evaluated", func() bool {
		if err := s.get("/api/v1/rules", nil, &rules); err != nil {
			return false
		}
		evaluated = 0
		for _, g := range rules.Groups {
			for _, r := range g.Rules {
				if r.Health == "unknown" {
					return false
				}
				evaluated++
			}
		}
		return evaluated > 0
	})
	if want := len(alerts(t)); evaluated != want {
		t.Errorf("%d alerts were evaluated, want %d", evaluated, want)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" || r.State == "firing" {
				t.Errorf("%s: health %s, %s; on a healthy cluster it is %s", r.Name, r.Health, r.LastError, r.State)
			}
		}
	}
}
