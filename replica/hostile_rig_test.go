package replica_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// tampered is the transport of a faulty replica. Its hooks change what the replica sends and
// answers. They are set before the replica runs; nil changes nothing.
type tampered struct {
	network.Transport
	// send returns the bytes that a peer gets in place of a message, nil for none.
	send func(to wire.PublicKey, t network.Type, m []byte) []byte
	// serve is called in place of the replica's Serve, which it may call.
	serve func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply, honest func(reply))
	// received gets every message that is no request.
	received func(from wire.PublicKey, m network.Message)
}

type reply = func(t network.Type, answer []byte) error

func (f *tampered) Send(to []wire.PublicKey, t network.Type, m []byte) {
	if f.send == nil {
		f.Transport.Send(to, t, m)
		return
	}
	for _, id := range to {
		if m := f.send(id, t, m); m != nil {
			f.Transport.Send([]wire.PublicKey{id}, t, m)
		}
	}
}

func (f *tampered) Run(ctx context.Context, h network.Handler) error {
	return f.Transport.Run(ctx, tamperedHandler{h, f})
}

type tamperedHandler struct {
	network.Handler
	of *tampered
}

func (h tamperedHandler) Messages(from wire.PublicKey, batch []network.Message) {
	if h.of.received != nil {
		for _, m := range batch {
			h.of.received(from, m)
		}
	}
	h.Handler.Messages(from, batch)
}

func (h tamperedHandler) Serve(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply) {
	if h.of.serve == nil {
		h.Handler.Serve(ctx, from, t, request, reply)
		return
	}
	h.of.serve(ctx, from, t, request, reply, func(r func(network.Type, []byte) error) { h.Handler.Serve(ctx, from, t, request, r) })
}

// tamper makes replicas run over faulty transports.
func (c *cluster) tamper(f func(i int) *tampered) {
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		if t := f(i); t != nil {
			t.Transport = config.Transport
			config.Transport = t
		}
	}
}

// withholds drops bodies that are pushed to the peers for which from returns true.
func withholds(from func(to wire.PublicKey) bool) func(wire.PublicKey, network.Type, []byte) []byte {
	return func(to wire.PublicKey, t network.Type, m []byte) []byte {
		if (t == message.PushType || t == message.PushedPieceType) && from(to) {
			return nil
		}
		return m
	}
}

func fromAll(wire.PublicKey) bool { return true }

// count sets a registry for each replica, and returns a function that reads a counter or gauge of
// one.
func (c *cluster) count() (read func(i int, name, label string) float64) {
	registries := make([]*prometheus.Registry, len(c.ids))
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		registries[i] = prometheus.NewRegistry()
		config.Metrics = registries[i]
	}
	return func(i int, name, label string) float64 {
		c.t.Helper()
		families, err := registries[i].Gather()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() != "lanecast_replica_"+name && f.GetName() != "lanecast_"+name {
				continue
			}
			for _, m := range f.GetMetric() {
				if label == "" || m.GetLabel()[0].GetValue() == label {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
		c.t.Fatalf("no metric %s{%s}", name, label)
		return 0
	}
}

// stranger is a transport without a replica, with an identity of the set or another one. It answers
// with serve, and keeps the acks that it gets.
type stranger struct {
	*testing.T
	network.Transport
	id     wire.PublicKey
	ctx    context.Context // ends with stop
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu        sync.Mutex
	serve     func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply)
	connected map[wire.PublicKey]bool
	why       map[wire.PublicKey]error         // of the last Disconnected
	acks      map[wire.Digest][]wire.PublicKey // by payload: the validators that have acked it
}

// stranger starts a stranger. With serve nil, no request is answered until its context ends.
func (c *cluster) stranger(id wire.PublicKey, serve func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply)) *stranger {
	s := &stranger{
		T: c.t, Transport: c.net.NewTransport(id, replica.Types(0)), id: id, serve: serve,
		connected: make(map[wire.PublicKey]bool), why: make(map[wire.PublicKey]error), acks: make(map[wire.Digest][]wire.PublicKey),
	}
	s.ctx, s.cancel = context.WithCancel(c.t.Context())
	s.busy.Go(func() {
		if err := s.Transport.Run(s.ctx, s); err != nil {
			c.t.Error(err)
		}
	})
	return s
}

