package spawn

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
)

// network makes the files of a network with these weights, and a member that only sequences.
func network(t *testing.T, cfg *cluster.Config, weights ...uint64) *config.Network {
	t.Helper()
	cfg.Scheme, cfg.Validators, cfg.Sequencers, cfg.Voting = "ed25519", len(weights), len(weights)+1, weights
	cfg.Duration = 10 * time.Second
	plan := &config.Plan{Config: cfg.Config, Run: config.Run{Duration: config.Duration(cfg.Duration)}}
	var err error
	if plan.Addresses, err = FreeAddresses(plan.Members()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "network")
	if err := config.Init(dir, plan); err != nil {
		t.Fatal(err)
	}
	n, _, err := config.ReadNetwork(filepath.Join(dir, config.NetworkName))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOnlyMembersWithoutWhichThereIsAQuorumAreKilled(t *testing.T) {
	cfg := cluster.DefaultConfig()
	cfg.KillEvery = time.Second
	for _, c := range []struct{ weights, killable []uint64 }{
		{[]uint64{1, 1, 1, 1}, []uint64{0, 1, 2, 3, 4}},
		{[]uint64{4, 1, 1, 1}, []uint64{1, 2, 3, 4}}, // a third of 7 is less than 4
		{[]uint64{1, 1, 1}, []uint64{3}},             // only the member that only sequences
	} {
		k, err := newKilling(cfg, network(t, cfg, c.weights...))
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, i := range k.killable {
			got = append(got, uint64(i))
		}
		if !slices.Equal(got, c.killable) {
			t.Errorf("of weights %v members %v are killed, want %v", c.weights, got, c.killable)
		}
	}
}

func TestNobodyIsKilledBeforeTheRunWhileAnotherIsDownOrNearTheEnd(t *testing.T) {
	k := &killing{every: time.Second}
	if k.due() != nil {
		t.Error("before the run")
	}
	k.next, k.last = time.Now(), time.Now().Add(time.Hour)
	if k.due() == nil {
		t.Error("none is due in the run")
	}
	k.down = &child{}
	if k.due() != nil {
		t.Error("while one is down")
	}
	k.down, k.next = nil, k.last.Add(1)
	if k.due() != nil {
		t.Error("near the end")
	}
	k.next = time.Now()
	k.end()
	if k.due() != nil {
		t.Error("after the run was interrupted")
	}
}

func TestTheLightestValidatorIsAway(t *testing.T) {
	cfg := cluster.DefaultConfig()
	cfg.Bodies.Size, cfg.Bodies.Rate, cfg.Bodies.Away = 1000, 1, time.Second
	a, err := newAbsence(cfg, network(t, cfg, 5, 2, 5, 5))
	if err != nil || a.member != 1 || a.became.Member != 2 || !a.became.Killed {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := newAbsence(cfg, network(t, cfg, 1, 1, 1)); err == nil {
		t.Error("one of three is away")
	}
	cfg.Bodies.Away = 0
	if a, err := newAbsence(cfg, network(t, cfg, 1, 1, 1)); err != nil || a.member >= 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestMembersListenWhereNoOutgoingConnectionIs(t *testing.T) {
	addresses, err := FreeAddresses(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(addresses)
	if n := len(slices.Compact(addresses)); n != 20 {
		t.Errorf("%d different addresses of 20", n)
	}
	for _, a := range addresses {
		if a < "127.0.0.1:12000" || a >= "127.0.0.1:32000" {
			t.Errorf("%s", a)
		}
	}
}
