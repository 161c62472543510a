package core

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// A slab that is reused while a statement still reads it shows up as invalid acks.
func TestMain(m *testing.M) {
	poison.Switch(true)
	m.Run()
}

// place is a height of a lane.
type place struct {
	sequencer wire.PublicKey
	height    uint64
}

// history is the part of a process that others have seen, through all of its crashes.
type history map[place]wire.Digest

// rig drives one Core as the engine does, and the test controls everything that is slow: it
// collects the core's requests until the test answers them. It checks the invariants on the way.
type rig struct {
	t    testing.TB
	w    *world
	sets *view
	cfg  Config
	c    *Core
	now  time.Duration
	disk *model.Disk
	seen history

	durableChunks map[wire.Chunk]bool        // nodes on disk …
	parents       map[wire.Chunk]wire.Digest // payloads below nodes on disk, once their records were seen
	restParents   map[wire.Chunk]restParent  // of tips in records of dormant lanes
	noted         uint64                     // … up to this position
	peers         map[wire.PublicKey]*Peer

	verifies   []*verify.Statement
	signAcks   []Effect
	signChunks []wire.Chunk
	asks       []wire.Chunk
	proposes   []wire.Chunk
	calls      map[EffectKind]map[wire.Chunk]uint64 // the newest call of each chunk
	cancelled  []Effect                             // calls that have not returned
	warnings   []Effect
	halted     error
	mayHalt    bool   // the test expects the core to halt
	reported   uint64 // reports that have returned
	slow       bool   // the reporter returns only when the test says so
	hang       bool   // cancelled calls about leaving lanes return only when the test says so

	nodes, acks []Effect
	sent        []Effect // certificates
	broadcasts  []wire.Chunk
	reports     []Effect
	releases    []uint64
	trace       func(*Effect) // sees every effect, if set
}

func defaults(me wire.PublicKey) Config {
	return Config{
		Identity: me, EpochsBack: 1, EpochsAhead: 1, HeightBound: 8, MaxVoteBytes: 1 << 20,
		RebroadcastTimeout: 5 * time.Second, AckInterval: time.Second, ProposeBackoff: 100 * time.Millisecond,
		SuspectDelay: 250 * time.Millisecond, BadNodeInterval: time.Second,
	}
}

// newRig returns a validator, id(0) of n, started in epoch 5. change may alter its configuration.
func newRig(t testing.TB, n int, change ...func(*rig)) *rig {
	t.Helper()
	r := &rig{t: t, w: newWorld(n, true), cfg: defaults(id(0)), disk: model.NewDisk(), seen: history{}}
	r.sets = &view{world: r.w, me: id(0), unknown: map[uint64]bool{}}
	for _, f := range change {
		f(r)
	}
	r.start(5)
	return r
}

func sequencing(r *rig) { r.cfg.Sequencer = true }

// sequencersIn sets the sequencers of an epoch. Sets do not change once they have been looked up.
func sequencersIn(epoch uint64, keys ...wire.PublicKey) func(*rig) {
	return func(r *rig) { r.w.sequencers[epoch] = keys }
}

// unknownAt first makes the sets of an epoch unknown.
func unknownAt(epoch uint64) func(*rig) { return func(r *rig) { r.sets.unknown[epoch] = true } }

// observing makes the process no validator, so that the acks of all n come from others.
func observing(r *rig) { r.cfg.Identity, r.sets.me = id(500), id(500) }

func nonAttributable(r *rig) {
	r.w = newWorld(len(r.w.schemes[0].Participants()), false)
	r.sets.world = r.w
}

