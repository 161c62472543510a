package config

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// plan returns a plan for four members, as changed by the test.
func plan(t *testing.T, change func(*Plan)) *Plan {
	t.Helper()
	p := &Plan{Config: *setup.Default(), Run: Run{Duration: Duration(time.Second), Wait: Duration(DefaultWait)}}
	if change != nil {
		change(p)
	}
	for i := range p.Members() {
		p.Addresses = append(p.Addresses, fmt.Sprintf("10.0.0.%d:7600", i+1))
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// network makes the folders of a network and returns the folder that holds them.
func network(t *testing.T, change func(*Plan)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "network")
	if err := Init(dir, plan(t, change)); err != nil {
		t.Fatal(err)
	}
	return dir
}
