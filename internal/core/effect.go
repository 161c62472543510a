package core

import (
	"time"

	"github.com/lanecast/lanecast/internal/shrink"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// EffectKind is the kind of work that the driver must do.
type EffectKind uint8

// The fields in braces are the fields of [Effect] that the kind uses.
const (
	// Verify {Statement}: have the statement verified, then call SignaturesVerified.
	Verify EffectKind = iota + 1
	// Append {Position, Bytes}: append the record to the journal, which must give it that Position;
	// Durable later. Bytes are valid until Done.
	Append
	// Release {Position}: the record is dead.
	Release
	// SignChunk {Call, Chunk}: have our sequencer key sign the chunk, then call ChunkSigned.
	SignChunk
	// SignAck {Call, Chunk, Epoch, Signer}: have Signer sign our ack, then call AckSigned.
	SignAck
	// SendNode, SendAck and SendCertificate {Recipients, Bytes, Alone}: send the message to each
	// recipient. Neither slice ever changes. Alone means that a node is sent only to a peer that
	// has come back, and belongs to no Broadcast.
	SendNode
	SendAck
	SendCertificate
	// Broadcast {Chunk, Parent, Recipients, Again}: send the payload of our chunk to the other
	// validators of the current epoch. Again means that the chunk was sent before.
	Broadcast
	// AskPropose {Call, Chunk, Parent}: ask the application for a payload at Chunk.Height of our
	// lane, then call ApplicationProposed.
	AskPropose
	// AskVerify {Call, Chunk, Parent}: ask the application whether the chunk is valid, then call
	// ApplicationVerified.
	AskVerify
	// Cancel {Call}: end the context of the call. It still returns, and is fed back like any other.
	Cancel
	// Report {Activity, Elapsed}: pass the activity to the reporter, and call Reported once it has
	// returned. Elapsed is set on the lock of our own chunk: the time since its payload was
	// proposed in this run.
	Report
	// Warn {Chunk, Err}: tell the operator of Err, which concerns the chunk.
	Warn
	// Halt {Err}: stop the process for the reason Err. No event has any effect from then on.
	Halt
)

func (k EffectKind) String() string {
	names := [...]string{"none", "verify", "append", "release", "sign-chunk", "sign-ack", "send-node", "send-ack",
		"send-certificate", "broadcast", "ask-propose", "ask-verify", "cancel", "report", "warn", "halt"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Effect is one piece of work for the driver. Only the fields that its Kind names are set.
type Effect struct {
	Kind       EffectKind
	Statement  *verify.Statement
	Position   uint64
	Bytes      []byte
	Call       uint64
	Chunk      wire.Chunk
	Parent     wire.Digest // payload of the chunk below; zero if there is none or if it is not known
	Epoch      uint64
	Signer     verify.AckSigner
	Recipients []wire.PublicKey
	Again      bool
	Alone      bool
	Activity   wire.Activity
	Elapsed    time.Duration
	Err        error
}

// effects are the effects not yet executed, in order.
type effects struct {
	list    []Effect
	scratch []byte // backs the Bytes of Append effects
}

// emit appends an effect and returns it to be filled in.
func (f *effects) emit(kind EffectKind) *Effect {
	f.list = append(f.list, Effect{Kind: kind})
	return &f.list[len(f.list)-1]
}

// encode returns the bytes of a record, which are valid until the effects have been executed.
func (f *effects) encode(kind byte, r record) []byte {
	start := len(f.scratch)
	f.scratch = r.AppendTo(append(f.scratch, kind))
	return f.scratch[start:len(f.scratch):len(f.scratch)]
}

// Effects returns the effects not yet executed, in order. The slice is reused after Done.
func (c *Core) Effects() []Effect { return c.effects.list }

// The reused memory is bounded: the memory of many effects at once is not kept.
const (
	maxEffects = 4096    // about a megabyte
	maxScratch = 1 << 20 // bytes of records
)

// Done reports that all effects have been executed or passed on.
func (c *Core) Done() {
	c.effects.list = shrink.Slice(c.effects.list, maxEffects)
	c.effects.scratch = shrink.Slice(c.effects.scratch, maxScratch)
}
