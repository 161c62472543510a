package core

import (
	"errors"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/wire"
)

// kinds returns the records on disk that are not released.
func (r *rig) kinds() (all map[RecordKind]int) {
	all = map[RecordKind]int{}
	live := map[uint64]bool{}
	for _, rec := range r.disk.Records {
		live[rec.Position] = true
	}
	for _, p := range r.releases {
		delete(live, p)
	}
	for _, rec := range r.disk.Records {
		if live[rec.Position] {
			all[RecordKind(rec.Bytes[0])]++
		}
	}
	return all
}

// 4.7: Chunk and parent are made durable (which is all that 4.2 asks before others may see it),
// then signed.
func TestRule4_7_ChunkAndParentAreDurableBeforeTheSignerIsAsked(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 5)
	c := r.proposeVolatile(2)
	expect(t, "chunks to sign", len(r.signChunks), 0)
	rec := r.disk.Records[len(r.disk.Records)-1].Bytes
	info, err := DescribeRecord(rec)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "kind", info.Kind, ProposalRecord)
	expect(t, "chunk", *info.Tip, c)
	expect(t, "parent", *info.Certified, chunk(0, 0, 1))
	r.disk.Durable = r.disk.Next - 2
	r.c.Durable(r.now, r.disk.Durable)
	r.drain()
	expect(t, "chunks to sign, one record short", len(r.signChunks), 0)
	r.sync()
	expectChunks(t, "chunks to sign", r.signChunks, c)
}

// 4.7: The same chunk is signed again after a crash, wherever it comes: a signer that guards
// against double signing never sees two, and no height is asked about anew once its chunk is
// durable.
func TestRule4_7_TheSameChunkIsSignedAgainAfterACrashAtEveryStep(t *testing.T) {
	steps := []struct {
		name string
		do   func(*rig)
	}{
		{"asked", func(*rig) {}},
		{"written", func(r *rig) { r.proposeVolatile(2) }},
		{"durable", func(r *rig) { r.sync() }},
		{"signed", func(r *rig) {
			c := r.signChunks[0]
			r.signChunks = nil
			r.chunkSigned(c, model.SignChunk(c), nil)
			r.drain()
		}},
		{"verified and sent", func(r *rig) { r.verdicts() }},
		{"its own record durable", func(r *rig) { r.sync() }},
		{"certified", func(r *rig) { r.certifyOwn(chunk(0, 1, 2), 5) }},
	}
	for n := range steps {
		for _, everything := range []bool{false, true} {
			for _, compacted := range []bool{false, true} {
				t.Run(steps[n].name, func(t *testing.T) {
					r := newRig(t, 4, sequencing)
					r.certifyOwn(r.propose(1), 5)
					r.sync()
					for _, s := range steps[:n+1] {
						s.do(r)
					}
					cut := r.disk.Durable
					if everything {
						cut = r.disk.Next - 1
					}
					proposed := false // its record has survived
					for _, rec := range r.disk.Records {
						if info, err := DescribeRecord(rec.Bytes); err == nil && info.Tip != nil && rec.Position <= cut {
							proposed = proposed || info.Tip.Height == 1
						}
					}
					r.nodes = nil
					r.crash(cut, compacted)
					switch p, _ := r.c.Tip(id(0)); {
					case p.Chunk.Height == 1:
						expect(t, "chunks to sign", len(r.signChunks), 0)
						if len(r.proposes) == 0 { // it is not certified
							expect(t, "nodes", len(r.nodes), 1)
						} else {
							expect(t, "next", r.proposes[0].Height, 2)
						}
					case proposed:
						expectChunks(t, "chunks to sign", r.signChunks, chunk(0, 1, 2))
						expect(t, "questions", len(r.proposes), 0)
						r.signChunk()
						expect(t, "nodes", len(r.nodes), 1)
					default:
						expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0), Height: 1})
						r.propose(3)
					}
					if _, ok := r.seen[place{id(0), 1}]; !ok {
						t.Fatal("the lane stands still")
					}
				})
			}
		}
	}
}