func (s *stranger) stop() {
	s.cancel()
	s.busy.Wait()
}

// again calls do repeatedly until the stranger stops.
func (s *stranger) again(pause time.Duration, do func(i int)) {
	s.busy.Go(func() {
		for i := 0; s.ctx.Err() == nil; i++ {
			do(i)
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
			}
		}
	})
}

// awaits waits until peers are connected, and loses until they are disconnected.
func (s *stranger) awaits(peers ...wire.PublicKey) { s.Helper(); s.waits(true, peers) }
func (s *stranger) loses(peers ...wire.PublicKey)  { s.Helper(); s.waits(false, peers) }

func (s *stranger) waits(connected bool, peers []wire.PublicKey) {
	s.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		all := !slices.ContainsFunc(peers, func(id wire.PublicKey) bool { return s.connected[id] != connected })
		s.mu.Unlock()
		if all {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("waited in vain until connected is %v", connected)
		}
	}
}

func (s *stranger) Admit(wire.PublicKey) network.Role { return network.Member }

func (s *stranger) Connected(id wire.PublicKey, _ network.Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected[id] = true
}

func (s *stranger) Disconnected(id wire.PublicKey, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected[id], s.why[id] = false, why
}

func (s *stranger) Messages(from wire.PublicKey, batch []network.Message) {
	for _, m := range batch {
		var ack wire.Ack
		if m.Type == bridge.Ack && ack.Decode(m.Buffer.Bytes()) == nil {
			s.mu.Lock()
			if digest := ack.Chunk.Payload; !slices.Contains(s.acks[digest], from) {
				s.acks[digest] = append(s.acks[digest], from)
			}
			s.mu.Unlock()
		}
		m.Buffer.Release()
	}
}

func (s *stranger) Serve(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply func(network.Type, []byte) error) {
	s.mu.Lock()
	serve := s.serve
	s.mu.Unlock()
	if serve == nil {
		<-ctx.Done()
		return
	}
	serve(ctx, from, t, request, reply)
}

// serves replaces the function that answers.
func (s *stranger) serves(serve func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

// acked returns the number of validators that have acked a payload.
func (s *stranger) acked(digest wire.Digest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acks[digest])
}

// made is a body with its header and its tree, as any sequencer can make them.
type made struct {
	header payload.Header
	digest wire.Digest
	tree   *payload.Tree
	body   []byte
}

// makeBody makes a body; change, which may be nil, changes its header.
func makeBody(id wire.PublicKey, height uint64, parent wire.Digest, body []byte, change func(*payload.Header)) *made {
	tree := payload.Build(body)
	m := &made{
		header: payload.Header{Sequencer: id, Height: height, Parent: parent, BodySize: uint64(len(body)), Root: tree.Root()},
		tree:   tree, body: body,
	}
	if change != nil {
		change(&m.header)
	}
	m.digest = payload.Digest(namespace, &m.header)
	return m
}

func (m *made) place() message.Place {
	return message.Place{Sequencer: m.header.Sequencer, Height: m.header.Height}
}

// piece returns a piece of the body with its proof.
func (m *made) piece(index uint32) *message.Piece {
	begin := int(index) * payload.PieceSize
	return &message.Piece{
		Digest: m.digest, Index: index, Path: m.tree.AppendPath(nil, uint64(index)),
		Bytes: m.body[begin : begin+payload.PieceLength(m.header.BodySize, uint64(index))],
	}
}

// begin sends the header of a push.
func (s *stranger) begin(m *made, to ...wire.PublicKey) {
	s.Send(to, message.PushType, m.header.AppendTo(nil))
}

// push sends a body, except for the last pieces.
func (s *stranger) push(m *made, without int, to ...wire.PublicKey) {
	s.begin(m, to...)
	for index := range int(payload.Pieces(m.header.BodySize)) - without {
		p := m.piece(uint32(index))
		s.Send(to, message.PushedPieceType, (&message.PushedPiece{Digest: m.digest, Index: uint32(index), Bytes: p.Bytes}).AppendTo(nil))
	}
}

