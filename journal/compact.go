package journal

import (
	"fmt"
	"path/filepath"

	"github.com/lanecast/lanecast/internal/segment"
)

// compaction rewrites the live records of one old segment at the tail, a bounded number of bytes at
// a time, between the owner's groups.
type compaction struct {
	source *segmentInfo // nil if none is running
	file   File
	reader frameReader
	offset int64 // offset up to which source has been read
	buf    []byte
	moved  []Position
}

// compact removes dead segments, and moves live records if that frees enough. It reports whether it
// should be called again soon.
func (w *writer) compact() (more bool, err error) {
	dead := w.ledger.dead()
	if dead >= 2 && w.ledger.tail().size > segment.HeadSize {
		// Dead segments are removed when the next one begins, because its head records that they
		// are gone. A log normally has one; with more the next segment begins early.
		if err := w.rotate(); err != nil {
			return false, err
		}
		dead = w.ledger.dead()
	}
	c := &w.compaction
	if c.source != nil && c.source.live == 0 {
		if err := c.stop(); err != nil {
			return false, err
		}
	}
	if c.source == nil {
		if len(w.ledger.segments)-dead <= w.j.cfg.MaxSegments || !w.ledger.sparse(dead) {
			return false, nil
		}
		if err := w.start(w.ledger.segments[dead]); err != nil {
			return false, err
		}
	}
	return true, w.moveSome()
}

func (w *writer) start(source *segmentInfo) error {
	if err := w.j.InPlace(); err != nil {
		return err
	}
	name := segmentName(source.number)
	file, err := w.j.cfg.FS.OpenRead(filepath.Join(w.j.cfg.Dir, name))
	if err != nil {
		return fmt.Errorf("journal: compacting %s: %w", name, err)
	}
	c := &w.compaction
	c.source, c.file, c.offset = source, file, segment.HeadSize
	if c.reader.buf == nil {
		c.reader.buf = make([]byte, w.j.cfg.ReplayBuffer)
		c.reader.maxRecord = segment.MaxPayload // records in the log were accepted before
	}
	c.reader.reset(file, source.size, segment.Seed(source.identity, source.number))
	return nil
}

// stop ends a compaction, done or not. A later compaction of the same segment begins again with the
// records that still live there.
func (c *compaction) stop() error {
	if c.source == nil {
		return nil
	}
	name := segmentName(c.source.number)
	c.source = nil
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("journal: closing %s: %w", name, err)
	}
	return nil
}

// stopIfRemoved ends a compaction whose source is among the segments to be removed.
func (c *compaction) stopIfRemoved(gone []*segmentInfo) error {
	for _, s := range gone {
		if s == c.source {
			return c.stop()
		}
	}
	return nil
}

// moveSome copies the next live records of the source to the tail, as one group.
func (w *writer) moveSome() error {
	c := &w.compaction
	c.buf, c.moved = c.buf[:0], c.moved[:0]
	// The bytes read are bounded too, otherwise a large segment with few live records would delay
	// the owner's groups.
	limit := c.offset + 16*int64(w.j.cfg.moveRound)
	for c.offset < min(limit, c.source.size) && len(c.buf) < w.j.cfg.moveRound {
		f, why, err := c.reader.frame(c.offset)
		if err != nil {
			return fmt.Errorf("journal: compacting %s: %w", segmentName(c.source.number), err)
		}
		if why != "" {
			// The frame was sound when it was written or replayed. A live record may be lost, so
			// the journal must not continue.
			return &CorruptError{File: segmentName(c.source.number), Offset: c.offset, Reason: why}
		}
		c.offset += f.Size()
		if f.Kind >= segment.KindSeal || w.ledger.home(Position(f.Position)) != c.source {
			continue
		}
		at := len(c.buf)
		c.buf = append(c.buf, make([]byte, f.Size())...)
		out := c.buf[at:]
		copy(out[segment.FrameHead:], f.Payload)
		f.Kind = segment.KindCopy
		f.Put(out)
		c.moved = append(c.moved, Position(f.Position))
	}
	if len(c.buf) > 0 {
		if w.full(0, len(c.buf)) {
			if err := w.rotate(); err != nil {
				return err
			}
		}
		w.finishAll(c.buf)
		if err := w.commit(c.buf, group{moved: c.moved}); err != nil {
			return err
		}
	}
	if cap(c.buf) > 4*w.j.cfg.moveRound {
		c.buf = nil
	}
	if c.source != nil && c.offset >= c.source.size {
		return c.stop()
	}
	return nil
}

// finishAll completes the frames in b, which will be one group at the tail's end.
func (w *writer) finishAll(b []byte) {
	start := w.ledger.tail().size
	for at := 0; at < len(b); {
		var f segment.Frame
		f.Parse(b[at:at+segment.FrameHead], 0, 0) // only for its fields
		n := int(f.Size())
		segment.Finish(b[at:at+n], w.seed, start+int64(at), start)
		at += n
	}
}
