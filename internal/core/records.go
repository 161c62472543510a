package core

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// A journal record is one byte for the kind, and the content. Node, Proposal and Lock have the
// encoding of docs/protocol.md 2.
//
//	0x01 ‖ Node          a tip
//	0x02 ‖ Lock          a certificate
//	0x03 ‖ …             the first record of a journal, see originRecord
//	0x04 ‖ Node          our next chunk and its parent, its signature zero: it is durable before it is signed
//	0x05 ‖ …             the end of a recovery, see recoveredRecord
//	0x06 ‖ …             a dormant lane, see restRecord
//	0x07 ‖ varint        all locks with records up to this position have been reported
//	0x08 ‖ …             a mark that was open in the end of a recovery, see laneMark
//
// A lane needs its newest tip and the certificates that aggregate.Lane holds. All other records are
// released, those of locks once the locks have been reported. A recovery may return records in any
// order, released ones among them.
const (
	recordNode      byte = 0x01
	recordLock      byte = 0x02
	recordOrigin    byte = 0x03
	recordProposal  byte = 0x04
	recordRecovered byte = 0x05
	recordRest      byte = 0x06
	recordReported  byte = 0x07
	recordMark      byte = 0x08
)

var (
	// ErrRecord: this version does not write such a journal record.
	ErrRecord = errors.New("core: not a record of this journal")
	// ErrForeign: the journal belongs to another identity or another network.
	ErrForeign = errors.New("core: the journal is another's")

	errShape = errors.New("wrong length or flags")
)

type record interface {
	AppendTo(dst []byte) []byte
}

// records is the journal as the core writes it. The core appends records, and releases those that
// it does not need any more.
type records struct {
	out     *effects
	next    uint64 // position that the next record gets
	durable uint64 // records up to this position are on disk
}

// start sets the position of the next record.
func (j *records) start(next uint64) { j.next, j.durable = next, next-1 }

// reached notes that the records up to position are on disk, and reports whether that is new.
func (j *records) reached(position uint64) bool {
	if position <= j.durable {
		return false
	}
	j.durable = position
	return true
}

// append journals a record and returns its position.
func (j *records) append(kind byte, r record) uint64 {
	b := j.out.encode(kind, r)
	a := j.out.emit(Append)
	a.Position, a.Bytes = j.next, b
	j.next++
	return a.Position
}

// release releases a record; position 0 stands for none.
func (j *records) release(position uint64) {
	if position != 0 {
		j.out.emit(Release).Position = position
	}
}

// originRecord is the first record of a journal. It names the journal's identity and network, and
// says whether an earlier journal was lost:
//
//	0x01 first start, 0x02 recovering ‖ identity [32] ‖ SHA-256 of the namespace [32]
type originRecord struct {
	recovering bool
	identity   wire.PublicKey
	namespace  [32]byte
}

const (
	originFirst      byte = 0x01
	originRecovering byte = 0x02
)

// FirstRecord returns the first record of a journal. recovering says that an earlier one was lost.
func FirstRecord(identity wire.PublicKey, namespace []byte, recovering bool) []byte {
	o := originRecord{recovering: recovering, identity: identity, namespace: sha256.Sum256(namespace)}
	return o.AppendTo([]byte{recordOrigin})
}

func (o *originRecord) AppendTo(dst []byte) []byte {
	state := originFirst
	if o.recovering {
		state = originRecovering
	}
	return append(append(append(dst, state), o.identity[:]...), o.namespace[:]...)
}

func (o *originRecord) decode(b []byte) error {
	if len(b) != 1+len(o.identity)+len(o.namespace) || b[0] != originFirst && b[0] != originRecovering {
		return errShape
	}
	o.recovering = b[0] == originRecovering
	copy(o.identity[:], b[1:])
	copy(o.namespace[:], b[1+len(o.identity):])
	return nil
}

// check compares the record with the configuration of the process that opens the journal.
func (o *originRecord) check(cfg *Config) error {
	if o.identity != cfg.Identity {
		return fmt.Errorf("%w: it belongs to identity %s, and this is %s; each identity has a folder of its own",
			ErrForeign, o.identity, cfg.Identity)
	}
	if want := sha256.Sum256(cfg.Namespace); o.namespace != want {
		return fmt.Errorf("%w: it belongs to a network whose namespace has the SHA-256 %x, and this one's has %x",
			ErrForeign, o.namespace[:8], want[:8])
	}
	return nil
}

// recoveredRecord ends a recovery, and fixes the marks of docs/protocol.md 5.10:
//
//	flags ‖ varint number of marks, if flags has 8 ‖ (sequencer [32] ‖ varint height)* ‖ (sequencer [32])* of open marks
//
// Flag 1: the host took the risk not to abstain. Flag 2: our own lane goes on. Flag 4: all lanes
// without a mark have an open one. Flag 8: there are open marks.
type recoveredRecord struct {
	unsafe, resumes, others bool
	marks                   []laneMark       // ascending by sequencer
	open                    []wire.PublicKey // ascending
}

