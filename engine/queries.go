package engine

import (
	"context"
	"time"

	"github.com/lanecast/lanecast/internal/core"
	"github.com/lanecast/lanecast/wire"
)

// Status is the progress of an engine, and the number of things that wait in it.
type Status struct {
	Epoch        uint64
	EpochsNeeded []uint64 // see Engine.EpochsNeeded
	Lanes        []Lane   // ascending by sequencer, without dormant ones

	Peers          int   // handles
	Inbox          int   // messages that wait to be taken in
	Statements     int   // statements that wait for a verification worker
	PendingReports int   // reports that wait for the Reporter
	Outbox         int   // messages that wait for the Sender
	VolatileBytes  int64 // bytes that wait to become durable
	VoteBytes      int   // memory of acks that wait for their quorum
	Suspects       int   // validators that sent an invalid ack lately
	Paused         bool  // no messages are taken: the Reporter or the disk is behind
	Unreported     int   // locks whose records stay in the journal until the Reporter has returned

	Dormant      int    // lanes of sequencers that are in no known epoch within bounds; not among Lanes
	Recovering   bool   // the journal was lost, and nothing is signed until locks have been adopted
	Abstaining   int    // lanes on which nothing is acked yet, since the journal was lost
	AbstainingTo uint64 // the highest height up to which nothing is acked on any of them
	OwnLane      string // "free", or the reason that blocks our own lane: "recovering", "ended", "behind", "contradicted"

	Counters Counters

	counts core.Counts        // for the metrics, which have more than Counters
	ratios [numLimits]float64 // need of the sets, as parts of the limits
}

// Lane is the progress of one sequencer's lane.
type Lane struct {
	Sequencer wire.PublicKey
	// Tip is the height of the highest node accepted. HasTip reports whether there is one, Durable
	// whether it is on disk.
	Tip             uint64
	HasTip, Durable bool
	// Certified is the highest certified height. HasCertified reports whether there is one.
	Certified    uint64
	HasCertified bool
	// Slots is the number of (height, epoch) pairs for which acks wait.
	Slots int
}

// Counters are totals since New.
type Counters struct {
	AcksReceived uint64 // taken in, whatever became of them
	AcksAccepted uint64 // counted towards a quorum, before their signature was verified
	AcksInvalid  uint64 // acks that do not decode or whose signature was proven wrong

	NodesReceived uint64 // taken in, whatever became of them
	NodesAccepted uint64 // nodes that verified
	NodesInvalid  uint64 // that do not decode or did not verify

	CertificatesReceived uint64 // certificate messages found valid
	CertificatesInvalid  uint64 // that do not decode or did not verify

	Certificates uint64 // assembled here
	Locks        uint64 // new certificates, assembled here or received
	Faults       uint64 // faults reported

	Statements uint64 // verified
	Splits     uint64 // batch checks that failed

	InboxDropped  uint64 // messages refused at Deliver, over quota or too large
	OutboxDropped uint64 // messages dropped because the Sender was behind

	OwnChunksRefused uint64 // chunks that Recover was given as ours, without our signature
}

// Tip returns the highest node accepted in a lane, without its parent, and false if there is none.
// The node may not be durable yet. The loop answers this and all other queries, between messages: a
// query waits for Run to begin, and returns ErrStopped once the engine is stopping, or ctx's error.
// Collaborators may query the engine as well.
func (e *Engine) Tip(ctx context.Context, sequencer wire.PublicKey) (wire.Proposal, bool, error) {
	type found struct {
		proposal wire.Proposal
		ok       bool
	}
	f, err := ask(ctx, e, func() (f found) {
		f.proposal, f.ok = e.core.Tip(sequencer)
		return f
	})
	return f.proposal, f.ok, err
}

// Certificate returns the certificate held for a height of a lane, of the newest epoch if there are
// several; false if there is none. The last two certified heights of every lane are held. The
// certificate must not be changed.
func (e *Engine) Certificate(ctx context.Context, sequencer wire.PublicKey, height uint64) (wire.Lock, bool, error) {
	type found struct {
		lock wire.Lock
		ok   bool
	}
	f, err := ask(ctx, e, func() (f found) {
		f.lock, f.ok = e.core.Certificate(sequencer, height)
		return f
	})
	return f.lock, f.ok, err
}

