package core

// Outcome is the outcome of a message.
type Outcome uint8

const (
	// Accepted is an ack that was counted, or a node or certificate that went to verification or
	// waits for it.
	Accepted Outcome = iota
	// Duplicate is a node whose chunk is the tip or is being verified, an ack that was counted
	// before, or a certificate that waits already.
	Duplicate
	// Malformed is a sequence of bytes that does not decode.
	Malformed
	// UnknownEpoch means that the validators or sequencers of its epoch are not known.
	UnknownEpoch
	// EpochOutOfBounds means that the epoch of the ack or certificate is too old or too new.
	EpochOutOfBounds
	// HeightOutOfBounds means that the ack's height is too low or too high for its lane.
	HeightOutOfBounds
	// UnknownSequencer is an ack or certificate whose sequencer is no sequencer of its epoch.
	UnknownSequencer
	// NotNow is a node whose sequencer is no sequencer of the current epoch. It may be one in
	// another epoch, which may be out of bounds.
	NotNow
	// HeightTooLow is a node below the tip, or a certificate below the last two of its lane.
	HeightTooLow
	// PayloadMismatch is an ack for another payload than the tip's.
	PayloadMismatch
	// WrongPeer is a node that its sequencer did not send itself, or an ack with the participant
	// number of another peer.
	WrongPeer
	// NotValidator is an ack from a peer that is no validator of that epoch.
	NotValidator
	// Conflicting is a second ack of one validator, for another payload; or a node whose conflict
	// has been reported.
	Conflicting
	// Certified is an ack for a chunk that has a certificate already, or that certificate again.
	Certified
	// NoRoom is an ack or certificate beyond the memory that its sender may use.
	NoRoom
	// Busy is a node of a lane that has one in verification and another waiting, or a certificate
	// while a higher one of its lane and sender waits.
	Busy
	// Invalid is a node or certificate whose verification failed.
	Invalid
	// Stale is a node or certificate that became obsolete because the tip or the epoch changed
	// meanwhile, or that got no verdict.
	Stale
	// Replaced is a node or certificate that waited and was replaced by a higher one of its lane.
	Replaced
	// OtherLane is an ack for a lane that is not ours, where acks go to the sequencer only.
	OtherLane
	// Stopped means that the core is not running.
	Stopped

	numOutcomes
)

var outcomeNames = [numOutcomes]string{
	"accepted", "duplicate", "malformed", "unknown_epoch", "epoch_out_of_bounds", "height_out_of_bounds",
	"unknown_sequencer", "not_now", "height_too_low", "payload_mismatch", "wrong_peer", "not_validator", "conflicting", "certified",
	"no_room", "busy", "invalid", "stale", "replaced", "other_lane", "stopped",
}

func (o Outcome) String() string {
	if o < numOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// Invalid reports whether no honest peer sends such a message, even if the peer has missed messages
// and however late the message is. By docs/protocol.md 4.6 not all of them are reported, since many
// cost their sender nothing.
func (o Outcome) Invalid() bool {
	switch o {
	case Malformed, UnknownSequencer, WrongPeer, NotValidator, Conflicting, Invalid:
		return true
	}
	return false
}

// Outcomes returns all outcomes, in order of their values.
func Outcomes() []Outcome {
	all := make([]Outcome, numOutcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// Status is the result of an attempt of our own, in upstream's words.
type Status uint8

const (
	// Success means that it was done.
	Success Status = iota
	// Failure means that it could not be done.
	Failure
	// Dropped means that it became obsolete.
	Dropped
	// None means that the application reached no verdict. Only its verdicts have this status.
	None

	numStatuses = None
	numVerdicts = None + 1
)

func (s Status) String() string {
	return [...]string{"success", "failure", "dropped", "none"}[s]
}

// Counts are cumulative numbers of events, and a few gauges. They are for metrics only.
type Counts struct {
	Acks  [numOutcomes]uint64 // messages, by outcome on arrival
	Nodes [numOutcomes]uint64 // messages on arrival, and Invalid, Stale and Replaced once more

	CertificateMessages [numOutcomes]uint64 // as Nodes; Certified are those without news

	Proposals           [numStatuses]uint64 // attempts to make our next chunk
	Declined            uint64              // requests for a payload that the application declined
	Broadcasts          [numStatuses]uint64 // first broadcasts of our chunks and repeated ones; a pause counts once
	Rebroadcasts        [numStatuses]uint64 // only the repeated ones
	ApplicationVerdicts [numVerdicts]uint64 // the application's answers: true, false, too late, no verdict
	OwnAcks             [numStatuses]uint64 // our acks signed, failed to be signed, or obsolete

	NodesVerified uint64 // nodes whose signatures were found valid
	AcksInvalid   uint64 // acks proven invalid by signature
	Certificates  uint64 // certificates assembled here
	Locks         uint64 // new certificates, assembled or received

	CertificatesReceived uint64 // certificate messages found valid

	ParentsWithOurs    uint64 // parent certificates in nodes of others that include an ack of ours
	ParentsWithoutOurs uint64 // those that include none, of epochs in which this process is a validator

	VoteBatches    uint64 // statements made of votes
	VoteFailures   uint64 // those of them that held an invalid vote or made no certificate
	ParentsDropped uint64 // parent certificates of replaced nodes that are not verified: no room, no epoch
	KeyFaults      uint64 // statements that failed because keys of a set do not fit each other
	Faults         uint64 // fault activities reported

	Suspects  int // gauge: validators under suspicion
	VoteBytes int // gauge: memory of waiting acks
	Votes     int // gauge: waiting acks
	Waiting   int // gauge: quorums of acks that wait for a free verification place
	Lanes     int // gauge: lanes that are not dormant
	Dormant   int // gauge: lanes of sequencers that are in no known epoch within bounds

	Abstaining   int     // gauge: lanes on which this process does not ack yet, since our journal was lost
	AbstainingTo uint64  // gauge: the highest height up to which it does not ack on any of them
	OwnLane      OwnLane // what keeps our own lane from growing, besides application and validators
}

// Counts returns the counts so far. The pointer stays valid; its contents change with every event.
func (c *Core) Counts() *Counts {
	votes := c.votes.Counts()
	c.counts.AcksInvalid, c.counts.Certificates = votes.Invalid, votes.Certificates
	c.counts.VoteBatches, c.counts.VoteFailures, c.counts.KeyFaults = votes.Statements, votes.Failures, votes.KeyFaults
	c.counts.Suspects, c.counts.VoteBytes = votes.Suspects, votes.Bytes
	c.counts.Votes, c.counts.Waiting = votes.Votes, votes.Ready
	c.counts.Lanes, c.counts.Dormant = c.lanes.count()
	c.counts.Abstaining, c.counts.AbstainingTo = c.Abstaining()
	c.counts.OwnLane = c.ownLane()
	return &c.counts
}
