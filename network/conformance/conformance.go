// Package conformance holds the tests that every [network.Transport] must pass. A transport's own
// tests call [Run].
package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// The types of messages that the tests send.
const (
	Vote     network.Type = 0x11
	Body     network.Type = 0x20
	Question network.Type = 0x26
	Reply    network.Type = 0x27
)

// Types returns the message types with which each transport under test is configured.
func Types() []network.MessageType {
	return []network.MessageType{
		{Type: Vote, Name: "vote", Class: network.Control, Limit: 1 << 10},
		{Type: Body, Name: "body", Class: network.Bulk, Limit: 64 << 10},
		{Type: Question, Name: "question", Class: network.Bulk, Kind: network.Request, Limit: 128},
		{Type: Reply, Name: "reply", Class: network.Bulk, Kind: network.Answer, Limit: 64 << 10},
	}
}

// Group is a number of processes that can reach each other.
type Group struct {
	Identities []wire.PublicKey
	// New makes a transport for process i that is not running: at the first start and after each
	// restart.
	New func(i int) network.Transport
}

// Run runs all tests. newGroup makes a group of n processes for one test. If inBubble, each test
// runs in a testing/synctest bubble, and newGroup is called in it.
func Run(t *testing.T, inBubble bool, newGroup func(t *testing.T, n int) Group) {
	for _, test := range []struct {
		name      string
		processes int
		run       func(*rig)
	}{
		{"MessagesArriveInOrderFromTheIdentityThatSentThem", 4, (*rig).messagesArrive},
		{"MessagesOverTheirLimitAreNotSent", 2, (*rig).limits},
		{"APeerThatTakesNothingDelaysNobody", 3, (*rig).isolation},
		{"RequestsAreAnsweredOrEnd", 3, (*rig).requests},
		{"NoMoreThanMaxRequestsAreOpen", 2, (*rig).manyRequests},
		{"APeerThatIsStartedAgainIsConnectedAgain", 3, (*rig).reconnection},
		{"OnlyWhoIsAdmittedIsConnected", 3, (*rig).admission},
		{"APeerThatStopsForAStaleJournalSaysSo", 3, (*rig).staleJournal},
		{"RunEndsInTimeAndNothingIsCalledAfterwards", 3, (*rig).shutdown},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := func(t *testing.T) {
				r := &rig{t: t, Group: newGroup(t, test.processes), atOnce: 10 * time.Second}
				if inBubble {
					r.atOnce, r.settle = time.Second, time.Second
				}
				defer r.stopAll()
				for i := range r.Identities {
					r.start(i)
				}
				test.run(r)
			}
			if inBubble {
				synctest.Test(t, body)
			} else {
				body(t)
			}
		})
	}
}

// rig runs the processes of one test.
type rig struct {
	Group
	t         *testing.T
	processes []*process // by their number; the latest of each
	// atOnce is the time within which Run must end and Send must return: a second in virtual time,
	// and more by a real clock, which goes on while the machine does other work.
	atOnce time.Duration
	// settle is the time for which connections may replace each other after they are made. With a
	// real clock, only one side may dial.
	settle time.Duration
}

// process is one run of a transport, and its handler.
type process struct {
	r *rig
	network.Transport
	cancel context.CancelCauseFunc
	done   chan error

	mu       sync.Mutex
	up       map[wire.PublicKey]bool
	why      map[wire.PublicKey]error // of the last Disconnected
	starts   map[wire.PublicKey]int   // calls of Connected
	got      map[wire.PublicKey]map[network.Type][][]byte
	refused  map[wire.PublicKey]bool
	blocked  chan struct{} // Messages waits for it, if not nil
	ended    bool
	problems []string
}

func (r *rig) start(i int) *process {
	p := &process{
		r: r, Transport: r.New(i), done: make(chan error, 1),
		up: make(map[wire.PublicKey]bool), why: make(map[wire.PublicKey]error), starts: make(map[wire.PublicKey]int),
		got: make(map[wire.PublicKey]map[network.Type][][]byte), refused: make(map[wire.PublicKey]bool),
	}
	for len(r.processes) <= i {
		r.processes = append(r.processes, nil)
	}
	r.processes[i] = p
	var ctx context.Context
	ctx, p.cancel = context.WithCancelCause(context.Background())
	go func() { p.done <- p.Run(ctx, p) }()
	return p
}

