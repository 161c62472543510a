package bodies

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// Package ants starts a pool when it is loaded.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

// rig is a network of members. Each is made as in a process that knows only the addresses of the
// others.
type rig struct {
	t         *testing.T
	dir       string
	set       *testkit.Set
	lanes     []wire.PublicKey
	problems  audit.Problems
	mu        sync.Mutex
	addresses map[wire.PublicKey]string
	members   []*Member
	seen      []*seen
}

// seen holds the calls of a member's recorder.
type seen struct {
	mu        sync.Mutex
	delivered []wire.Chunk
	timed     int
	certified atomic.Int64 // number of own bodies
}

func (s *seen) Certified(c Certification) {
	if c.Own && c.Took >= 0 {
		s.certified.Add(1)
	}
}

func (s *seen) Delivered(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered = append(s.delivered, d.Chunk)
	if d.Timed {
		s.timed++
	}
}

var testNamespace = []byte("bodies test")

// newRig makes members, without starting them. change may change the configuration of each.
func newRig(t *testing.T, members int, change func(i int, c *Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), set: testkit.MustSet(t, testkit.Ed25519, members, testNamespace, 1), addresses: make(map[wire.PublicKey]string)}
	for _, k := range r.set.Identities {
		r.lanes = append(r.lanes, testkit.Identity(k))
	}
	for i := range members {
		r.members = append(r.members, r.member(i, change))
	}
	t.Cleanup(func() {
		var group sync.WaitGroup
		for _, m := range r.members {
			group.Go(func() {
				if err := m.Stop(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if conflicts, faults, texts := r.problems.All(); conflicts+uint64(faults) > 0 {
			t.Errorf("%d conflicts, %d faults: %q", conflicts, faults, texts)
		}
	})
	return r
}

// member makes a member in the folder of the earlier member with the same index, if there was one.
func (r *rig) member(i int, change func(i int, c *Config)) *Member {
	r.t.Helper()
	sets, err := engine.NewStaticEpochs(r.set.Scheme, r.set.Signers[i], r.lanes)
	if err != nil {
		r.t.Fatal(err)
	}
	s := new(seen)
	r.seen = append(r.seen, s)
	c := Config{
		Name: fmt.Sprint("member ", i), Namespace: testNamespace, Key: r.set.Identities[i], Sets: sets, Lanes: r.lanes,
		Dir: filepath.Join(r.dir, fmt.Sprint(i)), Create: true, Size: 3000, Seed: 7, Run: uint64(time.Now().UnixNano()),
		Listen: func() (net.Listener, error) { return r.listen(r.lanes[i]) }, Addresses: r.known,
		Network: network.Config{MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, MaxHandshakes: 64, MaxHandshakesPerAddress: 64},
		Archive: archive.Config{SegmentSize: 8 << 20, MinFree: -1, Retain: -1}, Keep: time.Millisecond,
		Recorder: s, Problems: &r.problems,
	}
	if change != nil {
		change(i, &c)
	}
	m, err := New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (r *rig) listen(id wire.PublicKey) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		r.mu.Lock()
		r.addresses[id] = l.Addr().String()
		r.mu.Unlock()
		for _, m := range r.members {
			m.Recheck()
		}
	}
	return l, err
}

func (r *rig) known() map[wire.PublicKey]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[wire.PublicKey]string)
	for id, address := range r.addresses {
		all[id] = address
	}
	return all
}

// begin starts all members and lets them make bodies.
func (r *rig) begin() {
	r.t.Helper()
	for _, m := range r.members {
		if err := m.Start(); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, m := range r.members {
		testkit.Eventually(r.t, "all are connected", func() bool { return m.Peers() == len(r.members)-1 })
	}
	now := time.Now()
	for _, m := range r.members {
		m.Open(now)
	}
}

// settle stops the making of bodies, and waits until all members have everything.
func (r *rig) settle() []measure.Bodies {
	r.t.Helper()
	for _, m := range r.members {
		m.End()
	}
	var all []measure.Bodies
	testkit.Eventually(r.t, "all members are delivered everything", func() bool {
		all = nil
		for _, m := range r.members {
			all = append(all, m.Counters())
		}
		return measure.Settled(all)
	})
	return all
}