// propose sends the node of a chunk, which stands on the certificate of parent above height 0.
func (c *cluster) propose(s *stranger, height uint64, digest wire.Digest, parent *wire.Parent, to ...wire.PublicKey) {
	c.t.Helper()
	signer := c.set.ChunkSigners[slices.Index(c.ids, s.id)]
	n := wire.Node{Chunk: wire.Chunk{Sequencer: s.id, Height: height, Payload: digest}}
	if parent != nil {
		n.Parent = *parent
	}
	var err error
	if n.Signature, err = signer.SignChunk(c.t.Context(), n.Chunk); err != nil {
		c.t.Fatal(err)
	}
	s.Send(to, bridge.Node, n.AppendTo(nil))
}

// has answers like an honest peer that holds bodies.
func has(bodies ...*made) func(context.Context, wire.PublicKey, network.Type, []byte, reply) {
	return func(_ context.Context, _ wire.PublicKey, t network.Type, request []byte, reply reply) {
		for _, m := range bodies {
			var h message.HeadersRequest
			var p message.PieceRequest
			switch {
			case t == message.HeadersRequestType && h.Decode(request) == nil && h.Digest == m.digest:
				_ = reply(message.HeadersType, (&message.Headers{Headers: []payload.Header{m.header}}).AppendTo(nil))
				return
			case t == message.PieceRequestType && p.Decode(request) == nil && p.Digest == m.digest:
				_ = reply(message.PieceType, m.piece(p.Index).AppendTo(nil))
				return
			}
		}
		_ = reply(message.AbsentType, (&message.Absent{Reason: message.Never}).AppendTo(nil))
	}
}

// lock makes a certificate for a chunk in epoch 0 by the last validators that are a quorum. To a
// replica that has not acked the chunk, its own name in it proves that its journal is old.
func (c *cluster) lock(chunk wire.Chunk) wire.Lock { c.t.Helper(); return c.lockIn(0, chunk) }

// lockIn is like lock, in another epoch.
func (c *cluster) lockIn(epoch uint64, chunk wire.Chunk) wire.Lock {
	c.t.Helper()
	return c.certify(len(c.ids)-verify.Quorum(len(c.ids)), epoch, chunk)
}

// lockBy is like lock, by a quorum that begins with another validator.
func (c *cluster) lockBy(first int, chunk wire.Chunk) wire.Lock {
	c.t.Helper()
	return c.certify(first, 0, chunk)
}

// certify makes a certificate for a chunk in an epoch by a quorum that begins with a validator.
func (c *cluster) certify(first int, epoch uint64, chunk wire.Chunk) wire.Lock {
	c.t.Helper()
	scheme := c.set.Scheme
	n := len(c.ids)
	s := verify.Statement{Scheme: scheme, Subject: wire.Subject{Chunk: chunk, Epoch: epoch}, Signers: wire.NewSigners(n)}
	s.Slab = make([]byte, n*scheme.Format().AckSignature)
	for k := range verify.Quorum(n) {
		i := (first + k) % n
		signature, err := c.set.Signers[i].SignAck(c.t.Context(), s.Subject)
		if err != nil {
			c.t.Fatal(err)
		}
		copy(s.Vote(wire.Participant(i)), signature)
		s.Signers.Add(wire.Participant(i))
	}
	combination, unreadable := scheme.Combine(&s, s.Signers)
	if len(unreadable) > 0 {
		c.t.Fatal("votes cannot be read")
	}
	return wire.Lock{Chunk: chunk, Epoch: epoch, Certificate: combination.AppendCertificate(nil)}
}

// standsOn returns the parent of the chunk above a body.
func (c *cluster) standsOn(b *made) *wire.Parent {
	c.t.Helper()
	k := c.lock(wire.Chunk{Sequencer: b.header.Sequencer, Height: b.header.Height, Payload: b.digest})
	return &wire.Parent{Payload: b.digest, Epoch: k.Epoch, Certificate: k.Certificate}
}
