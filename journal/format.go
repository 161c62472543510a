package journal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/lanecast/lanecast/internal/segment"
)

// doc.go describes the layout, and internal/segment that of frames. All integers are little-endian.

const (
	formatVersion = 2
	magic         = "lanejrnl"

	lockName = "LOCK"
	tempName = "next.tmp" // a segment whose head is not durable yet
	suffix   = ".seg"
)

const headUsed uint32 = 1 // flag in a head

// head is the beginning of a segment.
type head struct {
	identity segment.Identity
	number   uint64
	first    Position // position of the next appended record when the segment began
	prevEnd  int64    // offset of the seal in the previous segment; 0 in segment 1
	floor    uint64   // segments below this number hold nothing that is needed
	used     bool     // the file is reused: old bytes follow the last frame
}

func (h *head) encode() []byte {
	b := make([]byte, segment.HeadSize)
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], formatVersion)
	if h.used {
		le.PutUint32(b[12:], headUsed)
	}
	copy(b[16:], h.identity[:])
	le.PutUint64(b[32:], h.number)
	le.PutUint64(b[40:], uint64(h.first))
	le.PutUint64(b[48:], uint64(h.prevEnd))
	le.PutUint64(b[56:], h.floor)
	le.PutUint32(b[68:], crc32.Checksum(b[:68], segment.Castagnoli))
	return b
}

// decode returns in words the fault of b, empty if there is none; the error is ErrVersion.
func (h *head) decode(b []byte) (why string, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) < segment.HeadSize:
		return "head is cut short", nil
	case string(b[:8]) != magic:
		return "not a journal segment", nil
	case le.Uint32(b[68:]) != crc32.Checksum(b[:68], segment.Castagnoli):
		return "head checksum does not match", nil
	case le.Uint32(b[8:]) != formatVersion:
		return "", unknownVersion(le.Uint32(b[8:]))
	}
	copy(h.identity[:], b[16:])
	h.number = le.Uint64(b[32:])
	h.first = Position(le.Uint64(b[40:]))
	h.prevEnd = int64(le.Uint64(b[48:]))
	h.floor = le.Uint64(b[56:])
	flags := le.Uint32(b[12:])
	h.used = flags&headUsed != 0
	if flags&^headUsed != 0 || h.number == 0 || h.first == 0 || h.floor == 0 || h.floor > h.number || h.prevEnd < 0 || h.prevEnd%8 != 0 {
		return "head is inconsistent", nil
	}
	return "", nil
}

func segmentName(number uint64) string { return segment.Name(number, suffix) }

// segmentNumber returns 0 if the name is not that of a segment.
func segmentNumber(name string) uint64 { return segment.Number(name, suffix) }