// start makes a core from the records on disk.
func (r *rig) start(epoch uint64) {
	r.t.Helper()
	r.cfg.Sets = r.sets
	c := New(r.cfg)
	r.c, r.peers = c, map[wire.PublicKey]*Peer{}
	r.durableChunks, r.parents, r.noted = map[wire.Chunk]bool{}, map[wire.Chunk]wire.Digest{}, 0
	r.restParents = map[wire.Chunk]restParent{}
	r.verifies, r.signAcks, r.signChunks, r.asks, r.proposes = nil, nil, nil, nil, nil
	r.calls, r.cancelled, r.halted, r.reported = map[EffectKind]map[wire.Chunk]uint64{}, nil, nil, 0
	for _, rec := range r.disk.Records {
		if err := c.Recover(rec.Position, rec.Bytes); err != nil {
			r.t.Fatalf("recover %d: %v", rec.Position, err)
		}
		r.noteRest(rec.Position, rec.Bytes)
		r.drain()
	}
	r.noteDurable()
	c.Start(r.now, epoch, r.disk.Next)
	r.drain()
}

// crash drops all but the first cut records, and restarts.
func (r *rig) crash(cut uint64, compacted bool) {
	r.t.Helper()
	epoch := r.c.Epoch()
	r.disk.Crash(cut, compacted)
	r.start(epoch)
}

func (r *rig) noteDurable() {
	for _, rec := range slices.Backward(r.disk.Records) {
		if rec.Position <= r.noted {
			break
		}
		if rec.Position > r.disk.Durable {
			continue
		}
		info, err := DescribeRecord(rec.Bytes)
		if err != nil {
			r.t.Fatal(err)
		}
		if info.Tip != nil {
			r.durableChunks[*info.Tip] = true
		}
		if info.Kind == TipRecord && info.Certified != nil {
			r.parents[*info.Tip] = info.Certified.Payload
		}
	}
	r.noted = r.disk.Durable
}

// restParent is the payload below a dormant lane's tip, by the newest record of the lane.
type restParent struct {
	position uint64 // of that record
	payload  wire.Digest
}

// noteRest records the parent of a dormant lane's tip: zero if the lane's highest certificate is
// not of the height below. Records may come in any order.
func (r *rig) noteRest(position uint64, rec []byte) {
	r.t.Helper()
	if RecordKind(rec[0]) != DormantRecord {
		return
	}
	var rest restRecord
	if err := rest.decode(rec[1:]); err != nil {
		r.t.Fatal(err)
	}
	if rest.tip == nil || position < r.restParents[rest.tip.Chunk].position {
		return
	}
	parent := restParent{position: position}
	if height := rest.tip.Chunk.Height; rest.hasCertified && height > 0 && rest.certified == height-1 {
		parent.payload = rest.locked
	}
	r.restParents[rest.tip.Chunk] = parent
}

// visible checks rule 5.1 for a chunk that is about to become visible to others or the application.
func (r *rig) visible(what EffectKind, c wire.Chunk) {
	r.t.Helper()
	if !r.durableChunks[c] {
		r.t.Fatalf("%s of %v/%d before its record is durable", what, c.Sequencer[1], c.Height)
	}
	at := place{c.Sequencer, c.Height}
	if before, ok := r.seen[at]; ok && before != c.Payload {
		r.t.Fatalf("%s: equivocation at height %d of %v", what, c.Height, c.Sequencer[1])
	}
	r.seen[at] = c.Payload
}

// checkParent compares the parent that an effect names with that of the tip's record. If there is
// no such record the lane was dormant, and the record of the dormant lane has the parent.
func (r *rig) checkParent(e *Effect) {
	r.t.Helper()
	want := r.parents[e.Chunk]
	if t := r.c.lanes.bySequencer[e.Chunk.Sequencer].tip; t.position == 0 {
		want = r.restParents[e.Chunk].payload
	} else if !t.durable || t.hasParent && want == (wire.Digest{}) {
		want = t.parent // our own, whose record of the tip is not durable yet
	}
	if e.Parent != want {
		r.t.Fatalf("%v of %v/%d names the parent %x, want %x", e.Kind, e.Chunk.Sequencer[1], e.Chunk.Height, e.Parent[:4], want[:4])
	}
}

