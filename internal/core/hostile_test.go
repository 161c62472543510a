package core

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// working returns a core in normal operation, whose peers are about to turn hostile.
func working(t testing.TB, change ...func(*rig)) *rig {
	r := newRig(t, 7, append(change, sequencing)...)
	r.cfg.HeightBound = 1 << 20
	r.propose(1)
	r.tip(genesis(1, 1))
	r.tip(r.w.node(2, 3, 3, 2, 4))
	r.answer(Approved)
	r.sign(nil)
	return r
}

// check checks the bounds of a core under any messages of its peers.
func (r *rig) check(t interface{ Fatalf(string, ...any) }) {
	counts := r.c.Counts()
	const sequencers = 8
	switch {
	case counts.Lanes > sequencers:
		t.Fatalf("%d lanes for %d sequencers", counts.Lanes, sequencers)
	case counts.VoteBytes > r.cfg.MaxVoteBytes:
		t.Fatalf("%d bytes of votes", counts.VoteBytes)
	case len(r.c.epochs.known) > 3:
		t.Fatalf("%d epochs kept", len(r.c.epochs.known))
	case counts.Suspects > 7:
		t.Fatalf("%d suspects for 7 validators", counts.Suspects)
	case len(r.c.jobs.open) > sequencers*8:
		t.Fatalf("%d statements in flight", len(r.c.jobs.open))
	case r.c.messages.bytes > 9*16*400:
		t.Fatalf("%d bytes of certificate messages wait", r.c.messages.bytes)
	case len(r.disk.Records) > 10000:
		t.Fatalf("%d records", len(r.disk.Records))
	}
}

// TestNothingThatPeersSendStopsTheCoreOrOutgrowsItsBounds feeds messages that are valid, nearly
// valid, or garbage, mixed with all calls of a driver.
func TestNothingThatPeersSendStopsTheCoreOrOutgrowsItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := working(t, rapid.SampledFrom([]func(*rig){func(*rig) {}, sending, toSequencer}).Draw(rt, "setting"))
		heights := rapid.OneOf(rapid.Uint64Range(0, 12), rapid.Uint64Range(0, 12), rapid.Uint64())
		epochs := rapid.OneOf(rapid.Uint64Range(3, 8), rapid.Uint64Range(3, 8), rapid.Uint64())
		sequencer := func() wire.PublicKey { return id(rapid.IntRange(0, 8).Draw(rt, "sequencer")) }
		drawChunk := func() wire.Chunk {
			return wire.Chunk{
				Sequencer: sequencer(), Height: heights.Draw(rt, "height"),
				Payload: payload(rapid.IntRange(0, 3).Draw(rt, "payload")),
			}
		}
		mutate := func(b []byte) []byte {
			if len(b) > 0 && rapid.IntRange(0, 3).Draw(rt, "mutate") == 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] ^= rapid.Byte().Draw(rt, "bits")
			}
			return b[:len(b)-min(len(b), rapid.IntRange(0, 20).Draw(rt, "cut")/19)]
		}
		rt.Repeat(map[string]func(*rapid.T){
			"ack": func(*rapid.T) {
				c, e := drawChunk(), epochs.Draw(rt, "epoch")
				i := rapid.IntRange(0, 6).Draw(rt, "validator")
				if c.Sequencer == id(0) {
					i %= 3 // too few to certify a chunk that we never sent
				}
				var b []byte
				if r.w.schemes[e] != nil {
					b = r.w.ack(i, c, e)
					if i == 0 { // our signatures cannot be forged
						r.ackBytes(id(1), r.w.badAck(i, c, e))
						return
					}
				} else {
					a := wire.Ack{Chunk: c, Epoch: e, Participant: wire.Participant(i), Signature: make([]byte, model.VoteSize)}
					b = a.AppendTo(nil)
				}
				r.ackBytes(id(i), mutate(b))
			},
			"node": func(*rapid.T) {
				c, e := drawChunk(), epochs.Draw(rt, "epoch")
				n := wire.Node{Chunk: c, Signature: model.SignChunk(c)}
				if c.Sequencer == id(0) {
					n.Signature = wire.Signature{1}
				}
				if n.HasParent() {
					parent := wire.Chunk{Sequencer: c.Sequencer, Height: c.Height - 1, Payload: payload(1)}
					n.Parent = wire.Parent{Payload: parent.Payload, Epoch: e}
					if r.w.schemes[e] != nil {
						n.Parent.Certificate = r.w.lock(parent, e).Certificate
					}
				}
				r.nodeBytes(c.Sequencer, mutate(n.AppendTo(nil)))
			},
			"certificate": func(*rapid.T) {
				l := wire.Lock{Chunk: drawChunk(), Epoch: epochs.Draw(rt, "epoch")}
				if r.w.schemes[l.Epoch] != nil && l.Chunk.Sequencer != id(0) { // otherwise the journal is proven stale
					l = r.w.lock(l.Chunk, l.Epoch, 1, 2, 3, 4, 5)
				}
				r.lockBytes(sequencer(), mutate(l.AppendTo(nil)))
			},
			"connected": func(*rapid.T) { r.connected(sequencer()) },
			"garbage": func(*rapid.T) {
				b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "bytes")
				from := sequencer()
				r.ackBytes(from, b)
				r.nodeBytes(from, b)
				r.lockBytes(from, b)
			},
			"verdicts": func(*rapid.T) { r.verdicts() },
			"sync":     func(*rapid.T) { r.sync() },
			"application": func(*rapid.T) {
				r.answer(rapid.SampledFrom([]Answer{Approved, Refused, Failed}).Draw(rt, "answer"))
				r.sign(nil)
			},
			"time": func(*rapid.T) { r.pass(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "ms")) * time.Millisecond) },
			"epoch": func(*rapid.T) {
				if rapid.IntRange(0, 5).Draw(rt, "change") == 0 {
					r.epoch(r.c.Epoch() + 1)
				}
			},
			"crash": func(*rapid.T) {
				if rapid.IntRange(0, 5).Draw(rt, "crash") == 0 {
					r.crash(r.disk.Durable, rapid.Bool().Draw(rt, "compacted"))
				}
			},
			"": func(rt *rapid.T) { r.check(rt) },
		})
	})
}