// stop ends a process that runs.
func (p *process) stop() { p.r.t.Helper(); p.stopFor(nil) }

// stopFor ends a process that runs for a reason.
func (p *process) stopFor(cause error) {
	p.r.t.Helper()
	if p.ended {
		return
	}
	began := time.Now()
	p.cancel(cause)
	if err := <-p.done; err != nil {
		p.r.t.Errorf("Run returned %v", err)
	}
	if took := time.Since(began); took > p.r.atOnce {
		p.r.t.Errorf("Run took %v to end", took)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for id, up := range p.up {
		if up {
			p.r.t.Errorf("%v was not reported gone", id)
		}
	}
	for _, problem := range p.problems {
		p.r.t.Error(problem)
	}
}

func (r *rig) stopAll() {
	r.t.Helper()
	for _, p := range r.processes {
		p.stop()
	}
	for _, p := range r.processes { // calls of the handler after the end
		p.mu.Lock()
		for _, problem := range p.problems {
			r.t.Error(problem)
		}
		p.mu.Unlock()
	}
}

// eventually waits until a condition holds, in the time of the bubble if there is one.
func (r *rig) eventually(what string, holds func() bool) {
	r.t.Helper()
	testkit.Eventually(r.t, what, holds)
}

// connected waits until all processes are connected to all others.
func (r *rig) connected() {
	r.t.Helper()
	for i, p := range r.processes {
		for j := range r.processes {
			if i != j {
				r.eventually(fmt.Sprintf("%d is connected to %d", i, j), func() bool { return p.isUp(j) })
			}
		}
	}
}

func (p *process) isUp(j int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up[p.r.Identities[j]]
}

func (p *process) received(j int, t network.Type) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got[p.r.Identities[j]][t])
}

// expect records a rule of Handler that was broken. mu must be held.
func (p *process) expect(holds bool, rule string) {
	if !holds {
		p.problems = append(p.problems, rule)
	}
}

func (p *process) Admit(id wire.PublicKey) network.Role {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused[id] {
		return network.Refused
	}
	return network.Member
}

func (p *process) Connected(id wire.PublicKey, role network.Role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expect(!p.ended, "Connected was called after the end")
	p.expect(role == network.Member, "Connected with another role than Admit said")
	p.expect(slices.Contains(p.r.Identities, id), "Connected with an identity that nobody has")
	p.up[id] = true
	p.starts[id]++
}

func (p *process) Disconnected(id wire.PublicKey, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expect(!p.ended, "Disconnected was called after the end")
	p.expect(p.up[id], "Disconnected without Connected")
	p.expect(why != nil, "Disconnected without a reason")
	p.up[id], p.why[id] = false, why
}