// drain handles the core's effects in the rig.
func (r *rig) drain() {
	r.t.Helper()
	for i := range r.c.Effects() {
		e := r.c.Effects()[i]
		if r.trace != nil {
			r.trace(&e)
		}
		switch e.Kind {
		case Verify:
			if e.Statement.Scheme == nil && e.Statement.Proposal == nil {
				r.t.Fatal("a statement about nothing")
			}
			r.verifies = append(r.verifies, e.Statement)
		case Append:
			if p := r.disk.Append(e.Bytes); p != e.Position {
				r.t.Fatalf("append carries position %d, the journal is at %d", e.Position, p)
			}
			r.noteRest(e.Position, e.Bytes)
		case Release:
			if !r.disk.Release(e.Position) {
				r.t.Fatalf("release of %d, which is no live record", e.Position)
			}
			r.releases = append(r.releases, e.Position)
		case SignChunk:
			r.visible(e.Kind, e.Chunk)
			r.made(&e)
			r.signChunks = append(r.signChunks, e.Chunk)
		case Cancel:
			r.cancel(e.Call)
		case Halt:
			if !r.mayHalt {
				r.t.Fatalf("halted: %v", e.Err)
			}
			r.halted = e.Err
		case SignAck:
			r.visible(e.Kind, e.Chunk)
			r.made(&e)
			r.signAcks = append(r.signAcks, e)
		case SendNode:
			var n wire.Node
			if err := n.DecodeStored(e.Bytes); err != nil {
				r.t.Fatal(err)
			}
			r.visible(e.Kind, n.Chunk)
			r.nodes = append(r.nodes, e)
		case SendAck:
			var a wire.Ack
			if err := a.Decode(e.Bytes); err != nil {
				r.t.Fatal(err)
			}
			r.visible(e.Kind, a.Chunk)
			r.acks = append(r.acks, e)
		case SendCertificate:
			var l wire.Lock
			if err := l.Decode(e.Bytes, &r.c.epochs); err != nil {
				r.t.Fatal(err)
			}
			if !r.w.validLock(&l) || l.Chunk.Sequencer != r.cfg.Identity || !r.cfg.SendCertificates {
				r.t.Fatalf("sends a certificate at height %d that it should not send", l.Chunk.Height)
			}
			r.sent = append(r.sent, e)
		case Broadcast:
			r.visible(e.Kind, e.Chunk)
			r.checkParent(&e)
			r.broadcasts = append(r.broadcasts, e.Chunk)
		case AskPropose:
			r.made(&e)
			r.proposes = append(r.proposes, e.Chunk)
		case AskVerify:
			r.visible(e.Kind, e.Chunk)
			r.checkParent(&e)
			for _, c := range r.asks {
				if c.Sequencer == e.Chunk.Sequencer {
					r.t.Fatal("two questions in flight for one lane")
				}
			}
			r.made(&e)
			r.asks = append(r.asks, e.Chunk)
		case Warn:
			if e.Err == nil {
				r.t.Fatal("a warning of nothing")
			}
			r.warnings = append(r.warnings, e)
		case Report:
			r.checkReport(e.Activity)
			r.reports = append(r.reports, e)
		default:
			r.t.Fatalf("effect of kind %v", e.Kind)
		}
	}
	r.c.Done()
	if !r.slow && r.reported < r.c.reports.made {
		r.returnReports()
		return
	}
	if b := r.c.Counts().VoteBytes; b > r.cfg.MaxVoteBytes {
		r.t.Fatalf("%d bytes of votes, %d allowed", b, r.cfg.MaxVoteBytes)
	}
}

// made records a call.
func (r *rig) made(e *Effect) {
	if r.calls[e.Kind] == nil {
		r.calls[e.Kind] = map[wire.Chunk]uint64{}
	}
	r.calls[e.Kind][e.Chunk] = e.Call
}

