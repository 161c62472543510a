package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/lanecast/lanecast/internal/segment"
)

// frameReader reads frames of one segment file through a buffer of fixed size. Only a record longer
// than the buffer gets more memory, after a check that the file is that long, and never more than a
// record of maxRecord needs.
type frameReader struct {
	file      File
	size      int64 // number of bytes of the file that may be read
	seed      uint32
	maxRecord int

	buf   []byte
	start int64 // offset of buf[0] in the file
	n     int   // number of filled bytes of buf
	large []byte
}

// reset makes the reader read another file.
func (r *frameReader) reset(file File, size int64, seed uint32) {
	r.file, r.size, r.seed = file, size, seed
	r.start, r.n = 0, 0
}

// view returns n bytes at offset, valid until the next call. They must lie within size.
func (r *frameReader) view(offset int64, n int) ([]byte, error) {
	if offset >= r.start && offset+int64(n) <= r.start+int64(r.n) {
		i := int(offset - r.start)
		return r.buf[i : i+n], nil
	}
	if n > len(r.buf) {
		if n > cap(r.large) {
			r.large = make([]byte, n)
		}
		return r.large[:n], r.readFull(r.large[:n], offset)
	}
	r.start, r.n = offset, 0
	want := int(min(int64(len(r.buf)), r.size-offset))
	if err := r.readFull(r.buf[:want], offset); err != nil {
		return nil, err
	}
	r.n = want
	return r.buf[:n], nil
}

func (r *frameReader) readFull(b []byte, offset int64) error {
	n, err := r.file.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF // the file has become shorter
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), offset, err)
}

// frame reads the frame at offset. If there is none, why gives the reason in words. A sound frame
// whose record is longer than maxRecord is returned without payload.
func (r *frameReader) frame(offset int64) (f segment.Frame, why string, err error) {
	if r.size-offset < segment.FrameHead {
		return f, "frame is cut short", nil
	}
	b, err := r.view(offset, segment.FrameHead)
	if err != nil {
		return f, "", err
	}
	if why = f.Parse(b, offset, r.size); why != "" {
		return f, why, nil
	}
	const mismatch = "frame checksum does not match"
	sum := binary.LittleEndian.Uint32(b)
	if int(f.Raw) > r.maxRecord {
		got, err := r.checksum(offset+4, offset+f.Size())
		if err == nil && got != sum {
			why = mismatch
		}
		return f, why, err
	}
	if b, err = r.view(offset, int(f.Size())); err != nil {
		return f, "", err
	}
	if crc32.Update(r.seed, segment.Castagnoli, b[4:]) != sum {
		return f, mismatch, nil
	}
	f.Payload = b[segment.FrameHead : segment.FrameHead+int(f.Stored)]
	return f, "", nil
}

// checksum computes the checksum of the bytes from ≤ i < to, a buffer at a time.
func (r *frameReader) checksum(from, to int64) (uint32, error) {
	sum := r.seed
	for from < to {
		b, err := r.view(from, int(min(int64(len(r.buf)), to-from)))
		if err != nil {
			return 0, err
		}
		sum = crc32.Update(sum, segment.Castagnoli, b)
		from += int64(len(b))
	}
	return sum, nil
}

// behind examines the bytes after an offset at which there is no whole frame.
//
// synced reports proof that the byte at offset had been synced: a whole frame after it whose group
// began after it too. Such a group was written only after a successful sync of everything before
// it. A frame of the same group as offset proves nothing: a crash may keep any pages of an unsynced
// group and lose others. See doc.go.
//
// end is the end of the last trace of an unfinished write, or offset if there is none. A trace is a
// whole frame, or the head of a record at position next or above; an earlier segment cannot have
// left such a head in the file.
func (r *frameReader) behind(offset int64, next Position) (synced bool, end int64, err error) {
	end = offset
	for at := offset; r.size-at >= segment.FrameHead; at += 8 {
		b, err := r.view(at, segment.FrameHead)
		if err != nil {
			return false, 0, err
		}
		var f segment.Frame
		if f.Parse(b, at, r.size) != "" {
			continue
		}
		f, why, err := r.frame(at)
		if err != nil {
			return false, 0, err
		}
		switch {
		case why == "" && f.Group > offset:
			return true, end, nil
		case why == "":
			end = at + f.Size()
			at = end - 8
		case f.Kind == segment.KindRecord && Position(f.Position) >= next:
			end = max(end, at+f.Size())
		}
	}
	return false, end, nil
}

// zeros reports whether all bytes from offset on are zero, and the end of the last one that is not.
func (r *frameReader) zeros(offset int64) (all bool, end int64, err error) {
	all, end = true, offset
	for offset < r.size {
		b, err := r.view(offset, int(min(int64(len(r.buf)), r.size-offset)))
		if err != nil {
			return false, 0, err
		}
		for i := len(b) - 1; i >= 0; i-- {
			if b[i] != 0 {
				all, end = false, offset+int64(i)+1
				break
			}
		}
		offset += int64(len(b))
	}
	return all, end, nil
}

// codec compresses and decompresses single records. It allocates encoder and decoder at their first
// use.
type codec struct {
	level int // of zstd; used only by shrink
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	buf   []byte
}

// shrink returns record compressed, valid until the next call, or nil if that is not shorter.
func (c *codec) shrink(record []byte) ([]byte, error) {
	if c.enc == nil {
		enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
			zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.level)), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, fmt.Errorf("journal: starting zstd: %w", err)
		}
		c.enc = enc
	}
	c.buf = c.enc.EncodeAll(record, c.buf[:0])
	if len(c.buf) >= len(record) {
		return nil, nil
	}
	return c.buf, nil
}

// expand returns the record in f, valid until the next call. If the payload does not decompress to
// the length in the head, why gives the reason.
func (c *codec) expand(f *segment.Frame, maxRecord int) (record []byte, why string, err error) {
	if f.Flags&segment.FlagZstd == 0 {
		return f.Payload, "", nil
	}
	if c.dec == nil {
		c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(maxRecord, 1<<10))))
		if err != nil {
			return nil, "", fmt.Errorf("journal: starting zstd: %w", err)
		}
	}
	if cap(c.buf) < int(f.Raw) {
		c.buf = make([]byte, 0, f.Raw)
	}
	out, err := c.dec.DecodeAll(f.Payload, c.buf[:0])
	if err != nil || len(out) != int(f.Raw) {
		return nil, "record does not decompress to its length", nil
	}
	c.buf = out
	return out, "", nil
}

func (c *codec) close() {
	if c.enc != nil {
		_ = c.enc.Close() // writes nowhere: cannot fail
	}
	if c.dec != nil {
		c.dec.Close()
	}
	*c = codec{level: c.level}
}
