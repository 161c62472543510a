package core

import (
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// 5.1: For one (sequencer, height), an honest process never broadcasts, nor acks, nor asks its
// application to verify, two different payloads, whatever the moment of the crash.
func TestRule5_1_AChunkThatWasNotDurableMayBeReplacedAndOneThatWasMayNot(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	r.verdicts()
	r.crash(0, false) // its record is lost: no other process has seen it
	r.tip(genesis(1, 2))
	expectChunks(t, "questions", r.asks, chunk(1, 0, 2))
	r.crash(r.disk.Durable, false)
	r.node(genesis(1, 1))
	r.verdicts()
	r.sync()
	expectChunks(t, "questions", r.asks, chunk(1, 0, 2))
	fault[*wire.Conflict](r)
}

// 5.1: For one (sequencer, height), an honest process never broadcasts, nor acks, nor asks its
// application to verify, two different payloads, whatever the moment of the crash.
func TestRule5_1_NoCrashMakesTheSequencerEquivocate(t *testing.T) {
	// Any prefix of the journal may survive a crash at any effect: the rig knows which chunk was
	// visible at each height.
	const steps = 24
	for crashAt := range steps {
		for back := range uint64(3) {
			r := newRig(t, 4, sequencing)
			for step := range steps {
				if step == crashAt {
					cut := max(r.disk.Durable, r.disk.Next-1-min(back, r.disk.Next-1))
					r.crash(cut, step%2 == 0)
				}
				switch step % 4 {
				case 0:
					if len(r.proposes) == 1 {
						r.proposeVolatile(100 + step) // another payload each time
					}
				case 1:
					r.sync()
					if len(r.signChunks) == 1 {
						r.signChunk()
					}
				case 2:
					r.answer(Approved)
					r.sign(nil)
				case 3:
					if len(r.nodes) > 0 {
						var n wire.Node
						if err := n.Decode(r.nodes[len(r.nodes)-1].Bytes, &r.c.epochs); err != nil {
							t.Fatal(err)
						}
						for i := 1; i < 4; i++ {
							r.ack(i, n.Chunk, 5)
						}
						r.verdicts()
					}
				}
				r.now += 200 * time.Millisecond
				r.pass(0)
			}
			if p, ok := r.c.Tip(id(0)); !ok || p.Chunk.Height < 2 {
				t.Fatalf("crash at %d: the lane stands still", crashAt)
			}
		}
	}
}

// 5.1: After a failed write or sync the process neither acks nor proposes again in that run.
func TestRule5_1_AfterAFailedWriteNothingIsAckedOrProposed(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.node(genesis(2, 2))
	r.verdicts()
	before := len(r.reports)
	r.c.Fail()
	expect(t, "effects left", len(r.c.Effects()), 0)
	r.sync()
	r.answer(Approved)
	r.sign(nil)
	expect(t, "node", r.node(genesis(3, 3)), Stopped)
	expect(t, "ack", r.ack(1, chunk(1, 0, 1), 5), Stopped)
	r.proposed(0, payload(1), nil)
	r.c.SetEpoch(r.now, 6)
	r.c.Tick(r.now + time.Hour)
	r.drain()
	expect(t, "acks", len(r.acks), 0)
	expect(t, "chunks to sign", len(r.signChunks), 0)
	expect(t, "reports", len(r.reports), before)
	expect(t, "stopped", r.c.Counts().Nodes[Stopped]+r.c.Counts().Acks[Stopped], 2)
}

// 5.1: After a failed write or sync the process neither acks nor proposes again in that run.
func TestRule5_1_AVerdictAfterAFailureHasNoEffect(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	r.c.Fail()
	r.verdicts()
	expect(t, "records", r.disk.Next, 1)
}

// 5.4: A sequencer with its journal intact goes on after a restart; certificates are journaled too.
func TestRule5_4_ASequencerGoesOnWhereItsCertificateIsInTheJournal(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.sync()
	r.crash(r.disk.Durable, true)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
}

// 5.4: A sequencer never stalls because its own certificate was lost: validators re-ack duplicates.
func TestRule5_4_ASequencerWhoseCertificateWasLostGetsItAgain(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.sync()
	durable := r.disk.Durable
	r.certifyOwn(c, 5)
	r.crash(durable, true) // the lock's record was not written
	expect(t, "questions", len(r.proposes), 0)
	expect(t, "rebroadcast", len(r.nodes), 2)
	r.certifyOwn(c, 5) // validators re-ack duplicates
	expect(t, "questions", len(r.proposes), 1)
}

// 5.6: A hostile peer can cause no more than the extra work stated in 3.3.
func TestRule5_6_OnePeersMessagesDoNotHoldUpAnothersLane(t *testing.T) {
	r := newRig(t, 4)
	for i := range 100 {
		n := genesis(3, i)
		n.Signature[0] ^= byte(i)
		r.node(n)
		r.nodeBytes(id(3), []byte{byte(i)})
		r.badAck(3, chunk(1, uint64(i%9), i), 5)
	}
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.sign(nil)
	r.ack(1, chunk(1, 0, 1), 5)
	r.ack(2, chunk(1, 0, 1), 5)
	r.verdicts()
	_, ok := r.c.Certificate(id(1), 0)
	expect(t, "certified", ok, true)
	for _, f := range r.faults() {
		switch f := f.(type) {
		case *wire.InvalidAck:
			expect(t, "blamed", f.Peer, id(3))
		case *wire.InvalidNode:
			expect(t, "blamed", f.Peer, id(3))
		case *wire.ConflictingAcks:
			expect(t, "blamed", f.First.Participant, 3)
		case *wire.Conflict:
			expect(t, "blamed", f.Proposal.Chunk.Sequencer, id(3))
		default:
			t.Fatalf("reported a %s", f.Tag())
		}
	}
}

func TestTimeNeverRunsBackwards(t *testing.T) {
	r := newRig(t, 4)
	r.tip(genesis(1, 1))
	r.answer(Approved)
	r.now = time.Hour
	r.sign(nil)
	r.now = 0
	r.node(genesis(1, 1))
	expect(t, "acks", len(r.acks), 1)
}

func TestADeadlineIsKeptUntilItsTickComes(t *testing.T) {
	r := newRig(t, 4, sequencing)
	_, ok := r.c.Deadline()
	expect(t, "deadline while nothing waits", ok, false)
	r.propose(1)
	due, ok := r.c.Deadline()
	expect(t, "deadline", ok, true)
	expect(t, "due", due, 5*time.Second)
	r.c.Tick(due - 1)
	r.drain()
	again, _ := r.c.Deadline()
	expect(t, "after an early tick", again, due)
	expect(t, "nodes", len(r.nodes), 1)
}

func TestAVerdictThatNobodyWaitsForHasNoEffect(t *testing.T) {
	r := newRig(t, 4)
	r.node(genesis(1, 1))
	v := decide(r.verifies[0])
	r.verdicts()
	r.c.SignaturesVerified(r.now, v)
	expect(t, "effects", len(r.c.Effects()), 0)
}
