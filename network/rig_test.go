package network

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// testTypes are the types of the tests' messages.
var testTypes = []MessageType{
	{Type: 0x10, Name: "node", Class: Control, Limit: 64 << 10},
	{Type: 0x11, Name: "ack", Class: Control, Limit: 512, Urgent: true},
	{Type: 0x20, Name: "body", Class: Bulk, Limit: 128 << 10},
	{Type: 0x26, Name: "piece request", Class: Bulk, Kind: Request, Limit: 128},
	{Type: 0x27, Name: "piece", Class: Bulk, Kind: Answer, Limit: 68 << 10},
}

const (
	typeNode         Type = 0x10
	typeAck          Type = 0x11
	typeBody         Type = 0x20
	typePieceRequest Type = 0x26
	typePiece        Type = 0x27
)

func testKey(i int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "network test key %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

// ascendingKeys returns keys whose identities ascend.
func ascendingKeys(n int) []ed25519.PrivateKey {
	keys := make([]ed25519.PrivateKey, n)
	for i := range keys {
		keys[i] = testKey(i)
	}
	slices.SortFunc(keys, func(a, b ed25519.PrivateKey) int {
		return bytes.Compare(a.Public().(ed25519.PublicKey), b.Public().(ed25519.PublicKey))
	})
	return keys
}

// recorder is a Handler that records its calls, and answers requests.
type recorder struct {
	refuse func(id wire.PublicKey) bool // nil: nobody
	take   func(from wire.PublicKey, batch []Message)
	answer func(ctx context.Context, t Type, request []byte, reply func(Type, []byte) error)
	roleOf func(id wire.PublicKey) Role // nil: Member

	mu       sync.Mutex
	events   []string // "+id", "-id"
	why      map[wire.PublicKey]error
	messages map[wire.PublicKey][]string
	batches  int
	up       map[wire.PublicKey]bool
}

func (r *recorder) Admit(id wire.PublicKey) Role {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil && r.refuse(id) {
		return Refused
	}
	if r.roleOf != nil {
		return r.roleOf(id)
	}
	return Member
}

func (r *recorder) Connected(id wire.PublicKey, _ Role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.up == nil {
		r.up = make(map[wire.PublicKey]bool)
	}
	r.events = append(r.events, fmt.Sprintf("+%x", id[:2]))
	r.up[id] = true
}

func (r *recorder) Disconnected(id wire.PublicKey, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.up[id] {
		r.events = append(r.events, "a peer that was not connected is gone")
	}
	if r.why == nil {
		r.why = make(map[wire.PublicKey]error)
	}
	r.events = append(r.events, fmt.Sprintf("-%x", id[:2]))
	r.up[id], r.why[id] = false, why
}

func (r *recorder) Messages(from wire.PublicKey, batch []Message) {
	if r.take != nil {
		r.take(from, batch)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.up[from] {
		r.events = append(r.events, "messages of a peer that is not connected")
	}
	if r.messages == nil {
		r.messages = make(map[wire.PublicKey][]string)
	}
	r.batches++
	for _, m := range batch {
		r.messages[from] = append(r.messages[from], string(m.Buffer.Bytes()))
		m.Buffer.Release()
	}
}

func (r *recorder) Serve(ctx context.Context, _ wire.PublicKey, t Type, request []byte, reply func(Type, []byte) error) {
	if r.answer != nil {
		r.answer(ctx, t, request, reply)
		return
	}
	_ = reply(typePiece, append([]byte("answer to "), request...))
}

func (r *recorder) connected() (ids []wire.PublicKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, up := range r.up {
		if up {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *recorder) from(id wire.PublicKey) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages[id])
}

// reason returns why a peer was reported gone last, nil if it never was.
func (r *recorder) reason(id wire.PublicKey) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why[id]
}

func (r *recorder) history() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// process is a network that runs in a bubble.
type process struct {
	*recorder
	n      *Network
	id     wire.PublicKey
	cancel context.CancelFunc
	done   chan error
}

// world is a group of processes over a MemoryNet.
type world struct {
	t         testing.TB
	net       *MemoryNet
	keys      []ed25519.PrivateKey
	addresses map[wire.PublicKey]string
	config    func(i int, c *Config) // nil: unchanged
}

func newWorld(t testing.TB, n int) *world {
	w := &world{t: t, net: new(MemoryNet), keys: ascendingKeys(n), addresses: make(map[wire.PublicKey]string)}
	for i := range n {
		w.addresses[w.id(i)] = w.address(i)
	}
	return w
}

func (w *world) id(i int) wire.PublicKey { return publicKey(w.keys[i]) }
func (w *world) address(i int) string    { return fmt.Sprintf("host%d:1", i) }

// start starts process i, with a new recorder if r is nil.
func (w *world) start(i int, r *recorder) *process {
	w.t.Helper()
	p := w.build(i)
	if p.recorder = r; r == nil {
		p.recorder = new(recorder)
	}
	p.run(p.recorder)
	return p
}

// build makes process i, without a recorder.
func (w *world) build(i int) *process {
	w.t.Helper()
	c := Config{
		Key: w.keys[i], Types: testTypes, Settings: Settings{Namespace: []byte("test")},
		Listener: w.net.Listen(w.address(i)), Dial: w.net.DialFrom(w.address(i)),
		Addresses: func() map[wire.PublicKey]string { return maps.Clone(w.addresses) },
	}
	if w.config != nil {
		w.config(i, &c)
	}
	n, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return &process{n: n, id: n.Identity(), done: make(chan error, 1)}
}

func (p *process) run(h Handler) {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	go func() { p.done <- p.n.Run(ctx, h) }()
}

// stop ends the process, which must take at most a second.
func (p *process) stop(t testing.TB) {
	t.Helper()
	began := time.Now()
	p.cancel()
	if err := <-p.done; err != nil {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("Run took %v to end", took)
	}
	if left := p.connected(); len(left) > 0 {
		t.Errorf("%d peers were not reported gone", len(left))
	}
}

func stopAll(t testing.TB, all ...*process) {
	t.Helper()
	for _, p := range all {
		p.stop(t)
	}
}

// liveConns returns the number of live connections of a process to a peer, and whether none is
// being made or closed.
func (p *process) liveConns(to wire.PublicKey) (live int, settled bool) {
	settled = true
	p.peer(to, func(p *peer) {
		if p == nil {
			return
		}
		for i := range p.links {
			if p.links[i].live != nil {
				live++
			}
		}
		settled = len(p.conns) == live
	})
	return live, settled
}

// peer calls look with a process's state of a peer, nil if the peer is not connected.
func (p *process) peer(id wire.PublicKey, look func(*peer)) {
	p.n.mu.RLock()
	defer p.n.mu.RUnlock()
	look(p.n.peers[id])
}

// conns returns the number of connections of a peer, in any state.
func (p *process) conns(id wire.PublicKey) (n int) {
	p.peer(id, func(p *peer) {
		if p != nil {
			n = len(p.conns)
		}
	})
	return n
}

// after lets virtual time pass, and waits until no goroutine runs.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
