package sim

import (
	"errors"
	"testing"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// The process has on disk the chunks of height 2 of its own lane and of another, and its
// application has approved both.
func TestTheObserverObjectsToEffects(t *testing.T) {
	payload := wire.Digest{7}
	other := wire.Digest{8}
	for name, c := range map[string]struct {
		good bool
		show func(p *process, own, theirs wire.Chunk) core.Effect
	}{
		"an ack": {true, func(_ *process, _, theirs wire.Chunk) core.Effect {
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack not approved of": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			clear(p.observed.approved)
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack below a lock": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.observed.highest[theirs.Sequencer] = 3
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack against a lock": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.observed.payloads[place{theirs.Sequencer, 2}] = other
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack against one of before a loss": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.acked[place{theirs.Sequencer, 2}] = other
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack above the mark": {true, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost, p.marks = true, map[wire.PublicKey]uint64{theirs.Sequencer: 1}
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack up to the mark": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost, p.marks = true, map[wire.PublicKey]uint64{theirs.Sequencer: 2}
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack where another lane had an unknown lock": {true, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost, p.marks = true, map[wire.PublicKey]uint64{}
			p.open = map[wire.PublicKey]bool{p.id: true}
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack on such a lane without one that counts": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost, p.marks = true, map[wire.PublicKey]uint64{}
			p.open = map[wire.PublicKey]bool{theirs.Sequencer: true}
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack on such a lane up to two above the first that counts": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost, p.marks = true, map[wire.PublicKey]uint64{}
			p.open, p.lowest = map[wire.PublicKey]bool{theirs.Sequencer: true}, map[wire.PublicKey]uint64{theirs.Sequencer: 1}
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"an ack while recovering": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.lost = true
			return core.Effect{Kind: core.SignAck, Chunk: theirs}
		}},
		"a chunk signed twice": {true, func(p *process, own, _ wire.Chunk) core.Effect {
			p.seen[place{p.id, 2}] = payload
			return core.Effect{Kind: core.SignChunk, Chunk: own}
		}},
		"a chunk signed before it is durable": {false, func(p *process, own, _ wire.Chunk) core.Effect {
			clear(p.observed.onDisk)
			return core.Effect{Kind: core.SignChunk, Chunk: own}
		}},
		"another chunk signed than was shown": {false, func(p *process, own, _ wire.Chunk) core.Effect {
			p.seen[place{p.id, 2}] = other
			return core.Effect{Kind: core.SignChunk, Chunk: own}
		}},
		"a second question before the first has ended": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.observed.called(&core.Effect{Kind: core.AskVerify, Chunk: theirs}).current = 1
			return core.Effect{Kind: core.AskVerify, Chunk: theirs}
		}},
		"a third question": {false, func(p *process, _, theirs wire.Chunk) core.Effect {
			p.observed.called(&core.Effect{Kind: core.AskVerify, Chunk: theirs})
			p.observed.called(&core.Effect{Kind: core.AskVerify, Chunk: theirs})
			return core.Effect{Kind: core.AskVerify, Chunk: theirs}
		}},
		"a question for a payload": {true, func(p *process, own, _ wire.Chunk) core.Effect {
			return core.Effect{Kind: core.AskPropose, Chunk: wire.Chunk{Sequencer: p.id, Height: 3}}
		}},
		"a question for a payload that is there": {false, func(_ *process, own, _ wire.Chunk) core.Effect {
			return core.Effect{Kind: core.AskPropose, Chunk: own}
		}},
		"a question for a payload in a pause": {false, func(p *process, _, _ wire.Chunk) core.Effect {
			p.intake.paused = true
			return core.Effect{Kind: core.AskPropose, Chunk: wire.Chunk{Sequencer: p.id, Height: 3}}
		}},
		"a process that stops": {false, func(*process, wire.Chunk, wire.Chunk) core.Effect {
			return core.Effect{Kind: core.Halt, Err: errors.New("stale")}
		}},
		"a process that stops, of whose chunks some were hidden": {true, func(p *process, _, _ wire.Chunk) core.Effect {
			p.forgot = true
			return core.Effect{Kind: core.Halt, Err: errors.New("stale")}
		}},
		"a process with an old journal that stops": {true, func(p *process, _, _ wire.Chunk) core.Effect {
			p.stale = true
			return core.Effect{Kind: core.Halt, Err: errors.New("stale")}
		}},
	} {
		n, err := New(Config{Processes: 4})
		if err != nil {
			t.Fatal(err)
		}
		p := n.processes[0]
		own := wire.Chunk{Sequencer: p.id, Height: 2, Payload: payload}
		theirs := wire.Chunk{Sequencer: n.processes[1].id, Height: 2, Payload: payload}
		p.observed = newObserved()
		for _, chunk := range []wire.Chunk{own, theirs} {
			p.observed.onDisk[place{chunk.Sequencer, 2}] = payload
			p.observed.approved[chunk.Sequencer] = chunk
		}
		e := c.show(p, own, theirs)
		n.observer.effect(p, &e)
		if (n.err == nil) != c.good {
			t.Errorf("%s: %v", name, n.err)
		}
	}
}

func TestTheObserverObjectsToLocksThatAreNotReportedAgain(t *testing.T) {
	n, err := New(Config{Processes: 4})
	if err == nil {
		err = n.Grow(2, growLimit)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := n.processes[0]
	p.owed[placeInEpoch{place{p.id, 1 << 20}, firstEpoch}] = true
	n.observer.started(p)
	if n.err == nil {
		t.Fatal("a lock is missing")
	}
}

func TestSignersGuardAgainstASecondPayload(t *testing.T) {
	for _, kind := range []core.EffectKind{core.SignChunk, core.SignAck} {
		n, err := New(Config{Processes: 4})
		if err != nil {
			t.Fatal(err)
		}
		p := n.processes[0]
		for i := range byte(2) {
			e := core.Effect{
				Kind: kind, Call: 100 + uint64(i), Chunk: wire.Chunk{Sequencer: p.id, Height: 9, Payload: wire.Digest{i}}, Epoch: firstEpoch,
				Signer: n.roster.signer(p.id, firstEpoch),
			}
			p.carryOut(&e)
			if (n.err != nil) != (i == 1) {
				t.Fatalf("%v, payload %d: %v", kind, i, n.err)
			}
		}
	}
}
