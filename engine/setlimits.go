package engine

import (
	"sync/atomic"

	"github.com/lanecast/lanecast/aggregate"
	"github.com/lanecast/lanecast/wire"
)

// Limits on memory must fit the sets of the network: a large set has large certificates, many peers
// and many votes. The need of a set is known once the set is, which may be long after New. So each
// epoch's sets are compared with the limits when they become known. The engine raises limits that
// Config leaves to it, up to a bound, and never lowers them in a run. For the others it logs the
// field and the value that it needs.

const (
	// minAck is the longest ack taken while no set with longer acks is known.
	minAck = 512
	// minLong is the least bound on the bytes of nodes and certificates of one peer.
	minLong = 1 << 20
	// mostVoteBytes bounds MaxVoteBytes where the engine chooses it.
	mostVoteBytes = 1 << 30
	// sparePeers is the number of handles beyond those that an epoch needs, where the engine
	// chooses MaxPeers.
	sparePeers = 64
)

// limitField is a field of Config that must fit the sets.
type limitField uint8

const (
	limitMessage limitField = iota
	limitVotes
	limitPeers
	numLimits
)

func (f limitField) String() string {
	return [numLimits]string{"MaxMessage", "MaxVoteBytes", "MaxPeers"}[f]
}

// setLimits holds the limits that must fit the sets, and the needs of the sets. The loop writes it.
type setLimits struct {
	node, ack atomic.Int64 // the longest node or certificate, and ack, taken; others read them

	values [numLimits]int
	chosen [numLimits]bool // the engine chose it, and may raise it
	needed [numLimits]int  // by any epoch whose sets were known in this run
}

// most is the bound up to which the engine raises a limit that it chose.
var most = [numLimits]int{limitMessage: maxMessage, limitVotes: mostVoteBytes}

// fits reports whether a message may be taken in. Any goroutine may call it.
func (l *setLimits) fits(kind Kind, size int) bool {
	if kind == KindAck {
		return int64(size) <= l.ack.Load()
	}
	return int64(size) <= l.node.Load()
}

// maxLong returns the number of bytes of nodes and certificates of one peer that may wait. They can
// be ten thousand times as long as acks, so a number of messages does not bound them.
func (l *setLimits) maxLong() int64 { return max(minLong, 4*l.node.Load()) }

// setMessage sets the length of the longest message taken to size, and that of the longest ack to
// the lesser of ack and size.
func (l *setLimits) setMessage(size, ack int) {
	l.values[limitMessage] = size
	l.node.Store(int64(size))
	l.ack.Store(int64(min(size, max(ack, int(l.ack.Load()), minAck))))
}

// newSetLimits returns the configured limits. given is the configuration before defaults were
// filled in.
func newSetLimits(cfg, given *Config) *setLimits {
	l := &setLimits{
		values: [numLimits]int{cfg.MaxMessage, cfg.MaxVoteBytes, cfg.MaxPeers},
		chosen: [numLimits]bool{limitMessage: given.MaxMessage == 0, limitVotes: given.MaxVoteBytes == 0},
	}
	l.setMessage(cfg.MaxMessage, minAck)
	return l
}

// ratios returns the needs of the sets as parts of the limits.
func (l *setLimits) ratios() (all [numLimits]float64) {
	for f := range all {
		all[f] = float64(l.needed[f]) / float64(l.values[f])
	}
	return all
}

// needs returns the sets' need of each limit, in the process of an identity that counts the votes
// of some lanes, and the length of their acks.
func needs(identity wire.PublicKey, f wire.Format, validators, sequencers []wire.PublicKey, lanes int) (needed [numLimits]int, ack int) {
	highest := wire.Chunk{Height: 1<<64 - 1}
	node := wire.Node{Chunk: highest, Parent: wire.Parent{Epoch: 1<<64 - 1}}
	needed[limitMessage] = node.Size() + f.MaxCertificateSize()
	// Votes for the next two heights of each lane are needed now. One half of the memory is certain
	// for them: the other half may be full of votes that are not needed.
	needed[limitVotes] = int(min(2*2*int64(lanes)*int64(aggregate.SlotBytes(f)), maxBytes))
	needed[limitPeers] = peersOf(identity, validators, sequencers)
	a := wire.Ack{Chunk: highest, Epoch: 1<<64 - 1, Participant: 1<<32 - 1}
	return needed, a.Size() + f.AckSignature
}

// peersOf returns the number of identities in both lists together, without our own.
func peersOf(identity wire.PublicKey, validators, sequencers []wire.PublicKey) int {
	all := make(map[wire.PublicKey]struct{}, len(validators))
	for _, list := range [][]wire.PublicKey{validators, sequencers} {
		for _, id := range list {
			all[id] = struct{}{}
		}
	}
	delete(all, identity)
	return len(all)
}

// checkSetLimits compares the limits with the needs of the sets of an epoch that became known.
func (e *Engine) checkSetLimits(epoch uint64) {
	scheme, ok := e.sets.Scheme(epoch)
	if !ok {
		return
	}
	sequencers, ok := e.sets.usableSequencers(epoch)
	if !ok {
		return
	}
	l := e.setLimits
	lanes := len(sequencers)
	if e.cfg.Acks == AcksToSequencer {
		lanes = min(lanes, 1) // our own
	}
	needed, ack := needs(e.cfg.Identity, scheme.Format(), scheme.Participants(), sequencers, lanes)
	l.setMessage(l.values[limitMessage], ack)
	for f, need := range needed {
		field := limitField(f)
		if need <= l.needed[f] {
			continue // as an epoch before it
		}
		l.needed[f] = need
		if raised := min(need, most[f]); l.chosen[f] && raised > l.values[f] {
			e.raise(field, raised, ack)
		}
		if need > l.values[f] {
			e.log.Warn(field.String()+" is too small for the epoch: "+tooSmall[f], "epoch", epoch, field.String(), l.values[f],
				"needed", need, "validators", scheme.Format().Participants, "sequencers", len(sequencers))
		}
	}
}

// tooSmall holds the consequence of a limit that is too small.
var tooSmall = [numLimits]string{
	limitMessage: "nodes above height 0 are refused",
	limitVotes:   "acks can be dropped",
	limitPeers:   "not every validator and sequencer can have a handle",
}

func (e *Engine) raise(f limitField, limit, ack int) {
	e.log.Info(f.String()+" grows with the sets", "from", e.setLimits.values[f], "to", limit)
	e.setLimits.values[f] = limit
	switch f {
	case limitMessage:
		e.setLimits.setMessage(limit, ack)
	case limitVotes:
		e.core.SetMaxVoteBytes(limit)
	}
}
