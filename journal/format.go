package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
)

// The layout is described in doc.go. All integers are little-endian.

const (
	headSize      = 72
	frameHead     = 32
	formatVersion = 2
	magic         = "lanejrnl"

	maxPayload = 256 << 20 // of any configuration: a longer claim is no frame

	lockName = "LOCK"
	tempName = "next.tmp" // a segment whose head is not durable yet
	suffix   = ".seg"
)

// Kinds of frame. Zero is none, so that a hole in a file is no frame.
const (
	kindRecord byte = 1 // an appended record
	kindCopy   byte = 2 // a record that compaction moved here
	kindSeal   byte = 3 // the last frame of a segment: there is a next one
	kindClose  byte = 4 // the journal was closed here: all before it had been synced
)

const flagZstd byte = 1 // of a frame

const headUsed uint32 = 1 // of a head

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type identity [16]byte

// head is the beginning of a segment.
type head struct {
	identity identity
	number   uint64
	first    Position // of the next appended record when the segment was begun
	prevEnd  int64    // offset of the seal in the segment before; 0 in segment 1
	floor    uint64   // segments below this number hold nothing that is needed
	used     bool     // the file was a segment before, whose bytes follow the last frame
}

func (h *head) encode() []byte {
	b := make([]byte, headSize)
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
	le.PutUint32(b[68:], crc32.Checksum(b[:68], castagnoli))
	return b
}

// decode says in words what is wrong with b, or nothing; the error is ErrVersion.
func (h *head) decode(b []byte) (why string, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) < headSize:
		return "head is cut short", nil
	case string(b[:8]) != magic:
		return "no journal segment", nil
	case le.Uint32(b[68:]) != crc32.Checksum(b[:68], castagnoli):
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

// seed returns the value from which the checksums of a segment's frames start. A checksum started
// elsewhere differs for certain over the same bytes, and the seeds of two segments of one journal
// differ for certain if the numbers differ in their low 32 bits. So a frame left over from another
// segment is never taken for one of this; and since the identity is random, whoever chooses the
// content of records cannot make one that contains a frame.
func seed(id identity, number uint64) uint32 {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], number)
	return crc32.Checksum(b[:], castagnoli)
}

// frame is a decoded frame head, and the stored payload.
type frame struct {
	kind, flags byte
	stored, raw uint32 // length of the payload as stored, and decompressed
	position    Position
	offset      int64 // of the frame in its segment
	group       int64 // offset of the first frame of its group
	payload     []byte
}

func padded(n int) int { return (n + 7) &^ 7 }

// frameSize returns the bytes that the frame of a payload of n bytes takes.
func frameSize(n int) int { return frameHead + padded(n) }

func (f *frame) size() int64 { return int64(frameSize(int(f.stored))) }

// put writes the frame's head to b but for what only the journal's goroutine knows: see finish.
func (f *frame) put(b []byte) {
	clear(b[:frameHead])
	b[4], b[5] = f.kind, f.flags
	le := binary.LittleEndian
	le.PutUint32(b[8:], f.stored)
	le.PutUint32(b[12:], f.raw)
	le.PutUint64(b[16:], uint64(f.position))
}

// finish completes the frame that is b: its place, its group, its checksum.
func finish(b []byte, seed uint32, offset, group int64) {
	le := binary.LittleEndian
	le.PutUint32(b[24:], uint32(offset/8))
	le.PutUint32(b[28:], uint32(group/8))
	le.PutUint32(b, crc32.Update(seed, castagnoli, b[4:]))
}

// parse decodes a frame's head found at offset, in a file that has size bytes. It says in words why
// it is none; the checksum is not looked at.
func (f *frame) parse(b []byte, offset, size int64) string {
	le := binary.LittleEndian
	f.kind, f.flags = b[4], b[5]
	f.stored, f.raw = le.Uint32(b[8:]), le.Uint32(b[12:])
	f.position = Position(le.Uint64(b[16:]))
	f.offset, f.group = int64(le.Uint32(b[24:]))*8, int64(le.Uint32(b[28:]))*8
	f.payload = nil
	switch {
	case f.kind < kindRecord || f.kind > kindClose || f.flags&^flagZstd != 0 || b[6] != 0 || b[7] != 0:
		return "no frame of a known kind"
	case f.offset != offset || f.group > offset || f.group < headSize:
		return "frame belongs elsewhere"
	case f.stored > maxPayload || f.raw > maxPayload || f.stored > f.raw,
		f.flags == 0 && f.stored != f.raw, f.kind >= kindSeal && f.raw != 0, f.position == 0:
		return "frame head is inconsistent"
	case f.size() > size-offset:
		return "frame is cut short"
	}
	return ""
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, suffix) }

// segmentNumber returns 0 if the name is not exactly that of a segment.
func segmentNumber(name string) uint64 {
	if len(name) != 16+len(suffix) || name[16:] != suffix {
		return 0
	}
	n, err := strconv.ParseUint(name[:16], 16, 64)
	if err != nil || segmentName(n) != name {
		return 0
	}
	return n
}
