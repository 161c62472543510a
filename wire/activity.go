package wire

// Tag is the first byte of an encoded [Activity].
type Tag byte

// Tags below 0x10 are commonware's, the others ours.
const (
	TagTip             Tag = 0x00
	TagLock            Tag = 0x01
	TagConflict        Tag = 0x10
	TagLockConflict    Tag = 0x11
	TagConflictingAcks Tag = 0x12
	TagInvalidAck      Tag = 0x13
	TagInvalidNode     Tag = 0x14

	TagInvalidCertificate Tag = 0x15
	TagFork               Tag = 0x16
	TagInconsistentKeys   Tag = 0x17
)

var tagNames = map[Tag]string{
	TagTip: "tip", TagLock: "lock", TagConflict: "conflict", TagLockConflict: "lock-conflict",
	TagConflictingAcks: "conflicting-acks", TagInvalidAck: "invalid-ack", TagInvalidNode: "invalid-node",
	TagInvalidCertificate: "invalid-certificate", TagFork: "fork", TagInconsistentKeys: "inconsistent-keys",
}

// String returns the tag's name in lower case, "unknown" for one that is not assigned.
func (t Tag) String() string {
	if name, ok := tagNames[t]; ok {
		return name
	}
	return "unknown"
}

// Activity is one report of an engine: a [*Tip], a [*Certified], one of the faults [*Conflict],
// [*LockConflict], [*ConflictingAcks], [*InvalidAck], [*InvalidNode], [*InvalidCertificate], or
// [*InconsistentKeys], which blames no process. A [*Fork] is reported by package replica. No other
// package can add one.
type Activity interface {
	// Tag returns the kind of the report.
	Tag() Tag
	// Size returns the length of the encoding in bytes, tag included.
	Size() int
	// AppendTo appends the tag and the encoding to dst.
	AppendTo(dst []byte) []byte
	activity()
}

// Tip reports that the application accepted the highest proposal of its lane: 0x00 ‖ Proposal.
type Tip struct{ Proposal Proposal }

// Certified reports a lock: 0x01 ‖ Lock.
type Certified struct{ Lock Lock }

// Conflict shows that a sequencer signed two payloads for one height, or signed another chunk than
// the network locked. Evidence:
//
//	0x10 ‖ Proposal ‖ 0x00 ‖ Proposal    the second is Other
//	0x10 ‖ Proposal ‖ 0x01 ‖ Lock        the second is Lock
type Conflict struct {
	Proposal Proposal
	Other    Proposal // when Lock is nil
	Lock     *Lock
}

// LockConflict shows that two quorums certified different payloads for one height of a lane.
// Evidence: 0x11 ‖ Lock ‖ Lock.
type LockConflict struct{ First, Second Lock }

// ConflictingAcks shows that a validator signed two payloads for one height of a lane in one epoch.
// It is evidence if the scheme is attributable: 0x12 ‖ Ack ‖ Ack.
type ConflictingAcks struct{ First, Second Ack }

// InvalidAck is a message that an authenticated peer sent as an ack and that is not a valid one: it
// does not decode, or its signature is proven wrong. It is no evidence for others, because any
// process could have made it. 0x13 ‖ peer [32] ‖ varint u32 length ‖ message.
type InvalidAck struct {
	Peer    PublicKey
	Message []byte
}

// InvalidNode is an invalid message that a peer sent as a node; otherwise like InvalidAck: 0x14 ‖
// peer [32] ‖ varint u32 length ‖ message.
type InvalidNode struct {
	Peer    PublicKey
	Message []byte
}

// InvalidCertificate is an invalid message that a peer sent as a certificate; otherwise like
// InvalidAck: 0x15 ‖ peer [32] ‖ varint u32 length ‖ message.
type InvalidCertificate struct {
	Peer    PublicKey
	Message []byte
}

// InconsistentKeys is a quorum of acks on Subject, each proven valid, whose combination is no valid
// certificate: the keys of that epoch's validators, as this process has them, do not fit each
// other. It blames no process and is no evidence: an operator has to check the configuration. 0x17
// ‖ Chunk ‖ varint epoch ‖ Signers.
type InconsistentKeys struct {
	Subject Subject
	Signers Signers
}

// Tag returns TagTip.
func (*Tip) Tag() Tag { return TagTip }

// Tag returns TagLock.
func (*Certified) Tag() Tag { return TagLock }

// Tag returns TagConflict.
func (*Conflict) Tag() Tag { return TagConflict }

// Tag returns TagLockConflict.
func (*LockConflict) Tag() Tag { return TagLockConflict }