// cancel removes a call from those that the test answers. The call has not returned yet.
func (r *rig) cancel(call uint64) {
	r.t.Helper()
	for kind, of := range r.calls {
		for c, number := range of {
			if number != call {
				continue
			}
			is := func(o wire.Chunk) bool { return o == c }
			switch kind {
			case AskVerify:
				r.asks = slices.DeleteFunc(r.asks, is)
			case AskPropose:
				r.proposes = slices.DeleteFunc(r.proposes, is)
			case SignChunk:
				r.signChunks = slices.DeleteFunc(r.signChunks, is)
			case SignAck:
				r.signAcks = slices.DeleteFunc(r.signAcks, func(e Effect) bool { return e.Call == call })
			}
			r.cancelled = append(r.cancelled, Effect{Kind: kind, Chunk: c, Call: call})
			return
		}
	}
	r.t.Fatalf("call %d is cancelled, which was never made", call)
}

// verified gives the application's answer to the newest question about a chunk.
func (r *rig) verified(c wire.Chunk, a Answer) {
	r.c.ApplicationVerified(r.now, r.calls[AskVerify][c], a)
}

// proposed gives the application's payload for a height of our lane.
func (r *rig) proposed(height uint64, payload wire.Digest, err error) {
	r.c.ApplicationProposed(r.now, r.calls[AskPropose][wire.Chunk{Sequencer: r.cfg.Identity, Height: height}], payload, err)
}

// chunkSigned gives our key's answer about a chunk.
func (r *rig) chunkSigned(c wire.Chunk, s wire.Signature, err error) {
	r.c.ChunkSigned(r.now, r.calls[SignChunk][c], s, err)
}

// returnReports makes the reporter return for all reports.
func (r *rig) returnReports() {
	r.t.Helper()
	r.reported = r.c.reports.made
	r.c.Reported(r.now, r.reported)
	r.drain()
}

// checkReport checks that certificates are valid and activities can be encoded.
func (r *rig) checkReport(a wire.Activity) {
	r.t.Helper()
	if a.Size() != len(a.AppendTo(nil)) {
		r.t.Fatalf("%s: size", a.Tag())
	}
	if l, ok := a.(*wire.Certified); ok && !r.w.validLock(&l.Lock) {
		r.t.Fatalf("a lock that is not valid, at height %d", l.Lock.Chunk.Height)
	}
}

// verdicts decides every waiting statement, and those that follow from them.
func (r *rig) verdicts() {
	r.t.Helper()
	for len(r.verifies) > 0 {
		st := r.verifies[0]
		r.verifies = r.verifies[1:]
		r.c.SignaturesVerified(r.now, decide(st))
		r.drain()
	}
}

// sync makes all appended records durable.
func (r *rig) sync() {
	r.t.Helper()
	r.disk.Durable = r.disk.Next - 1
	r.noteDurable()
	r.c.Durable(r.now, r.disk.Durable)
	r.drain()
}

// answer gives the application's answer to all questions about chunks that wait now.
func (r *rig) answer(a Answer) {
	r.t.Helper()
	asks := r.asks
	r.asks = nil
	for _, c := range asks {
		r.verified(c, a)
		r.drain()
	}
}

// sign signs our waiting acks.
func (r *rig) sign(err error) {
	r.t.Helper()
	wait := r.signAcks
	r.signAcks = nil
	for _, e := range wait {
		if err != nil {
			r.c.AckSigned(r.now, e.Call, nil, err)
			r.drain()
			continue
		}
		r.signed(e)
	}
}

// signed gives the valid signature that e requests, cancelled or not.
func (r *rig) signed(e Effect) {
	r.t.Helper()
	signature, err := e.Signer.SignAck(context.Background(), wire.Subject{Chunk: e.Chunk, Epoch: e.Epoch})
	if err != nil {
		r.t.Fatal(err)
	}
	r.c.AckSigned(r.now, e.Call, signature, nil)
	r.drain()
}

// pass lets time pass, with a Tick at each deadline on the way.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now + d
	for ticks := 0; ; ticks++ {
		due, ok := r.c.Deadline()
		if !ok || due > end {
			break
		}
		if ticks > 10000 {
			r.t.Fatal("ticks without end")
		}
		r.now = max(r.now, due)
		r.c.Tick(r.now)
		r.drain()
	}
	r.now = end
}