const (
	recoveredUnsafe  byte = 1
	recoveredResumes byte = 2
	recoveredOthers  byte = 4
	recoveredOpen    byte = 8
)

// laneMark is the height of a lane up to which the lost journal may have held acks of ours:
//
//	sequencer [32] ‖ varint height
type laneMark struct {
	sequencer wire.PublicKey
	height    uint64
}

func (m *laneMark) AppendTo(dst []byte) []byte {
	return wire.AppendUvarint(append(dst, m.sequencer[:]...), m.height)
}

// read reads a mark and returns the bytes after it.
func (m *laneMark) read(b []byte) (rest []byte, err error) {
	if len(b) < len(m.sequencer) {
		return nil, errShape
	}
	b = b[copy(m.sequencer[:], b):]
	height, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errShape
	}
	m.height = height
	return b[n:], nil
}

func (m *laneMark) decode(b []byte) error {
	rest, err := m.read(b)
	if err == nil && len(rest) > 0 {
		err = errShape
	}
	return err
}

func (r *recoveredRecord) AppendTo(dst []byte) []byte {
	var flags byte
	for flag, set := range map[byte]bool{
		recoveredUnsafe: r.unsafe, recoveredResumes: r.resumes, recoveredOthers: r.others, recoveredOpen: len(r.open) > 0,
	} {
		if set {
			flags |= flag
		}
	}
	dst = append(dst, flags)
	if len(r.open) > 0 {
		dst = wire.AppendUvarint(dst, uint64(len(r.marks)))
	}
	for i := range r.marks {
		dst = r.marks[i].AppendTo(dst)
	}
	for i := range r.open {
		dst = append(dst, r.open[i][:]...)
	}
	return dst
}

func (r *recoveredRecord) decode(b []byte) error {
	if len(b) == 0 || b[0]&^(recoveredUnsafe|recoveredResumes|recoveredOthers|recoveredOpen) != 0 {
		return errShape
	}
	flags := b[0]
	b = b[1:]
	r.unsafe, r.resumes, r.others = flags&recoveredUnsafe != 0, flags&recoveredResumes != 0, flags&recoveredOthers != 0
	most := uint64(len(b))
	if flags&recoveredOpen != 0 {
		marks, n := binary.Uvarint(b)
		if n <= 0 {
			return errShape
		}
		most, b = marks, b[n:]
	}
	for len(b) > 0 && uint64(len(r.marks)) < most {
		var m laneMark
		rest, err := m.read(b)
		if err != nil {
			return err
		}
		r.marks, b = append(r.marks, m), rest
	}
	if flags&recoveredOpen != 0 && (uint64(len(r.marks)) < most || len(b) == 0) {
		return errShape
	}
	for len(b) > 0 {
		var open wire.PublicKey
		if len(b) < len(open) {
			return errShape
		}
		b = b[copy(open[:], b):]
		r.open = append(r.open, open)
	}
	return nil
}

// restRecord is the record of a dormant lane:
//
//	sequencer [32] ‖ flags ‖ varint highest certified height ‖ payload certified there [32], both if flags has 1 ‖
//	Proposal of the tip, its length before it in one byte, if flags has 2 ‖ newest certificate as a Lock, if flags has 4
//
// Flag 8: the certificate of the tip's height is for another payload.
type restRecord struct {
	sequencer    wire.PublicKey
	certified    uint64
	locked       wire.Digest // payload certified there
	hasCertified bool
	contradicted bool
	tip          *wire.Proposal
	lock         *wire.Lock
}

const (
	restCertified    byte = 1
	restTip          byte = 2
	restLock         byte = 4
	restContradicted byte = 8
)

func (r *restRecord) AppendTo(dst []byte) []byte {
	dst = append(dst, r.sequencer[:]...)
	at := len(dst)
	dst = append(dst, 0)
	if r.hasCertified {
		dst[at] |= restCertified
		dst = append(wire.AppendUvarint(dst, r.certified), r.locked[:]...)
	}
	if r.tip != nil {
		dst[at] |= restTip
		dst = r.tip.AppendTo(append(dst, byte(r.tip.Size())))
	}
	if r.lock != nil {
		dst[at] |= restLock
		dst = r.lock.AppendTo(dst)
	}
	if r.contradicted {
		dst[at] |= restContradicted
	}
	return dst
}