// Tag returns TagConflictingAcks.
func (*ConflictingAcks) Tag() Tag { return TagConflictingAcks }

// Tag returns TagInvalidAck.
func (*InvalidAck) Tag() Tag { return TagInvalidAck }

// Tag returns TagInvalidNode.
func (*InvalidNode) Tag() Tag { return TagInvalidNode }

// Tag returns TagInvalidCertificate.
func (*InvalidCertificate) Tag() Tag { return TagInvalidCertificate }

// Tag returns TagInconsistentKeys.
func (*InconsistentKeys) Tag() Tag { return TagInconsistentKeys }

// Size returns the length of the encoding in bytes.
func (a *Tip) Size() int { return 1 + a.Proposal.Size() }

// Size returns the length of the encoding in bytes.
func (a *Certified) Size() int { return 1 + a.Lock.Size() }

// Size returns the length of the encoding in bytes.
func (a *Conflict) Size() int {
	if a.Lock != nil {
		return 2 + a.Proposal.Size() + a.Lock.Size()
	}
	return 2 + a.Proposal.Size() + a.Other.Size()
}

// Size returns the length of the encoding in bytes.
func (a *LockConflict) Size() int { return 1 + a.First.Size() + a.Second.Size() }

// Size returns the length of the encoding in bytes.
func (a *ConflictingAcks) Size() int { return 1 + a.First.Size() + a.Second.Size() }

// Size returns the length of the encoding in bytes.
func (a *InvalidAck) Size() int { return peerMessageSize(a.Message) }

// Size returns the length of the encoding in bytes.
func (a *InvalidNode) Size() int { return peerMessageSize(a.Message) }

// Size returns the length of the encoding in bytes.
func (a *InvalidCertificate) Size() int { return peerMessageSize(a.Message) }

// Size returns the length of the encoding in bytes.
func (a *InconsistentKeys) Size() int { return 1 + a.Subject.Size() + a.Signers.Size() }

// AppendTo appends the encoding to dst.
func (a *Tip) AppendTo(dst []byte) []byte {
	return a.Proposal.AppendTo(append(dst, byte(TagTip)))
}

// AppendTo appends the encoding to dst.
func (a *Certified) AppendTo(dst []byte) []byte {
	return a.Lock.AppendTo(append(dst, byte(TagLock)))
}

// AppendTo appends the encoding to dst.
func (a *Conflict) AppendTo(dst []byte) []byte {
	dst = a.Proposal.AppendTo(append(dst, byte(TagConflict)))
	if a.Lock != nil {
		return a.Lock.AppendTo(append(dst, byte(TagLock)))
	}
	return a.Other.AppendTo(append(dst, byte(TagTip)))
}

// AppendTo appends the encoding to dst.
func (a *LockConflict) AppendTo(dst []byte) []byte {
	return a.Second.AppendTo(a.First.AppendTo(append(dst, byte(TagLockConflict))))
}

// AppendTo appends the encoding to dst.
func (a *ConflictingAcks) AppendTo(dst []byte) []byte {
	return a.Second.AppendTo(a.First.AppendTo(append(dst, byte(TagConflictingAcks))))
}

// AppendTo appends the encoding to dst.
func (a *InvalidAck) AppendTo(dst []byte) []byte {
	return appendPeerMessage(append(dst, byte(TagInvalidAck)), a.Peer, a.Message)
}

// AppendTo appends the encoding to dst.
func (a *InvalidNode) AppendTo(dst []byte) []byte {
	return appendPeerMessage(append(dst, byte(TagInvalidNode)), a.Peer, a.Message)
}

// AppendTo appends the encoding to dst.
func (a *InvalidCertificate) AppendTo(dst []byte) []byte {
	return appendPeerMessage(append(dst, byte(TagInvalidCertificate)), a.Peer, a.Message)
}

// AppendTo appends the encoding to dst.
func (a *InconsistentKeys) AppendTo(dst []byte) []byte {
	return a.Signers.AppendTo(a.Subject.AppendTo(append(dst, byte(TagInconsistentKeys))))
}

func (*Tip) activity()             {}
func (*Certified) activity()       {}
func (*Conflict) activity()        {}
func (*LockConflict) activity()    {}
func (*ConflictingAcks) activity() {}
func (*InvalidAck) activity()      {}
func (*InvalidNode) activity()     {}

func (*InvalidCertificate) activity() {}
func (*InconsistentKeys) activity()   {}