// epoch enters an epoch. Cancelled calls about lanes that leave with it return, unless hang is set.
func (r *rig) epoch(e uint64) {
	r.t.Helper()
	r.c.SetEpoch(r.now, e)
	r.drain()
	if !r.hang {
		r.returnLeaving()
	}
}

// returnLeaving makes the cancelled calls about leaving lanes return.
func (r *rig) returnLeaving() {
	r.t.Helper()
	cancelled := r.cancelled
	r.cancelled = nil
	for _, e := range cancelled {
		about := r.c.calls.open[e.Call]
		switch {
		case about.lane == nil || !about.lane.leaving:
			r.cancelled = append(r.cancelled, e)
			continue
		case e.Kind == AskVerify:
			r.c.ApplicationVerified(r.now, e.Call, Failed)
		default:
			r.c.AckSigned(r.now, e.Call, nil, context.Canceled)
		}
		r.drain()
	}
}

func (r *rig) peer(who wire.PublicKey) *Peer {
	if r.peers[who] == nil {
		r.peers[who] = NewPeer(who)
	}
	return r.peers[who]
}

// ack delivers participant i's valid ack.
func (r *rig) ack(i int, c wire.Chunk, epoch uint64) Outcome {
	r.t.Helper()
	return r.ackBytes(r.w.validator(epoch, i), r.w.ack(i, c, epoch))
}

// deliver passes a copy of a message to the core and overwrites the copy afterwards.
func (r *rig) deliver(to func(time.Duration, *Peer, []byte) Outcome, from wire.PublicKey, message []byte) Outcome {
	r.t.Helper()
	passing := slices.Clone(message)
	o := to(r.now, r.peer(from), passing)
	for i := range passing { // the core must have copied the parts that it keeps
		passing[i] = 0xDB
	}
	r.drain()
	return o
}

// badAck delivers an ack of participant i whose signature is wrong.
func (r *rig) badAck(i int, c wire.Chunk, epoch uint64) Outcome {
	r.t.Helper()
	return r.ackBytes(r.w.validator(epoch, i), r.w.badAck(i, c, epoch))
}

func (r *rig) ackBytes(from wire.PublicKey, message []byte) Outcome {
	r.t.Helper()
	return r.deliver(r.c.Ack, from, message)
}

// node delivers a node from its sequencer.
func (r *rig) node(n wire.Node) Outcome {
	r.t.Helper()
	return r.nodeBytes(n.Chunk.Sequencer, n.AppendTo(nil))
}

func (r *rig) nodeBytes(from wire.PublicKey, message []byte) Outcome {
	r.t.Helper()
	return r.deliver(r.c.Node, from, message)
}

// lock delivers a certificate message.
func (r *rig) lock(from wire.PublicKey, l wire.Lock) Outcome {
	r.t.Helper()
	return r.lockBytes(from, l.AppendTo(nil))
}

func (r *rig) lockBytes(from wire.PublicKey, message []byte) Outcome {
	r.t.Helper()
	return r.deliver(r.c.CertificateMessage, from, message)
}

// connected reports that a peer is connected.
func (r *rig) connected(id wire.PublicKey) {
	r.t.Helper()
	r.c.PeerConnected(r.now, r.peer(id))
	r.drain()
}

// tip delivers a node, verifies it and makes it durable. The lane's own questions stay open.
func (r *rig) tip(n wire.Node) {
	r.t.Helper()
	if o := r.node(n); o != Accepted {
		r.t.Fatalf("node at height %d: %v", n.Chunk.Height, o)
	}
	r.verdicts()
	r.sync()
	if p, ok := r.c.Tip(n.Chunk.Sequencer); !ok || p.Chunk != n.Chunk {
		r.t.Fatalf("node at height %d did not become the tip", n.Chunk.Height)
	}
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func expectChunks(t testing.TB, what string, got []wire.Chunk, want ...wire.Chunk) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: got %d, %v; want %d, %v", what, len(got), got, len(want), want)
	}
}
