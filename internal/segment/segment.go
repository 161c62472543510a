// Package segment holds the common parts of the files of packages journal and archive: the frames
// of their records, checksums that are good only at one offset of one file, and the names of files.
// It does no I/O.
//
// A frame is a head of 32 bytes, a payload, and zeros up to the next multiple of 8. All integers
// are little-endian:
//
//	 0  u32 checksum: CRC32C of the rest, padding included, started from that of identity and number
//	 4  u8 kind
//	 5  u8 flags: 1 zstd
//	 6  u16 zero
//	 8  u32 length of the payload as stored
//	12  u32 length of the record
//	16  u64 position: a number that the file's owner gives the record, never 0
//	24  u32 offset of this frame in its file, divided by 8
//	28  u32 offset of the first frame of its group, divided by 8
//
// A file begins with a head of 72 bytes, whose content its owner defines; then follow frames. A
// group is a run of frames that are written and synced together.
package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
)

const (
	// HeadSize is the length in bytes of the head of a file, and the lowest offset of a frame.
	HeadSize = 72
	// FrameHead is the length in bytes of the head of a frame.
	FrameHead = 32
	// MaxPayload is the length in bytes of the longest payload in any configuration: a head that
	// claims more is no frame.
	MaxPayload = 256 << 20
)

// Kinds of frame. Zero is no kind, so that a hole in a file is no frame.
const (
	KindRecord byte = 1 // an appended record
	KindCopy   byte = 2 // a record that compaction moved here
	KindSeal   byte = 3 // the last frame of a file: there is a next file
	KindClose  byte = 4 // the file was closed here: everything before it had been synced
)

// FlagZstd is the flag of a frame whose payload is compressed with zstd.
const FlagZstd byte = 1

// Castagnoli is the table for all checksums.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity is random, and the same in all files of one journal or archive.
type Identity [16]byte

// Seed returns the value from which the checksums of a file's frames start. A checksum with another
// start always differs over the same bytes, and the seeds of two files of one identity always
// differ if their numbers differ in the low 32 bits. So a frame left over from another file is
// never taken for one of this file. The identity is random, so an attacker who chooses the content
// of records cannot make a record that contains a frame.
func Seed(id Identity, number uint64) uint32 {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], number)
	return crc32.Checksum(b[:], Castagnoli)
}

// Frame is a decoded frame head, and the stored payload.
type Frame struct {
	Kind, Flags byte
	Stored, Raw uint32 // length in bytes of the payload as stored, and decompressed
	Position    uint64
	Offset      int64 // of the frame in its file
	Group       int64 // offset of the first frame of its group
	Payload     []byte
}

// Padded returns the number of bytes that a payload of n bytes takes in a file.
func Padded(n int) int { return (n + 7) &^ 7 }

// FrameSize returns the number of bytes that the frame of a payload of n bytes takes in a file.
func FrameSize(n int) int { return FrameHead + Padded(n) }

// Size returns the number of bytes that the frame takes in its file.
func (f *Frame) Size() int64 { return int64(FrameSize(int(f.Stored))) }

// Put writes the frame's head to b, without the fields that only the writer of the file knows: see
// [Finish].
func (f *Frame) Put(b []byte) {
	clear(b[:FrameHead])
	b[4], b[5] = f.Kind, f.Flags
	le := binary.LittleEndian
	le.PutUint32(b[8:], f.Stored)
	le.PutUint32(b[12:], f.Raw)
	le.PutUint64(b[16:], f.Position)
}

// Finish writes offset, group and checksum into the frame whose first bytes are b. parts are the
// rest of the frame, in order, including the padding.
func Finish(b []byte, seed uint32, offset, group int64, parts ...Part) {
	le := binary.LittleEndian
	le.PutUint32(b[24:], uint32(offset/8))
	le.PutUint32(b[28:], uint32(group/8))
	sum := crc32.Update(seed, Castagnoli, b[4:])
	for _, p := range parts {
		sum = p.after(sum)
	}
	le.PutUint32(b, sum)
}

// Sound reports whether b is a frame with a good checksum.
func Sound(b []byte, seed uint32) bool {
	return crc32.Update(seed, Castagnoli, b[4:]) == binary.LittleEndian.Uint32(b)
}

// Parse decodes a frame's head found at offset, in a file that has size bytes. If it is none, why
// gives the reason in words. Parse does not check the checksum.
func (f *Frame) Parse(b []byte, offset, size int64) string {
	le := binary.LittleEndian
	f.Kind, f.Flags = b[4], b[5]
	f.Stored, f.Raw = le.Uint32(b[8:]), le.Uint32(b[12:])
	f.Position = le.Uint64(b[16:])
	f.Offset, f.Group = int64(le.Uint32(b[24:]))*8, int64(le.Uint32(b[28:]))*8
	f.Payload = nil
	switch {
	case f.Kind < KindRecord || f.Kind > KindClose || f.Flags&^FlagZstd != 0 || b[6] != 0 || b[7] != 0:
		return "no frame of a known kind"
	case f.Offset != offset || f.Group > offset || f.Group < HeadSize:
		return "frame belongs to another offset"
	case f.Stored > MaxPayload || f.Raw > MaxPayload || f.Stored > f.Raw,
		f.Flags == 0 && f.Stored != f.Raw, f.Kind >= KindSeal && f.Raw != 0, f.Position == 0:
		return "frame head is inconsistent"
	case f.Size() > size-offset:
		return "frame is cut short"
	}
	return ""
}

// Name returns the name of the file of this number: 16 hexadecimal digits and the suffix.
func Name(number uint64, suffix string) string { return fmt.Sprintf("%016x%s", number, suffix) }

// Number returns the number of the file of this name, or 0 if the name is not that of a file.
func Number(name, suffix string) uint64 {
	if len(name) != 16+len(suffix) || name[16:] != suffix {
		return 0
	}
	n, err := strconv.ParseUint(name[:16], 16, 64)
	if err != nil || Name(n, suffix) != name {
		return 0
	}
	return n
}
