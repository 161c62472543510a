package journal

import (
	"fmt"
	"path/filepath"

	"github.com/lanecast/lanecast/internal/segment"
)

// mover is a running compaction: it rewrites the live records of one old segment at the tail, a
// bounded number of bytes at a time, between the owner's groups.
type mover struct {
	source *segmentInfo // nil if none is running
	file   File
	reader frameReader
	offset int64 // offset up to which source has been read
	buf    []byte
	moved  []Position
}

// tend removes dead segments, and moves live records if that frees enough. It reports whether it
// should be called again soon.
func (w *writer) tend() (more bool, err error) {
	dead := w.ledger.dead()
	if dead >= 2 && w.ledger.tail().size > segment.HeadSize {
		// Dead segments are removed when the next one begins, because its head records that they
		// are gone. A log normally has one; with more the next segment begins early.
		if err := w.rotate(); err != nil {
			return false, err
		}
		dead = w.ledger.dead()
	}
	m := &w.mover
	if m.source != nil && m.source.live == 0 {
		if err := m.stop(); err != nil {
			return false, err
		}
	}
	if m.source == nil {
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
	m := &w.mover
	m.source, m.file, m.offset = source, file, segment.HeadSize
	if m.reader.buf == nil {
		m.reader.buf = make([]byte, w.j.cfg.ReplayBuffer)
		m.reader.maxRecord = segment.MaxPayload // records in the log were accepted before
	}
	m.reader.reset(file, source.size, segment.Seed(source.identity, source.number))
	return nil
}

// stop ends a compaction, done or not. A later compaction of the same segment begins again with the
// records that still live there.
func (m *mover) stop() error {
	if m.source == nil {
		return nil
	}
	name := segmentName(m.source.number)
	m.source = nil
	if err := m.file.Close(); err != nil {
		return fmt.Errorf("journal: closing %s: %w", name, err)
	}
	return nil
}

// leave ends a compaction whose source is among the segments to be removed.
func (m *mover) leave(gone []*segmentInfo) error {
	for _, s := range gone {
		if s == m.source {
			return m.stop()
		}
	}
	return nil
}

// moveSome copies the next live records of the source to the tail, as one group.
func (w *writer) moveSome() error {
	m := &w.mover
	m.buf, m.moved = m.buf[:0], m.moved[:0]
	// The bytes read are bounded too, otherwise a large segment with few live records would delay
	// the owner's groups.
	limit := m.offset + 16*int64(w.j.cfg.moveRound)
	for m.offset < min(limit, m.source.size) && len(m.buf) < w.j.cfg.moveRound {
		f, why, err := m.reader.frame(m.offset)
		if err != nil {
			return fmt.Errorf("journal: compacting %s: %w", segmentName(m.source.number), err)
		}
		if why != "" {
			// The frame was sound when it was written or replayed. A live record may be lost, so
			// the journal must not continue.
			return &CorruptError{File: segmentName(m.source.number), Offset: m.offset, Reason: why}
		}
		m.offset += f.Size()
		if f.Kind >= segment.KindSeal || w.ledger.home(Position(f.Position)) != m.source {
			continue
		}
		at := len(m.buf)
		m.buf = append(m.buf, make([]byte, f.Size())...)
		out := m.buf[at:]
		copy(out[segment.FrameHead:], f.Payload)
		f.Kind = segment.KindCopy
		f.Put(out)
		m.moved = append(m.moved, Position(f.Position))
	}
	if len(m.buf) > 0 {
		if w.full(0, len(m.buf)) {
			if err := w.rotate(); err != nil {
				return err
			}
		}
		w.finishAll(m.buf)
		if err := w.commit(m.buf, group{moved: m.moved}); err != nil {
			return err
		}
	}
	if cap(m.buf) > 4*w.j.cfg.moveRound {
		m.buf = nil
	}
	if m.source != nil && m.offset >= m.source.size {
		return m.stop()
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
