package core

import (
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// RecordInfo is what one record of the journal says, for those who look into a journal from outside.
type RecordInfo struct {
	// Chunk is that of the node, or the one that the certificate is for.
	Chunk wire.Chunk
	// First says that the record is that which a journal begins with, and all else is zero.
	First bool
	// Certificate says that the record is a certificate, else it is a node.
	Certificate bool
	// Epoch is that of the certificate: the recorded one, or the one for its parent that a node above height 0 carries.
	Epoch uint64
}

// DescribeRecord decodes a record as Recover does. The error is ErrRecord.
func DescribeRecord(rec []byte) (RecordInfo, error) {
	if len(rec) == 0 {
		return RecordInfo{}, fmt.Errorf("%w: empty", ErrRecord)
	}
	switch rec[0] {
	case recordNode:
		var n wire.Node
		if err := n.DecodeStored(rec[1:]); err != nil {
			return RecordInfo{}, fmt.Errorf("%w: node: %w", ErrRecord, err)
		}
		return RecordInfo{Chunk: n.Chunk, Epoch: n.Parent.Epoch}, nil
	case recordLock:
		var lock wire.Lock
		if err := lock.DecodeStored(rec[1:]); err != nil {
			return RecordInfo{}, fmt.Errorf("%w: lock: %w", ErrRecord, err)
		}
		return RecordInfo{Chunk: lock.Chunk, Certificate: true, Epoch: lock.Epoch}, nil
	case RecordFirst:
		return RecordInfo{First: true}, nil
	}
	return RecordInfo{}, fmt.Errorf("%w: kind %#x", ErrRecord, rec[0])
}
