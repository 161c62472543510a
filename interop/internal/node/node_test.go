package node

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/interop/internal/keys"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }

const patience = 60 * time.Second

func newSet(t *testing.T) *keys.Set {
	t.Helper()
	s, err := testkit.New(testkit.Ed25519, 0, 0, 4, []byte("interop"), 1)
	if err != nil {
		t.Fatal(err)
	}
	return &keys.Set{
		Namespace: []byte("interop"), Identities: s.Scheme.Participants(), Scheme: s.Scheme,
		AckSigners: s.Signers, ChunkSigners: s.ChunkSigners,
	}
}

// network is four engines in this process.
type network struct {
	*testing.T
	set       *keys.Set
	dir       string
	addresses []string
	listeners []net.Listener
}

func newNetwork(t *testing.T) *network {
	n := &network{T: t, set: newSet(t), dir: t.TempDir()}
	for range n.set.Identities {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n.listeners, n.addresses = append(n.listeners, l), append(n.addresses, l.Addr().String())
	}
	return n
}

func (n *network) locks(i int) string { return filepath.Join(n.dir, "locks"+string(rune('0'+i))) }

func (n *network) config(i int) Config {
	return Config{
		Set: n.set, Index: i, Addresses: n.addresses, Listener: n.listeners[i], Locks: n.locks(i),
		Dir: filepath.Join(n.dir, "journal"+string(rune('0'+i))), Pace: 5 * time.Millisecond, Log: io.Discard,
	}
}

// reports takes the reports of a process, and signals when enough returns true for one.
type reports struct {
	enough func(r *record.Report) bool
	done   chan struct{}
	once   sync.Once
	last   record.Report // read only after the process has ended
}

func (w *reports) Write(line []byte) (int, error) {
	w.last = record.Report{}
	if err := json.Unmarshal(line, &w.last); err != nil {
		return 0, err
	}
	if w.enough(&w.last) {
		w.once.Do(func() { close(w.done) })
	}
	return len(line), nil
}

// process is a process that runs until stop is called.
type process struct {
	*reports
	stop func() error
}

func (n *network) start(c Config, enough func(r *record.Report) bool) process {
	ctx, cancel := context.WithCancel(context.Background())
	w, ended := &reports{enough: enough, done: make(chan struct{})}, make(chan error, 1)
	go func() { ended <- Run(ctx, c, w) }()
	return process{w, sync.OnceValue(func() error {
		cancel()
		return <-ended
	})}
}

func (p process) await(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Error("the expected state was not reached")
	}
}

// reached reports whether the given lanes are certified up to a height.
func reached(height int64, lanes ...int) func(r *record.Report) bool {
	return func(r *record.Report) bool {
		for _, l := range lanes {
			if r.Locks[l] < height {
				return false
			}
		}
		return true
	}
}

// Four processes certify each other's chunks; one without its journal, like a validator that ran
// another engine, adopts the locks that the others know, and acks on their lanes again. Its own
// lane has ended.
func TestProcessesCertifyAndOneWithoutItsJournalComesBack(t *testing.T) {
	n := newNetwork(t)
	var all []process
	for i := range n.set.Identities {
		p := n.start(n.config(i), reached(3, 0, 1, 2, 3))
		defer func() { _ = p.stop() }()
		all = append(all, p)
	}
	for _, p := range all {
		p.await(t)
	}
	if err := all[0].stop(); err != nil {
		t.Fatal(err)
	}
	before := all[0].last
	if len(before.Refused) > 0 || before.Conflicts > 0 || !before.Last || before.Latency.Count == 0 || before.AcksIn == 0 || before.NodesIn == 0 {
		t.Errorf("%+v", before)
	}
	known := n.read(1)
	c := n.config(0)
	listener, err := net.Listen("tcp", n.addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	c.Listener, c.Dir, c.Recover = listener, filepath.Join(n.dir, "fresh"), true
	for _, l := range known {
		c.Adopt = append(c.Adopt, l)
	}
	back := n.start(c, func(r *record.Report) bool { return reached(before.Locks[1]+5, 1, 2, 3)(r) })
	defer func() { _ = back.stop() }()
	back.await(t)
	for _, p := range append(all[1:], back) {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
		if len(p.last.Refused) > 0 || p.last.Conflicts > 0 {
			t.Errorf("%+v", p.last)
		}
	}
}

// read returns the highest lock of each lane in validator i's file, after verifying all.
func (n *network) read(i int) map[wire.PublicKey]wire.Lock {
	n.Helper()
	text, err := os.ReadFile(n.locks(i))
	if err != nil {
		n.Fatal(err)
	}
	top := map[wire.PublicKey]wire.Lock{}
	err = record.ReadLocks(bytes.NewReader(text), func(l record.Lock) {
		if err := verify.VerifyCertificate(n.set.Scheme, l.Subject(), l.Certificate); err != nil {
			n.Error(err)
		}
		if known, there := top[l.Chunk.Sequencer]; !there || l.Chunk.Height > known.Chunk.Height {
			top[l.Chunk.Sequencer] = l.Lock
		}
	})
	if err != nil || len(top) != len(n.set.Identities) {
		n.Fatalf("%d lanes, %v", len(top), err)
	}
	return top
}

func TestAProcessThatCannotRunReportsTheReason(t *testing.T) {
	n := newNetwork(t)
	for _, l := range n.listeners[1:] {
		defer l.Close()
	}
	c := n.config(0)
	c.Index = 9
	if err := Run(context.Background(), c, io.Discard); err == nil || !strings.Contains(err.Error(), "index 9") {
		t.Errorf("%v", err)
	}
	c = n.config(1)
	c.Locks = filepath.Join(n.dir, "nowhere", "locks")
	if err := Run(context.Background(), c, io.Discard); err == nil {
		t.Error("locks go nowhere")
	}
	c = n.config(2)
	if err := os.Mkdir(c.Dir, 0o755); err != nil { // a journal existed
		t.Fatal(err)
	}
	if err := Run(context.Background(), c, io.Discard); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("%v", err)
	}
}
