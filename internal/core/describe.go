package core

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

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
)

var recordNames = map[RecordKind]string{
	TipRecord: "tip", CertificateRecord: "certificate", OriginRecord: "first record", ProposalRecord: "proposal",
	RecoveredRecord: "end of a recovery", DormantRecord: "dormant lane", ReportedRecord: "locks reported",
}

func (k RecordKind) String() string {
	if name, ok := recordNames[k]; ok {
		return name
	}
	return "unknown"
}

// RecordInfo is what one record of the journal says, for those who look into a journal from outside.
type RecordInfo struct {
	Kind RecordKind
	// Sequencer is that of the lane; zero for the kinds that belong to none.
	Sequencer wire.PublicKey
	// Tip is the chunk of a node, of a proposal, or of a dormant lane's tip; nil without one.
	Tip *wire.Chunk
	// Certified is the chunk that a certificate is for, and Epoch its epoch; nil without one. In a node above height 0 it
	// is the parent.
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