// 4.7: The same chunk is signed again with the newest certificate held for its parent.
func TestRule4_7_WhatIsSignedAgainHasTheNewestCertificateForItsParent(t *testing.T) {
	r := newRig(t, 4, sequencing)
	first := r.propose(1)
	r.certifyOwn(first, 5)
	c := r.proposeVolatile(2)
	r.sync()
	r.signChunks = nil
	r.chunkSigned(c, wire.Signature{}, errTest)
	r.drain()
	r.epoch(6)
	r.certifyOwn(first, 6)
	r.sync()
	r.crash(r.disk.Durable, true)
	r.signChunk()
	var n wire.Node
	if err := n.Decode(r.nodes[len(r.nodes)-1].Bytes, &r.c.epochs); err != nil {
		t.Fatal(err)
	}
	expect(t, "chunk", n.Chunk, c)
	expect(t, "parent's epoch", n.Parent.Epoch, 6)
}

// 4.7: The parent in a node may carry any valid certificate for it: the newest epoch's not above
// the current one is used.
func TestRule4_7_TheParentsCertificateIsNotOfAnEpochToCome(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	r.certifyOwn(c, 5)
	r.certifyOwn(c, 6)
	r.propose(2)
	var n wire.Node
	if err := n.Decode(r.nodes[1].Bytes, &r.c.epochs); err != nil {
		t.Fatal(err)
	}
	expect(t, "parent's epoch", n.Parent.Epoch, 5)
	// A certificate of an epoch to come is used only if there is no other.
	r = newRig(t, 4, sequencing)
	r.certifyOwn(r.propose(1), 6)
	r.propose(2)
	if err := n.Decode(r.nodes[1].Bytes, &r.c.epochs); err != nil {
		t.Fatal(err)
	}
	expect(t, "parent's epoch", n.Parent.Epoch, 6)
}

// 4.7: A record of our next chunk is dead once the tip has come to its height.
func TestRule4_7_TheRecordOfAChunkThatBecameTheTipIsReleased(t *testing.T) {
	r := newRig(t, 4, sequencing)
	c := r.propose(1)
	expect(t, "proposals", r.kinds()[ProposalRecord], 0)
	r.certifyOwn(c, 5)
	r.propose(2)
	r.sync()
	r.releases = nil
	r.crash(r.disk.Durable, false) // the proposals' records come back
	expect(t, "proposals", r.kinds()[ProposalRecord], 0)
	expect(t, "tips", r.kinds()[TipRecord], 1)
	expect(t, "chunks to sign", len(r.signChunks), 0)
}

// 4.7: After a declined proposal the next question waits a backoff; the counts say so.
func TestRule4_7_ADeclinedProposalLeavesNoRecord(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.proposes = nil
	r.proposed(0, wire.Digest{}, ErrDeclined)
	r.drain()
	expect(t, "records", r.disk.Next, 1)
	expect(t, "declined", r.c.Counts().Declined, 1)
	r.crash(0, true)
	expectChunks(t, "questions", r.proposes, wire.Chunk{Sequencer: id(0)})
}

// 4.7: A journal that holds two of our chunks for one height is none of ours.
func TestRule4_7_TwoProposalsForOneHeightAreNoJournalOfOurs(t *testing.T) {
	cfg := defaults(id(0))
	cfg.Sets = &view{world: newWorld(4, true), me: id(0)}
	c := New(cfg)
	for position, n := range []wire.Node{{Chunk: chunk(0, 0, 1)}, {Chunk: chunk(0, 0, 1)}} {
		if err := c.Recover(uint64(position+1), n.AppendTo([]byte{recordProposal})); err != nil {
			t.Fatal(err)
		}
	}
	other := wire.Node{Chunk: chunk(0, 0, 2)}
	if err := c.Recover(3, other.AppendTo([]byte{recordProposal})); !errors.Is(err, ErrRecord) {
		t.Fatalf("got %v", err)
	}
}

// 4.7: While no certificate comes, both are repeated every RebroadcastTimeout, whatever the
// reporter does.
func TestRule4_7_TheTipIsRepeatedWhileTheProcessIsPaused(t *testing.T) {
	r := newRig(t, 4, sequencing)
	r.propose(1)
	r.c.Pause(r.now, true)
	r.drain()
	r.pass(20 * time.Second)
	expect(t, "nodes", len(r.nodes), 5)
}
