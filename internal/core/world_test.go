package core

import (
	"github.com/lanecast/lanecast/internal/sim/model"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// world is the sets of every epoch: validators, sequencers, and their keys.
type world struct {
	schemes    map[uint64]*model.Scheme
	sequencers map[uint64][]wire.PublicKey
}

func id(i int) wire.PublicKey { return wire.PublicKey{byte(i >> 8), byte(i), 0xA5} }

func ids(n int) []wire.PublicKey {
	all := make([]wire.PublicKey, n)
	for i := range all {
		all[i] = id(i)
	}
	return all
}

func payload(i int) wire.Digest { return wire.Digest{byte(i >> 8), byte(i), 0xD1} }

// newWorld makes validators id(0) … id(n−1) in epochs 0 to 20, all of them sequencers, and one more
// sequencer, id(1000).
func newWorld(n int, attributable bool) *world {
	w := &world{map[uint64]*model.Scheme{}, map[uint64][]wire.PublicKey{}}
	kind := model.Group
	if attributable {
		kind = model.List
	}
	for e := range uint64(21) {
		w.schemes[e] = model.New(kind, ids(n), e)
		w.sequencers[e] = append(ids(n), id(1000))
	}
	return w
}

// view is the world as one process knows it. A view may lack sets.
type view struct {
	*world
	me       wire.PublicKey
	unknown  map[uint64]bool // epochs whose sets are not known yet
	noSigner bool
	stray    bool           // there is a signer although this process is no validator
	signers  int            // lookups of a signer
	asked    map[uint64]int // lookups of a scheme, if not nil
}

func (v *view) Scheme(e uint64) (verify.Scheme, bool) {
	if v.asked != nil {
		v.asked[e]++
	}
	s, ok := v.schemes[e]
	return s, ok && !v.unknown[e]
}

func (v *view) AckSigner(e uint64) verify.AckSigner {
	v.signers++
	i, ok := v.schemes[e].Index(v.me)
	if v.stray {
		return model.Signer{Scheme: v.schemes[e]}
	}
	if !ok || v.noSigner {
		return nil
	}
	return model.Signer{Scheme: v.schemes[e], Index: i}
}

func (v *view) Sequencers(e uint64) ([]wire.PublicKey, bool) {
	s, ok := v.sequencers[e]
	return s, ok && !v.unknown[e]
}

// decide decides a statement, one by one and without shortcuts.
func decide(st *verify.Statement) *verify.Verdict { return model.Decide(st, model.ChunkValid) }

func (w *world) validLock(l *wire.Lock) bool {
	st := &verify.Statement{Scheme: w.schemes[l.Epoch], Subject: l.Subject(), Certificate: l.Certificate}
	return decide(st).CertificateValid
}

// validator returns participant i of an epoch.
func (w *world) validator(epoch uint64, i int) wire.PublicKey {
	return w.schemes[epoch].Participants()[i]
}

func (w *world) ack(i int, c wire.Chunk, epoch uint64) []byte {
	p := wire.Participant(i)
	subject := wire.Subject{Chunk: c, Epoch: epoch}
	a := wire.Ack{Chunk: c, Epoch: epoch, Participant: p, Signature: w.schemes[epoch].Sign(p, subject)}
	return a.AppendTo(nil)
}

func (w *world) badAck(i int, c wire.Chunk, epoch uint64) []byte {
	b := w.ack(i, c, epoch)
	b[len(b)-1] ^= 1
	return b
}

// lock returns the lock of a chunk from the given participants, or from the last quorum, which
// excludes id(0) if n > 3.
func (w *world) lock(c wire.Chunk, epoch uint64, by ...int) wire.Lock {
	s := w.schemes[epoch]
	n := s.Format().Participants
	signers := wire.NewSigners(n)
	for i := range verify.Quorum(n) {
		if by == nil {
			signers.Add(wire.Participant(n - 1 - i))
		}
	}
	for _, i := range by {
		signers.Add(wire.Participant(i))
	}
	subject := wire.Subject{Chunk: c, Epoch: epoch}
	return wire.Lock{Chunk: c, Epoch: epoch, Certificate: s.Certificate(subject, signers,
		func(i wire.Participant) []byte { return s.Sign(i, subject) })}
}

func chunk(sequencer int, height uint64, p int) wire.Chunk {
	return wire.Chunk{Sequencer: id(sequencer), Height: height, Payload: payload(p)}
}

// genesis returns a sequencer's node at height 0.
func genesis(sequencer, p int) wire.Node {
	c := chunk(sequencer, 0, p)
	return wire.Node{Chunk: c, Signature: model.SignChunk(c)}
}

// on returns the node above a lock.
func on(parent wire.Lock, p int) wire.Node {
	c := wire.Chunk{Sequencer: parent.Chunk.Sequencer, Height: parent.Chunk.Height + 1, Payload: payload(p)}
	return wire.Node{
		Chunk: c, Signature: model.SignChunk(c),
		Parent: wire.Parent{Payload: parent.Chunk.Payload, Epoch: parent.Epoch, Certificate: parent.Certificate},
	}
}

// node returns the node at a height whose parent, at the height below, has payload parent and a
// certificate of epoch.
func (w *world) node(sequencer int, height uint64, p, parent int, epoch uint64) wire.Node {
	return on(w.lock(chunk(sequencer, height-1, parent), epoch), p)
}