// EpochsNeeded returns, ascending, the epochs whose sets the providers must keep: those within
// bounds, those of the tip or of a certificate of a lane, verified or in verification, and those of
// the parents of nodes that are not verified yet. The last kind may include epochs that the
// providers lack, in a process that joined or fell behind: a log line reports that, and the lane
// needs their sets, which the host gets from the source of its history (see [Epochs.Add]).
func (e *Engine) EpochsNeeded(ctx context.Context) ([]uint64, error) {
	return ask(ctx, e, e.core.EpochsNeeded)
}

// Status returns the progress of the engine.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	return ask(ctx, e, e.status)
}

// ask makes the loop call read, and returns its result.
func ask[T any](ctx context.Context, e *Engine, read func() T) (T, error) {
	var none T
	// The loop's queue has no bound, so nothing is put into it unless the loop runs.
	select {
	case <-e.looping:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-e.silent:
		return none, ErrStopped
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	answer := make(chan T, 1)
	e.onLoop(func(time.Duration) { answer <- read() })
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return none, ctx.Err()
	case <-e.silent:
		return none, ErrStopped
	}
}

// status returns the Status; the loop calls it.
func (e *Engine) status() Status {
	c := e.core.Counts()
	checks := e.verifier.Counters()
	s := Status{
		counts:         *c,
		ratios:         e.setLimits.ratios(),
		Epoch:          e.core.Epoch(),
		EpochsNeeded:   e.core.EpochsNeeded(),
		Inbox:          e.inbox.Len(),
		Statements:     e.verifier.Waiting() + c.Waiting,
		PendingReports: e.reports.len(),
		Outbox:         len(e.outbox),
		VolatileBytes:  e.journal.Pending(),
		VoteBytes:      c.VoteBytes,
		Suspects:       c.Suspects,
		Paused:         e.paused,
		Unreported:     e.core.Unreported(),
		Dormant:        c.Dormant,
		Recovering:     e.core.Recovering(),
		Abstaining:     c.Abstaining,
		AbstainingTo:   c.AbstainingTo,
		OwnLane:        c.OwnLane.String(),
		Counters: Counters{
			AcksReceived:  sum(c.Acks[:]),
			AcksAccepted:  c.Acks[core.Accepted],
			AcksInvalid:   c.Acks[core.Malformed] + c.AcksInvalid,
			NodesReceived: sum(c.Nodes[:]) - c.Nodes[core.Invalid] - c.Nodes[core.Stale] - c.Nodes[core.Replaced],
			NodesAccepted: c.NodesVerified,
			NodesInvalid:  c.Nodes[core.Malformed] + c.Nodes[core.Invalid],
			Certificates:  c.Certificates,

			CertificatesReceived: c.CertificatesReceived,
			CertificatesInvalid:  c.CertificateMessages[core.Malformed] + c.CertificateMessages[core.Invalid],

			Locks:         c.Locks,
			Faults:        c.Faults,
			Statements:    checks.Statements,
			Splits:        checks.Splits,
			InboxDropped:  e.drops.peerFull.Load() + e.drops.tooLarge.Load(),
			OutboxDropped: e.drops.outbox.Load(),

			OwnChunksRefused: e.drops.ownChunks.Load(),
		},
	}
	s.counts.Broadcasts[core.Success] -= e.unsent
	s.counts.Broadcasts[core.Failure] += e.unsent
	s.counts.Rebroadcasts[core.Success] -= e.unsentAgain
	s.counts.Rebroadcasts[core.Failure] += e.unsentAgain
	for _, l := range e.core.Lanes() {
		s.Lanes = append(s.Lanes, Lane(l))
	}
	e.mu.Lock()
	s.Peers = len(e.peers)
	e.mu.Unlock()
	return s
}

func sum(counts []uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}