func (p *process) Messages(from wire.PublicKey, batch []network.Message) {
	p.mu.Lock()
	blocked := p.blocked
	p.mu.Unlock()
	if blocked != nil {
		<-blocked
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expect(!p.ended, "Messages was called after the end")
	p.expect(p.up[from], "Messages without Connected")
	p.expect(len(batch) > 0, "Messages with none")
	if p.got[from] == nil {
		p.got[from] = make(map[network.Type][][]byte)
	}
	for _, m := range batch {
		p.expect(m.Type == Vote || m.Type == Body, "Messages with a type that is none")
		p.got[from][m.Type] = append(p.got[from][m.Type], bytes.Clone(m.Buffer.Bytes()))
		m.Buffer.Release()
	}
}

// Serve answers a question with itself and the name of the peer that asked.
func (p *process) Serve(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply func(network.Type, []byte) error) {
	p.mu.Lock()
	p.expect(!p.ended, "Serve was called after the end")
	p.expect(p.up[from], "Serve without Connected")
	p.expect(t == Question, "Serve with a type that is no request")
	p.mu.Unlock()
	switch string(request) {
	case "no answer":
	case "wait":
		<-ctx.Done()
	default:
		_ = reply(Reply, slices.Concat(request, from[:]))
		second := reply(Reply, nil)
		p.mu.Lock()
		p.expect(second != nil, "a second reply was taken")
		p.mu.Unlock()
	}
}

func (r *rig) messagesArrive() {
	r.connected()
	time.Sleep(r.settle) // while one connection replaces another, the order is not kept
	const messages = 200
	for k := range uint32(messages) {
		for i, p := range r.processes {
			var to []wire.PublicKey
			for j, id := range r.Identities {
				if j != i {
					to = append(to, id)
				}
			}
			number := binary.BigEndian.AppendUint32(nil, k)
			p.Send(to, Vote, append(number, r.Identities[i][:]...))
			p.Send(to, Body, slices.Concat(number, r.Identities[i][:], bytes.Repeat([]byte{byte(k)}, int(k))))
		}
		if k%20 == 19 {
			time.Sleep(time.Millisecond)
		}
	}
	for i, p := range r.processes {
		for j, id := range r.Identities {
			for _, t := range []network.Type{Vote, Body} {
				if i == j {
					continue
				}
				r.eventually("all messages have come", func() bool { return len(p.received(j, t)) == messages })
				for k, m := range p.received(j, t) {
					want := append(binary.BigEndian.AppendUint32(nil, uint32(k)), id[:]...)
					if t == Body {
						want = append(want, bytes.Repeat([]byte{byte(k)}, k)...)
					}
					if !bytes.Equal(m, want) {
						r.t.Fatalf("message %d of type %#x from %d to %d is %x", k, t, j, i, m)
					}
				}
			}
		}
	}
}

// NothingIsLost runs a group of two. It checks that every message sent after the other process was
// connected arrives, whatever happens to the connections meanwhile. The order does not matter.
func NothingIsLost(t *testing.T, g Group, seed int) {
	r := &rig{t: t, Group: g, atOnce: 10 * time.Second}
	defer r.stopAll()
	r.start(0)
	r.start(1)
	var sent [2]int
	for k := range 400 {
		for i, p := range r.processes {
			if p.isUp(1 - i) {
				p.Send(r.Identities[1-i:2-i], Body, binary.BigEndian.AppendUint32(make([]byte, (k*seed)%5000), uint32(sent[i])))
				sent[i]++
			}
		}
		if k%20 == seed%20 {
			time.Sleep(time.Millisecond)
		}
	}
	r.connected()
	for i, p := range r.processes {
		r.eventually("all messages have come", func() bool { return len(p.received(1-i, Body)) >= sent[1-i] })
		seen := make(map[uint32]bool)
		for _, m := range p.received(1-i, Body) {
			seen[binary.BigEndian.Uint32(m[len(m)-4:])] = true
		}
		if len(seen) != sent[1-i] || len(p.received(1-i, Body)) != sent[1-i] {
			t.Errorf("round %d: %d messages came, %d of them different, of %d", seed, len(p.received(1-i, Body)), len(seen), sent[1-i])
		}
	}
}

func (r *rig) limits() {
	r.connected()
	a, b := r.processes[0], r.processes[1]
	to := r.Identities[1:]
	a.Send(to, Vote, make([]byte, 1<<10+1))
	a.Send(to, Vote, make([]byte, 1<<10))
	a.Send(to, Body, make([]byte, 64<<10+1))
	a.Send(to, Body, make([]byte, 64<<10))
	a.Send(to, 0x77, []byte("no such type"))
	a.Send(to, Question, []byte("no plain message"))
	a.Send(to, Vote, nil)
	r.eventually("the messages within their limits have come", func() bool {
		return len(b.received(0, Vote)) == 2 && len(b.received(0, Body)) == 1
	})
	if v, body := b.received(0, Vote), b.received(0, Body); len(v[0]) != 1<<10 || len(v[1]) != 0 || len(body[0]) != 64<<10 {
		r.t.Errorf("votes of %d and %d bytes and a body of %d came", len(v[0]), len(v[1]), len(body[0]))
	}
	for t, message := range map[network.Type][]byte{Question: make([]byte, 129), Vote: nil, 0x77: nil} {
		if _, err := a.Request(context.Background(), to[0], t, message); !errors.Is(err, network.ErrType) && !errors.Is(err, network.ErrTooLong) {
			r.t.Errorf("a request of type %#x with %d bytes: %v", t, len(message), err)
		}
	}
}

func (r *rig) isolation() {
	r.connected()
	release := make(chan struct{})
	b := r.processes[1]
	b.mu.Lock()
	b.blocked = release
	b.mu.Unlock()
	const messages = 300
	for k := range messages {
		began := time.Now()
		r.processes[0].Send(r.Identities[1:], Vote, binary.BigEndian.AppendUint32(make([]byte, 1000), uint32(k)))
		if took := time.Since(began); took > r.atOnce {
			r.t.Fatalf("Send took %v", took)
		}
		if k%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	c := r.processes[2]
	r.eventually("the other peer has all messages", func() bool { return len(c.received(0, Vote)) == messages })
	c.Send(r.Identities[:1], Vote, []byte("x"))
	r.eventually("the sender goes on receiving", func() bool { return len(r.processes[0].received(2, Vote)) == 1 })
	close(release)
}

func (r *rig) requests() {
	r.connected()
	var asking sync.WaitGroup
	for i, p := range r.processes {
		for j, id := range r.Identities {
			for k := range 40 {
				if i == j {
					continue
				}
				asking.Go(func() {
					question := fmt.Appendf(nil, "%d asks %d: %d", i, j, k)
					m, err := p.Request(context.Background(), id, Question, question)
					if err != nil {
						r.t.Errorf("%s: %v", question, err)
						return
					}
					defer m.Buffer.Release()
					if want := slices.Concat(question, r.Identities[i][:]); m.Type != Reply || !bytes.Equal(m.Buffer.Bytes(), want) {
						r.t.Errorf("%s: answered %q", question, m.Buffer.Bytes())
					}
				})
			}
		}
	}
	asking.Wait()
	a := r.processes[0]
	if _, err := a.Request(context.Background(), r.Identities[1], Question, []byte("no answer")); !errors.Is(err, network.ErrUnanswered) {
		r.t.Errorf("a request that is not answered: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Request(ctx, r.Identities[1], Question, []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
		r.t.Errorf("a request whose context ends: %v", err)
	}
	if _, err := a.Request(context.Background(), wire.PublicKey{9}, Question, nil); !errors.Is(err, network.ErrNotConnected) {
		r.t.Errorf("a request to nobody: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := a.Request(context.Background(), r.Identities[1], Question, []byte("wait"))
		waiting <- err
	}()
	time.Sleep(10 * time.Millisecond) // either outcome is right if that is too short
	r.processes[1].stop()
	if err := <-waiting; !errors.Is(err, network.ErrDisconnected) && !errors.Is(err, network.ErrNotConnected) && !errors.Is(err, network.ErrUnanswered) {
		r.t.Errorf("a request to one who stops: %v", err)
	}
}

func (r *rig) manyRequests() {
	r.connected()
	a := r.processes[0]
	ctx, cancel := context.WithCancel(context.Background())
	results := make(chan error, network.MaxRequests+10)
	for range cap(results) {
		go func() {
			_, err := a.Request(ctx, r.Identities[1], Question, []byte("wait"))
			results <- err
		}()
	}
	for range 10 {
		if err := <-results; !errors.Is(err, network.ErrTooManyRequests) {
			r.t.Errorf("a request too many: %v", err)
		}
	}
	cancel()
	for range network.MaxRequests {
		if err := <-results; !errors.Is(err, context.Canceled) && !errors.Is(err, network.ErrUnanswered) {
			r.t.Errorf("a request that was cancelled: %v", err)
		}
	}
}

func (r *rig) reconnection() {
	r.connected()
	a, c := r.processes[0], r.processes[2]
	for round := range 3 {
		r.processes[1].stop()
		for _, p := range []*process{a, c} {
			r.eventually("the others know that it is gone", func() bool { return !p.isUp(1) })
		}
		a.Send(r.Identities[1:2], Vote, []byte("to nobody"))
		b := r.start(1)
		r.connected()
		a.Send(r.Identities[1:2], Vote, []byte("again"))
		r.eventually("messages come again", func() bool { return len(b.received(0, Vote)) == 1 })
		if got := b.received(0, Vote); string(got[0]) != "again" {
			r.t.Errorf("%q came", got[0])
		}
		b.Send(r.Identities[:1], Vote, []byte("back"))
		r.eventually("and back", func() bool { return len(a.received(1, Vote)) == round+1 })
	}
}

func (r *rig) admission() {
	r.connected()
	a, b := r.processes[0], r.processes[1]
	for range 2 {
		a.set(1, true)
		r.eventually("a peer that is refused is gone on both sides", func() bool { return !a.isUp(1) && !b.isUp(0) })
		before := len(a.received(1, Vote))
		b.Send(r.Identities[:1], Vote, []byte("from one who is refused"))
		b.Recheck()
		r.processes[2].Send(r.Identities[:1], Vote, []byte("from another"))
		r.eventually("others are heard", func() bool { return len(a.received(2, Vote)) > 0 })
		if len(a.received(1, Vote)) != before || a.isUp(1) || b.isUp(0) {
			r.t.Error("a peer that is refused is heard, or connected")
		}
		a.set(1, false)
		b.Recheck()
		r.connected()
	}
}

// set refuses a peer, or admits it.
func (p *process) set(j int, refused bool) {
	p.mu.Lock()
	p.refused[p.r.Identities[j]] = refused
	p.mu.Unlock()
	p.Recheck()
}

// docs/protocol.md 8.2: «Codes of goodbye: … 7 stale journal».
func (r *rig) staleJournal() {
	r.connected()
	well := r.processes[1]
	reasonOf := func(p *process, j int) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.why[r.Identities[j]]
	}
	// A goodbye is said if that can be done at once. By a clock that goes on while the machine does
	// something else it may take more than one attempt.
	attempts := 1
	if r.settle == 0 {
		attempts = 10
	}
	for missed := error(nil); ; {
		stale := r.processes[0]
		reason := strings.Repeat("é", 300) // a goodbye holds less, and ends within one of them
		stale.stopFor(fmt.Errorf("%w: height 17: %s", network.ErrStaleJournal, reason))
		stale.mu.Lock()
		for id, why := range stale.why {
			if errors.Is(why, network.ErrStaleJournal) {
				r.t.Errorf("the process that stopped was told that %v is gone: %v", id, why)
			}
		}
		stale.mu.Unlock()
		for i, p := range r.processes[1:] {
			r.eventually(fmt.Sprintf("%d knows that 0 is gone", i+1), func() bool { return !p.isUp(0) })
			if why := reasonOf(p, 0); !errors.Is(why, network.ErrStaleJournal) || !errors.Is(why, network.ErrShutdown) || !strings.Contains(why.Error(), "height 17") {
				missed = fmt.Errorf("%d was told that 0 is gone: %w", i+1, why)
			}
		}
		if attempts--; missed == nil {
			break
		} else if attempts == 0 {
			r.t.Error(missed)
			break
		}
		missed = nil
		r.start(0)
		r.connected()
	}
	well.stop()
	r.eventually("2 knows that 1 is gone", func() bool { return !r.processes[2].isUp(1) })
	if why := reasonOf(r.processes[2], 1); why == nil || errors.Is(why, network.ErrStaleJournal) {
		r.t.Errorf("2 was told that 1 is gone: %v", why)
	}
}

func (r *rig) shutdown() {
	r.connected()
	for _, p := range r.processes {
		for range 50 {
			p.Send(r.Identities, Vote, []byte("x"))
			p.Send(r.Identities, Body, make([]byte, 10000))
		}
	}
	for _, p := range r.processes {
		p.stop()
	}
	a := r.processes[0]
	a.Send(r.Identities, Vote, []byte("late"))
	a.Recheck()
	if _, err := a.Request(context.Background(), r.Identities[1], Question, nil); err == nil {
		r.t.Error("a request after the end was answered")
	}
	if err := a.Run(context.Background(), a); err == nil {
		r.t.Error("Run may be called twice")
	}
	time.Sleep(10 * time.Millisecond) // for calls that should not be made
}
