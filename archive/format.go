package archive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// The layout is described in doc.go, and that of frames in internal/segment.

const (
	formatVersion = 1
	magic         = "lanearch"
	suffix        = ".data"
	indexDir      = "index"
	dataDir       = "data"
	lockName      = "LOCK" // the journal's; it is there before a log is
)

// encodeHead returns the head of a data segment.
func encodeHead(id segment.Identity, number uint32) []byte {
	b := make([]byte, segment.HeadSize)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], formatVersion)
	copy(b[16:], id[:])
	le.PutUint64(b[32:], uint64(number))
	le.PutUint32(b[68:], crc32.Checksum(b[:68], segment.Castagnoli))
	return b
}

// decodeHead returns the identity of the archive of a data segment; ok is false if b is no head.
func decodeHead(b []byte) (id segment.Identity, ok bool) {
	if string(b[:len(magic)]) != magic || crc32.Checksum(b[:68], segment.Castagnoli) != binary.LittleEndian.Uint32(b[68:]) {
		return id, false
	}
	return segment.Identity(b[16:32]), true
}

func segmentName(number uint32) string { return segment.Name(uint64(number), suffix) }

// prefixSize returns the number of bytes in front of a body of size bytes in its frame's payload,
// with a header of header bytes.
func prefixSize(header int, size uint64) int {
	return 1 + header + wire.DigestSize*int(payload.Pieces(size))
}

// appendPrefix appends the bytes in front of a body in its frame's payload.
func appendPrefix(dst []byte, h *payload.Header, leaves []wire.Digest) []byte {
	dst = h.AppendTo(append(dst, byte(h.Size())))
	for i := range leaves {
		dst = append(dst, leaves[i][:]...)
	}
	return dst
}

// location is a place in the data segments. Segment 0 is none.
type location struct {
	segment uint32
	offset  uint32 // divided by 8
}

func (l location) byte() int64 { return int64(l.offset) * 8 }

type recordKind byte

// Kinds of index record.
const (
	formatRecord recordKind = 1
	wantedRecord recordKind = 2
	pushedRecord recordKind = 3
	lockRecord   recordKind = 4
	laneRecord   recordKind = 5
)

const flagRoom byte = 1 // of a wanted record: the body lies in its lane's own room

func encodeFormat(id segment.Identity, namespace []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{byte(formatRecord)}, formatVersion)
	return append(append(b, id[:]...), namespace...)
}

func decodeFormat(b []byte) (id segment.Identity, namespace []byte, err error) {
	switch {
	case len(b) < 5+len(id) || b[0] != byte(formatRecord):
		return id, nil, fmt.Errorf("%w: its first record is none", ErrFormat)
	case binary.LittleEndian.Uint32(b[1:]) != formatVersion:
		return id, nil, fmt.Errorf("%w: it has format version %d, this build reads and writes version %d", ErrFormat,
			binary.LittleEndian.Uint32(b[1:]), formatVersion)
	}
	copy(id[:], b[5:])
	return id, b[5+len(id):], nil
}

// bodyRecord is an index record of kind wanted or pushed.
type bodyRecord struct {
	kind   recordKind
	room   bool
	at     location
	header payload.Header
}

func (r *bodyRecord) appendTo(dst []byte) []byte {
	flags := byte(0)
	if r.room {
		flags = flagRoom
	}
	dst = append(dst, byte(r.kind), flags)
	dst = wire.AppendUvarint(dst, uint64(r.at.segment))
	dst = wire.AppendUvarint(dst, uint64(r.at.offset))
	return r.header.AppendTo(dst)
}

// record is an index record, decoded. The fields that its kind does not have are zero.
type record struct {
	kind recordKind
	body bodyRecord
	lock wire.Lock // a view of the bytes
	lane laneState
}

// laneState is the content of a lane record.
type laneState struct {
	sequencer        wire.PublicKey
	watermark, floor uint64
}

func (l *laneState) appendTo(dst []byte) []byte {
	dst = append(append(dst, byte(laneRecord)), l.sequencer[:]...)
	return wire.AppendUvarint(wire.AppendUvarint(dst, l.watermark), l.floor)
}

func encodeLock(l *wire.Lock) []byte { return l.AppendTo([]byte{byte(lockRecord)}) }

// decode reads a record other than the first. The records are our own: an invalid one is a fault of
// the program, or of another program's index.
func (r *record) decode(b []byte) error {
	bad := func(what string, err error) error {
		return fmt.Errorf("%w: a record of kind %d: %s: %v", ErrFormat, b[0], what, err)
	}
	if len(b) == 0 {
		return fmt.Errorf("%w: an empty record", ErrFormat)
	}
	r.kind = recordKind(b[0])
	rest := b[1:]
	number := func() (v uint64, err error) {
		v, n, err := wire.Uvarint(rest)
		rest = rest[n:]
		return v, err
	}
	switch r.kind {
	case wantedRecord, pushedRecord:
		if len(rest) == 0 || rest[0]&^flagRoom != 0 || r.kind == pushedRecord && rest[0] != 0 {
			return bad("flags", wire.ErrTag)
		}
		r.body = bodyRecord{kind: r.kind, room: rest[0] == flagRoom}
		rest = rest[1:]
		number32 := func(dst *uint32) error {
			v, err := number()
			if err == nil && v > 1<<32-1 {
				err = wire.ErrVarint
			}
			*dst = uint32(v)
			return err
		}
		if err := number32(&r.body.at.segment); err != nil {
			return bad("segment", err)
		}
		if err := number32(&r.body.at.offset); err != nil {
			return bad("offset", err)
		}
		if err := r.body.header.Decode(rest, maxBody); err != nil {
			return bad("header", err)
		}
	case lockRecord:
		if err := r.lock.DecodeStored(rest); err != nil {
			return bad("lock", err)
		}
	case laneRecord:
		if len(rest) < wire.PublicKeySize {
			return bad("sequencer", wire.ErrTruncated)
		}
		rest = rest[copy(r.lane.sequencer[:], rest):]
		var err error
		if r.lane.watermark, err = number(); err != nil {
			return bad("watermark", err)
		}
		if r.lane.floor, err = number(); err != nil {
			return bad("floor", err)
		}
		if len(rest) != 0 || r.lane.floor > r.lane.watermark {
			return bad("floor", wire.ErrTrailing)
		}
	default:
		return fmt.Errorf("%w: a record of kind %d", ErrFormat, b[0])
	}
	return nil
}

// maxBody is the length in bytes of the longest body of any configuration.
const maxBody = 64 << 20