// decode reads a record. The fields it sets are views into b.
func (r *restRecord) decode(b []byte) error {
	if len(b) < len(r.sequencer)+1 {
		return errShape
	}
	b = b[copy(r.sequencer[:], b):]
	flags := b[0]
	b = b[1:]
	if flags&^(restCertified|restTip|restLock|restContradicted) != 0 {
		return errShape
	}
	r.contradicted = flags&restContradicted != 0
	if flags&restCertified != 0 {
		height, n := binary.Uvarint(b)
		if n <= 0 {
			return errShape
		}
		if len(b) < n+len(r.locked) {
			return errShape
		}
		r.certified, r.hasCertified, b = height, true, b[n:]
		b = b[copy(r.locked[:], b):]
	}
	if flags&restTip != 0 {
		if len(b) == 0 || len(b)-1 < int(b[0]) {
			return errShape
		}
		r.tip = new(wire.Proposal)
		if err := r.tip.Decode(b[1 : 1+int(b[0])]); err != nil {
			return err
		}
		b = b[1+int(b[0]):]
	}
	if flags&restLock != 0 {
		r.lock = new(wire.Lock)
		if err := r.lock.DecodeStored(b); err != nil {
			return err
		}
	} else if len(b) != 0 {
		return errShape
	}
	if r.tip != nil && r.tip.Chunk.Sequencer != r.sequencer || r.lock != nil && r.lock.Chunk.Sequencer != r.sequencer {
		return errShape
	}
	return nil
}

// reportedThrough is the record of the position up to which locks have been reported.
type reportedThrough uint64

func (r reportedThrough) AppendTo(dst []byte) []byte { return wire.AppendUvarint(dst, uint64(r)) }

func (r *reportedThrough) decode(b []byte) error {
	position, n := binary.Uvarint(b)
	if n <= 0 || n != len(b) {
		return errShape
	}
	*r = reportedThrough(position)
	return nil
}

// RecordKind is the kind of a record of the journal.
type RecordKind byte

// The kinds, see records.go.
const (
	TipRecord         = RecordKind(recordNode)
	CertificateRecord = RecordKind(recordLock)
	OriginRecord      = RecordKind(recordOrigin)
	ProposalRecord    = RecordKind(recordProposal)
	RecoveredRecord   = RecordKind(recordRecovered)
	DormantRecord     = RecordKind(recordRest)
	ReportedRecord    = RecordKind(recordReported)
	MarkRecord        = RecordKind(recordMark)
)

var recordNames = map[RecordKind]string{
	TipRecord: "tip", CertificateRecord: "certificate", OriginRecord: "first record", ProposalRecord: "proposal",
	RecoveredRecord: "end of a recovery", DormantRecord: "dormant lane", ReportedRecord: "locks reported",
	MarkRecord: "mark",
}

func (k RecordKind) String() string {
	if name, ok := recordNames[k]; ok {
		return name
	}
	return "unknown"
}

// RecordInfo is the content of one record of the journal, for tools that inspect a journal.
type RecordInfo struct {
	Kind RecordKind
	// Sequencer is the lane's; zero for the kinds that belong to no lane.
	Sequencer wire.PublicKey
	// Tip is the chunk of a node, of a proposal, or of a dormant lane's tip; nil without one.
	Tip *wire.Chunk
	// Certified is the chunk that a certificate is for, and Epoch the certificate's epoch; nil
	// without a certificate. In a node above height 0 it is the parent.
	Certified *wire.Chunk
	Epoch     uint64
}

// DescribeRecord decodes a record as Recover does. The error is ErrRecord.
func DescribeRecord(rec []byte) (RecordInfo, error) {
	if len(rec) == 0 {
		return RecordInfo{}, fmt.Errorf("%w: empty", ErrRecord)
	}
	info := RecordInfo{Kind: RecordKind(rec[0])}
	var err error
	switch body := rec[1:]; rec[0] {
	case recordNode, recordProposal:
		var n wire.Node
		if err = n.DecodeStored(body); err == nil {
			info.Tip = &n.Chunk
			if n.HasParent() {
				parent := n.ParentSubject()
				info.Certified, info.Epoch = &parent.Chunk, parent.Epoch
			}
		}
	case recordLock:
		var lock wire.Lock
		err = lock.DecodeStored(body)
		info.Certified, info.Epoch = &lock.Chunk, lock.Epoch
	case recordRest:
		var rest restRecord
		err = rest.decode(body)
		info.Sequencer = rest.sequencer
		if rest.tip != nil {
			info.Tip = &rest.tip.Chunk
		}
		if rest.lock != nil {
			info.Certified, info.Epoch = &rest.lock.Chunk, rest.lock.Epoch
		}
	case recordOrigin:
		err = new(originRecord).decode(body)
	case recordRecovered:
		err = new(recoveredRecord).decode(body)
	case recordReported:
		err = new(reportedThrough).decode(body)
	case recordMark:
		var m laneMark
		err = m.decode(body)
		info.Sequencer = m.sequencer
	default:
		return RecordInfo{}, fmt.Errorf("%w: kind %#x", ErrRecord, rec[0])
	}
	if err != nil {
		return RecordInfo{}, fmt.Errorf("%w: %v: %w", ErrRecord, info.Kind, err)
	}
	switch {
	case info.Tip != nil:
		info.Sequencer = info.Tip.Sequencer
	case info.Certified != nil:
		info.Sequencer = info.Certified.Sequencer
	}
	return info, nil
}
