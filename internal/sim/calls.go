package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// call is a call by the core that has not returned: a question to the application, or a request to
// a signer.
type call struct {
	kind   core.EffectKind
	chunk  wire.Chunk
	waits  bool // it returns only after its context has ended, or very late
	ended  bool // its context has ended
	answer func(current bool)
}

// begin starts a call. The call returns after a random time below limit or, if it waits, when its
// context has ended or patience has passed; patience 0 is no limit.
func (p *process) begin(e *core.Effect, limit time.Duration, waits bool, patience time.Duration, answer func(current bool)) {
	p.calls[e.Call] = &call{kind: e.Kind, chunk: e.Chunk, waits: waits, answer: answer}
	switch {
	case !waits:
		p.returnLater(e.Call, limit)
	case patience > 0:
		p.returnLater(e.Call, patience/2+p.net.upTo(patience))
	}
}

// returnLater makes a call return after a random time below limit, if it has not returned by then.
func (p *process) returnLater(number uint64, limit time.Duration) {
	p.later(limit, func() {
		if c := p.calls[number]; c != nil {
			delete(p.calls, number)
			p.observed.returned(c)
			c.answer(!c.ended)
		}
	})
}

// endCall ends the context of a call. A call that waits for that still takes a random time to
// return.
func (p *process) endCall(number uint64) {
	c := p.calls[number]
	if c == nil || c.ended {
		p.net.fail("4.5: %s: ends the context of call %d, which has returned or was ended before", p.name, number)
		return
	}
	p.net.Stats.Faults[CallsEnded]++
	c.ended = true
	if c.waits {
		p.returnLater(number, 4*p.net.Pace.Application)
	}
}

// returnWaiting makes the calls that wait for their contexts return.
func (p *process) returnWaiting() {
	for _, number := range slices.Sorted(maps.Keys(p.calls)) {
		if c := p.calls[number]; c.waits && !c.ended {
			p.returnLater(number, p.net.Pace.Application)
		}
	}
}

func (p *process) answerTime() time.Duration {
	if p.net.hit(p.net.Faults.SlowAnswer, AnswerSlow) {
		return 20 * p.net.Pace.Application
	}
	return p.net.Pace.Application
}

// lacks reports whether the payload of a chunk is lost on its way to this process. For one chunk it
// always returns the same.
func (p *process) lacks(chunk *wire.Chunk) bool {
	rate := p.net.Faults.LosePayload
	if p.net.faultsEnded && p.blind {
		rate = blindRate
	}
	if rate == 0 {
		return false
	}
	x := p.net.Seed ^ uint64(p.index)<<32 ^ chunk.Height<<40 ^ binary.BigEndian.Uint64(chunk.Sequencer[:])
	x ^= uint64(binary.BigEndian.Uint32(chunk.Payload[:]))
	x = (x ^ x>>31) * 0x9E3779B97F4A7C15
	x = (x ^ x>>29) * 0xBF58476D1CE4E5B9
	return (x>>33)%100 < uint64(rate)
}

// blindRate is the percentage of chunks whose payload a blind process never gets.
const blindRate = 40

func (p *process) askVerify(e *core.Effect) {
	n, chunk, number := p.net, e.Chunk, e.Call
	answer := core.Approved
	switch {
	case n.hit(n.Faults.Refuse, Refused):
		answer = core.Refused
	case n.hit(n.Faults.Doubt, Doubted):
		answer = core.Failed
	}
	limit := p.answerTime()
	waits, patience := p.lacks(&chunk), time.Duration(0)
	if waits {
		n.Stats.Faults[PayloadLost]++
		if !p.blind && n.chance(50) { // the payload comes late
			patience = 40 * n.Pace.Application
		}
	}
	if n.holds != nil && n.holds(p.index, &chunk) {
		waits, patience = true, 0
	}
	p.begin(e, limit, waits, patience, func(current bool) {
		n.history.line(n.now, p.name, "application on %s: %d, asked still %v", short(&chunk), answer, current)
		if current {
			p.observed.answered(chunk, answer)
		}
		p.c.ApplicationVerified(n.now, number, answer)
	})
}

func (p *process) askPropose(e *core.Effect) {
	n, height, number := p.net, e.Chunk.Height, e.Call
	n.payloads++
	var payload wire.Digest
	binary.BigEndian.PutUint32(payload[:], n.payloads)
	var err error
	if n.hit(n.Faults.Decline, Declined) {
		if err = core.ErrDeclined; n.payloads%3 == 0 {
			err = errProposal
		}
	}
	waits := n.hit(n.Faults.HangPropose, ProposalHung)
	p.begin(e, p.answerTime(), waits, 40*n.Pace.Application, func(current bool) {
		n.history.line(n.now, p.name, "application proposes for height %d: error %v, asked still %v", height, err, current)
		p.c.ApplicationProposed(n.now, number, payload, err)
	})
}

var (
	errProposal  = errors.New("sim: the application failed")
	errSignature = errors.New("sim: the signer failed")
)

// signers are the signers of a process. They remember all signed chunks, also through crashes, and
// fail the run at a second payload for one height.
type signers struct {
	chunks map[uint64]wire.Digest // of our lane, by height
	acks   map[place]wire.Digest
}

func newSigners() signers {
	return signers{make(map[uint64]wire.Digest), make(map[place]wire.Digest)}
}

func (p *process) signChunk(e *core.Effect) {
	n, number := p.net, e.Call
	if before, ok := p.signers.chunks[e.Chunk.Height]; ok && before != e.Chunk.Payload {
		n.fail("4.7: %s: its sequencer key is shown %s, and has been shown %x", p.name, short(&e.Chunk), before[:4])
	}
	p.signers.chunks[e.Chunk.Height] = e.Chunk.Payload
	signature, err := n.roster.signChunk(p.index, e.Chunk), error(nil)
	waits := n.hit(n.Faults.HangSigner, SignerHung)
	if waits || n.hit(n.Faults.SignFailure, SignatureFailed) {
		signature, err = wire.Signature{}, errSignature
	}
	p.begin(e, n.Pace.Sign, waits, 40*n.Pace.Sign, func(bool) { p.c.ChunkSigned(n.now, number, signature, err) })
}

func (p *process) signAck(e *core.Effect) {
	n, number := p.net, e.Call
	at := place{e.Chunk.Sequencer, e.Chunk.Height}
	if before, ok := p.signers.acks[at]; ok && before != e.Chunk.Payload {
		n.fail("5.1: %s: its ack signer is shown %s, and has been shown %x", p.name, short(&e.Chunk), before[:4])
	}
	p.signers.acks[at] = e.Chunk.Payload
	signature, err := e.Signer.SignAck(context.Background(), wire.Subject{Chunk: e.Chunk, Epoch: e.Epoch})
	rate := n.Faults.HangSigner
	if n.faultsEnded && p.blind {
		rate = blindRate / 4
	}
	waits := n.hit(rate, SignerHung)
	if n.hit(n.Faults.SignFailure, SignatureFailed) {
		signature, err = nil, errSignature
	}
	p.begin(e, n.Pace.Sign, waits, 0, func(bool) { p.c.AckSigned(n.now, number, signature, err) })
}