func FuzzCoreAck(f *testing.F) {
	w := newWorld(7, true)
	f.Add(w.ack(1, chunk(1, 0, 1), 5))
	f.Add(w.ack(1, chunk(2, 3, 3), 4))
	f.Add(w.badAck(1, chunk(1, 1, 1), 6))
	far := wire.Ack{Chunk: chunk(1, 1<<64-1, 1), Epoch: 1<<64 - 1, Participant: 1<<32 - 1, Signature: make([]byte, model.VoteSize)}
	f.Add(far.AppendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		r := working(t)
		o := r.ackBytes(id(1), message)
		var a wire.Ack
		if err := a.Decode(message); (err != nil) && o != Malformed {
			t.Fatalf("%v, and yet %v", err, o)
		}
		if o == Accepted && r.c.Counts().Votes == 0 {
			t.Fatal("accepted, and not counted")
		}
		r.verdicts()
		r.pass(10 * time.Second)
		r.check(t)
	})
}

func FuzzCoreCertificate(f *testing.F) {
	w := newWorld(7, true)
	l := w.lock(chunk(1, 1, 1), 5)
	f.Add(l.AppendTo(nil))
	l = w.badLock(chunk(2, 1<<64-1, 1), 4)
	f.Add(l.AppendTo(nil))
	l.Epoch = 1<<64 - 1
	f.Add(l.AppendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		r := working(t, toSequencer)
		r.mayHalt = true // a valid certificate that names this process as signer
		locks := len(r.locks())
		o := r.lockBytes(id(1), message)
		r.verdicts()
		r.sync()
		r.pass(10 * time.Second)
		r.check(t)
		if new := len(r.locks()) - locks; new > 1 || new == 1 && o != Accepted {
			t.Fatalf("%v, and %d locks", o, new)
		}
	})
}

func FuzzCoreNode(f *testing.F) {
	w := newWorld(7, true)
	g, n := genesis(1, 1), w.node(1, 1, 1, 1, 5)
	f.Add(g.AppendTo(nil))
	f.Add(n.AppendTo(nil))
	n = w.node(1, 1<<64-1, 1, 1, 4)
	f.Add(n.AppendTo(nil))
	n.Parent.Epoch = 1<<64 - 1
	f.Add(n.AppendTo(nil))
	g = genesis(1, 2)
	f.Add(g.AppendTo(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		r := working(t)
		before, _ := r.c.Tip(id(1))
		r.nodeBytes(id(1), message)
		r.verdicts()
		r.sync()
		r.answer(Approved)
		r.sign(nil)
		r.pass(10 * time.Second)
		r.check(t)
		after, _ := r.c.Tip(id(1))
		if after != before && after.Signature != model.SignChunk(after.Chunk) {
			t.Fatal("a chunk that its sequencer did not sign became the tip")
		}
	})
}
