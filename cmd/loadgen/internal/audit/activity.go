package audit

import "github.com/lanecast/lanecast/wire"

// Activity records what a member reports, unless it is a lock or a tip. Where all members are
// honest nothing else may be reported.
func (p *Problems) Activity(member string, a wire.Activity) {
	switch a := a.(type) {
	case *wire.Certified, *wire.Tip:
	case *wire.Conflict:
		c := &a.Proposal.Chunk
		p.Conflict("%s saw two payloads signed for lane %v height %d", member, c.Sequencer, c.Height)
	case *wire.LockConflict:
		c := &a.First.Chunk
		p.Conflict("%s saw two payloads locked for lane %v height %d", member, c.Sequencer, c.Height)
	case *wire.Fork:
		c := &a.Upper.Chunk
		p.Conflict("%s saw a fork of lane %v below height %d", member, c.Sequencer, c.Height)
	case *wire.ConflictingAcks:
		c := &a.First.Chunk
		p.Conflict("%s saw validator %d ack two payloads for lane %v height %d", member, a.First.Participant, c.Sequencer, c.Height)
	case *wire.InvalidAck:
		p.Fault("%s calls an ack of %v invalid", member, a.Peer)
	case *wire.InvalidNode:
		p.Fault("%s calls a node of %v invalid", member, a.Peer)
	case *wire.InvalidCertificate:
		p.Fault("%s calls a certificate of %v invalid", member, a.Peer)
	case *wire.InconsistentKeys:
		p.Fault("%s finds that the keys of epoch %d do not fit each other", member, a.Subject.Epoch)
	default:
		p.Fault("%s reports an unknown activity, tag %v", member, a.Tag())
	}
}
