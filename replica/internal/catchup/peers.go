package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

var namespace = []byte("catchup")

// peers is the number of peers, which are validators. One more validator is the replica that is
// measured.
const peers = 3

// world is the knowledge that all processes share.
type world struct {
	set   *testkit.Set
	ids   []wire.PublicKey // of the validators
	lanes []wire.PublicKey // the sequencers, ascending
}

func newWorld(o options) (*world, error) {
	set, err := testkit.New(testkit.Multisig, verify.MinSig, verify.Compressed, peers+1, namespace, 1)
	if err != nil {
		return nil, err
	}
	w := &world{set: set}
	for _, k := range set.Identities {
		w.ids = append(w.ids, testkit.Identity(k))
	}
	for _, k := range testkit.Identities(o.Lanes, 2) {
		w.lanes = append(w.lanes, testkit.Identity(k))
	}
	slices.SortFunc(w.lanes, wire.PublicKey.Compare)
	return w, nil
}

// chain holds the data with which the peers answer.
type chain struct {
	lanes map[wire.PublicKey][]payload.Header
	locks []wire.Lock // by ascending sequencer
}

func (w *world) newChain(o options) (*chain, error) {
	c := &chain{lanes: make(map[wire.PublicKey][]payload.Header)}
	for i, id := range w.lanes {
		n := o.Headers / o.Lanes
		if i < o.Headers%o.Lanes {
			n++
		}
		headers := make([]payload.Header, n)
		parent := wire.Digest{}
		for height := range headers {
			headers[height] = payload.Header{Sequencer: id, Height: uint64(height), Parent: parent, Root: payload.Build(nil).Root()}
			parent = payload.Digest(namespace, &headers[height])
		}
		c.lanes[id] = headers
		k, err := w.lock(wire.Chunk{Sequencer: id, Height: uint64(n - 1), Payload: parent})
		if err != nil {
			return nil, err
		}
		c.locks = append(c.locks, k)
	}
	return c, nil
}

// lock makes a certificate of the peers for a chunk.
func (w *world) lock(chunk wire.Chunk) (wire.Lock, error) {
	s := verify.Statement{Scheme: w.set.Scheme, Subject: wire.Subject{Chunk: chunk}, Signers: wire.NewSigners(peers + 1)}
	s.Slab = make([]byte, (peers+1)*w.set.Scheme.Format().AckSignature)
	for i := range peers {
		signature, err := w.set.Signers[i].SignAck(context.Background(), s.Subject)
		if err != nil {
			return wire.Lock{}, err
		}
		copy(s.Vote(wire.Participant(i)), signature)
		s.Signers.Add(wire.Participant(i))
	}
	combination, unreadable := w.set.Scheme.Combine(&s, s.Signers)
	if len(unreadable) > 0 {
		return wire.Lock{}, fmt.Errorf("votes %v cannot be read", unreadable)
	}
	return wire.Lock{Chunk: chunk, Certificate: combination.AppendCertificate(nil)}, nil
}

// serve runs the peers until the input ends.
func serve(o options) error {
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	c, err := w.newChain(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	for i := range peers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		n, err := network.New(network.Config{
			Key: w.set.Identities[i], Types: replica.Types(0), Listener: listener,
			Settings: network.Settings{Namespace: namespace, PayloadFormat: 1, MaxPayload: payload.DefaultMaxPayload},
		})
		if err != nil {
			return err
		}
		p := &peer{chain: c, latency: o.Latency}
		if i == 0 {
			p.latency += o.Slow
		}
		running.Go(func() {
			if err := n.Run(ctx, p); err != nil {
				fmt.Fprintln(os.Stderr, "catchup: a peer:", err)
			}
		})
		fmt.Print(listener.Addr(), " ")
	}
	fmt.Println()
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	running.Wait()
	return nil
}

// peer answers requests from the chain.
type peer struct {
	*chain
	latency time.Duration
}

func (*peer) Admit(wire.PublicKey) network.Role      { return network.Member }
func (*peer) Connected(wire.PublicKey, network.Role) {}
func (*peer) Disconnected(wire.PublicKey, error)     {}
func (*peer) Messages(_ wire.PublicKey, batch []network.Message) {
	for _, m := range batch {
		m.Buffer.Release()
	}
}

func (p *peer) Serve(_ context.Context, _ wire.PublicKey, t network.Type, request []byte, reply func(network.Type, []byte) error) {
	time.Sleep(p.latency)
	switch t {
	case message.TipsRequestType:
		p.tips(request, reply)
	case message.HeadersRequestType:
		p.headers(request, reply)
	}
}

func (p *peer) tips(request []byte, reply func(network.Type, []byte) error) {
	var q message.TipsRequest
	if q.Decode(request) != nil {
		return
	}
	page := message.Tips{Revision: message.Revision{Number: 1}}
	for i := range p.locks {
		k := &p.locks[i]
		if q.Since != nil || q.After != nil && k.Chunk.Sequencer.Compare(*q.After) <= 0 {
			continue
		}
		if !page.Add(k) {
			page.More = true
			break
		}
	}
	_ = reply(message.TipsType, page.AppendTo(nil))
}

func (p *peer) headers(request []byte, reply func(network.Type, []byte) error) {
	var q message.HeadersRequest
	if q.Decode(request) != nil {
		return
	}
	lane := p.lanes[q.Sequencer]
	if q.Height >= uint64(len(lane)) {
		_ = reply(message.AbsentType, (&message.Absent{Reason: message.Never}).AppendTo(nil))
		return
	}
	var page message.Headers
	for height := q.Height; uint32(len(page.Headers)) < q.Count; height-- {
		if !page.Add(&lane[height]) {
			page.More = true
			break
		}
		if height == 0 {
			break
		}
	}
	_ = reply(message.HeadersType, page.AppendTo(nil))
}