// peerMessageSize is the size of a tag, a peer and a message with its length.
func peerMessageSize(message []byte) int {
	return 1 + PublicKeySize + UvarintSize(uint64(len(message))) + len(message)
}

func appendPeerMessage(dst []byte, peer PublicKey, message []byte) []byte {
	dst = append(dst, peer[:]...)
	dst = AppendUvarint(dst, uint64(len(message)))
	return append(dst, message...)
}

// DecodeActivity reads an activity that is the whole of b. Certificates, messages and headers in it
// are views into b. The two halves of evidence must be about one height of one lane and differ in
// payload, those of a fork about two heights of one lane. DecodeActivity verifies no signature.
func DecodeActivity(b []byte, formats Formats) (Activity, error) {
	r := reader{b: b}
	a := r.activity(formats)
	if err := r.end(); err != nil {
		return nil, err
	}
	return a, nil
}

func (r *reader) activity(formats Formats) Activity {
	switch Tag(r.byte("activity tag")) {
	case TagTip:
		a := new(Tip)
		r.proposal(&a.Proposal)
		return a
	case TagLock:
		a := new(Certified)
		r.lock(&a.Lock, formats)
		return a
	case TagConflict:
		a := new(Conflict)
		r.proposal(&a.Proposal)
		switch option := r.byte("conflict option"); {
		case option == byte(TagTip):
			r.proposal(&a.Other)
			r.demandConflict(&a.Proposal.Chunk, &a.Other.Chunk)
		case option == byte(TagLock):
			a.Lock = new(Lock)
			r.lock(a.Lock, formats)
			r.demandConflict(&a.Proposal.Chunk, &a.Lock.Chunk)
		default:
			r.fail("conflict option", ErrOption)
		}
		return a
	case TagLockConflict:
		a := new(LockConflict)
		r.lock(&a.First, formats)
		r.lock(&a.Second, formats)
		r.demandConflict(&a.First.Chunk, &a.Second.Chunk)
		return a
	case TagConflictingAcks:
		a := new(ConflictingAcks)
		r.ack(&a.First, formats)
		r.ack(&a.Second, formats)
		r.demandConflict(&a.First.Chunk, &a.Second.Chunk)
		if r.err == nil && (a.First.Epoch != a.Second.Epoch || a.First.Participant != a.Second.Participant) {
			r.fail("evidence", ErrNoConflict)
		}
		return a
	case TagInvalidAck:
		a := new(InvalidAck)
		a.Peer, a.Message = r.peerMessage()
		return a
	case TagInvalidNode:
		a := new(InvalidNode)
		a.Peer, a.Message = r.peerMessage()
		return a
	case TagInvalidCertificate:
		a := new(InvalidCertificate)
		a.Peer, a.Message = r.peerMessage()
		return a
	case TagFork:
		return r.fork(formats)
	case TagInconsistentKeys:
		a := new(InconsistentKeys)
		r.chunk(&a.Subject.Chunk)
		a.Subject.Epoch = r.uvarint64("epoch")
		a.Signers = r.signersOf(a.Subject.Epoch, formats)
		return a
	}
	r.fail("activity tag", ErrTag)
	return nil
}

// signersOf reads a bitmap over the validators of an epoch.
func (r *reader) signersOf(epoch uint64, formats Formats) Signers {
	if r.err != nil {
		return Signers{}
	}
	f, ok := formats.Format(epoch)
	if !ok {
		r.fail("epoch", ErrUnknownEpoch)
		return Signers{}
	}
	return r.signers(f.Participants, "signers")
}

// ack reads an ack that is followed by other fields. Its epoch's format determines where it ends.
func (r *reader) ack(a *Ack, formats Formats) {
	r.ackHead(a)
	if r.err != nil {
		return
	}
	f, ok := formats.Format(a.Epoch)
	if !ok {
		r.fail("ack epoch", ErrUnknownEpoch)
		return
	}
	a.Signature = r.take(f.AckSignature, "ack signature")
}

func (r *reader) peerMessage() (peer PublicKey, message []byte) {
	r.read32((*[32]byte)(&peer), "peer")
	n := r.uvarint32("message length")
	if uint64(n) > uint64(len(r.b)) {
		r.fail("message", ErrTruncated)
		return peer, nil
	}
	return peer, r.take(int(n), "message")
}

// demandConflict fails unless a and b have different payloads for one height of one lane.
func (r *reader) demandConflict(a, b *Chunk) {
	if r.err == nil && (a.Sequencer != b.Sequencer || a.Height != b.Height || a.Payload == b.Payload) {
		r.fail("evidence", ErrNoConflict)
	}
}
