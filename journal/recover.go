package journal

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// Recovery describes the log as Open read it.
type Recovery struct {
	Records  int64         // records delivered to the replay function
	Copies   int64         // copies not delivered, because the original is in the log too
	Bytes    int64         // bytes read, up to the end of the last whole frame
	Segments int           // segments from the floor on
	Torn     int64         // bytes of an unfinished write that were cut off the tail
	File     string        // the file that was cut; empty if none
	Offset   int64         // offset of the cut in File
	Clean    bool          // the log ends with the mark of Close
	Created  bool          // there was no log, and Open began one
	Mark     Watermark     // from the watermark file; zero if the log is new or the file unreadable
	Duration time.Duration // of reading and replaying
}

// LogValue returns all fields except Mark as one group, so that an owner can log them in one line.
// The owner should log a warning if Torn is not 0: a crash interrupted a write. No durable record
// is missing then.
func (r Recovery) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Int64("records", r.Records), slog.Int64("copies", r.Copies), slog.Int64("bytes", r.Bytes),
		slog.Int("segments", r.Segments), slog.Bool("created", r.Created), slog.Bool("clean", r.Clean),
		slog.Int64("torn", r.Torn),
	}
	if r.Torn != 0 {
		attrs = append(attrs, slog.String("file", r.File), slog.Int64("offset", r.Offset))
	}
	return slog.GroupValue(append(attrs, slog.Duration("duration", r.Duration))...)
}

// Watermark is a lower bound of the durable part of the log, as of the last write of the watermark
// file.
type Watermark struct {
	File   string   // the newest segment
	Offset int64    // offset in it up to which everything is durable
	Next   Position // position of the record after the last one before Offset
}

// layout is the layout of the log on disk.
type layout struct {
	ledger
	next      Position
	identity  segment.Identity
	end       int64    // end of the tail's last whole frame
	tailSize  int64    // size of the tail's file
	unsealed  bool     // the segment before the tail has no seal yet
	leftovers []string // files to which nothing refers
	mark      foundMark
	recovery  Recovery
}

// survey reads the log and changes nothing.
type survey struct {
	fs     FS
	dir    string
	reader frameReader
	codec  codec
	// visit is called with each record frame and its record, decompressed; again means that the
	// position was visited before.
	visit   func(s *segmentInfo, f *segment.Frame, record []byte, again bool) error
	current segment.Frame // a field, because a local variable would escape in each call of visit
	out     layout
}

func newSurvey(fs FS, dir string, buffer, maxRecord int) *survey {
	v := &survey{fs: fs, dir: dir, reader: frameReader{buf: make([]byte, buffer), maxRecord: maxRecord}}
	v.out.next = 1
	v.out.moved = make(map[Position]*segmentInfo)
	return v
}

// run reads the watermark, then heads, then all frames in order. The result is valid if the error
// is nil; it has no segments if there is no log yet.
func (v *survey) run() error {
	defer v.codec.close()
	began := time.Now()
	defer func() {
		v.out.recovery.Segments = len(v.out.segments)
		v.out.recovery.Duration = time.Since(began)
	}()
	// Read the watermark first: writes during Inspect only lengthen the log.
	var err error
	if v.out.mark, err = readMark(v.fs, v.dir); err != nil {
		return err
	}
	if v.out.mark.sound {
		v.out.recovery.Mark = v.out.mark.public()
	}
	heads, err := v.heads()
	if err != nil {
		return err
	}
	for i, h := range heads {
		if err := v.segment(h, heads[i+1:]); err != nil {
			return err
		}
	}
	if len(heads) == 0 {
		return nil
	}
	return v.reachesMark()
}

// heads returns the heads of the needed segments, in order, after checking that none is missing,
// under another's name, or of another journal.
func (v *survey) heads() ([]head, error) {
	names, err := v.fs.ReadDir(v.dir)
	if err != nil {
		return nil, fmt.Errorf("journal: listing the folder: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		if n := segmentNumber(name); n != 0 {
			numbers = append(numbers, n)
		} else if name == tempName {
			v.out.leftovers = append(v.out.leftovers, name)
		}
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return nil, v.matchesMark(nil)
	}
	last := numbers[len(numbers)-1]
	tail, why, err := v.head(last)
	switch {
	case err != nil:
		return nil, err
	case why != "":
		return nil, v.headless(last, why)
	case tail.number != last:
		return nil, misplaced(last, tail.number)
	}
	v.out.identity = tail.identity
	if err := v.matchesMark(&tail); err != nil {
		return nil, err
	}

	for len(numbers) > 0 && numbers[0] < tail.floor {
		v.out.leftovers = append(v.out.leftovers, segmentName(numbers[0]))
		numbers = numbers[1:]
	}
	heads := make([]head, 0, len(numbers))
	for want := tail.floor; want <= last; want++ {
		if len(numbers) == 0 || numbers[0] != want {
			return nil, v.missing(want, &tail)
		}
		numbers = numbers[1:]
		h, why, err := v.head(want)
		switch {
		case err != nil:
			return nil, err
		case why != "":
			return nil, &CorruptError{File: segmentName(want), Reason: why}
		case h.number != want:
			return nil, misplaced(want, h.number)
		case h.identity != tail.identity:
			return nil, &CorruptError{File: segmentName(want), Offset: 16, Reason: "belongs to another journal than the newest segment"}
		}
		heads = append(heads, h)
	}
	return heads, nil
}

// missing returns the error for a missing segment that the newest head requires. If the successor
// of the newest is missing as well, the error names that: the required segment may have been
// removed correctly, after the lost head had raised the floor.
func (v *survey) missing(number uint64, newest *head) error {
	sealed, err := v.sealed(newest)
	if err != nil {
		return err
	}
	if sealed {
		number = newest.number + 1
	}
	return &CorruptError{File: segmentName(number), Reason: "segment is missing"}
}

// sealed reports whether whole frames lead to a seal, which is written only if there is a next
// segment.
func (v *survey) sealed(h *head) (sealed bool, err error) {
	err = v.with(segmentName(h.number), func() error {
		v.reader.seed = segment.Seed(h.identity, h.number)
		for offset := int64(segment.HeadSize); !sealed; {
			f, why, err := v.reader.frame(offset)
			if err != nil || why != "" {
				return err
			}
			sealed = f.Kind == segment.KindSeal
			offset += f.Size()
		}
		return nil
	})
	return sealed, err
}

// headless returns the error of a newest segment that has no good head.
func (v *survey) headless(number uint64, why string) error {
	c := &CorruptError{
		File: segmentName(number), Reason: why + ", although a segment gets its name only once its head is on disk",
	}
	if m := &v.out.mark; m.sound && m.segment >= number {
		c.Reason += "; " + m.known()
		if v.reader.size < segment.HeadSize {
			c.Err = ErrTruncated
		}
	}
	return c
}

// matchesMark compares the files in the folder with the watermark, before any frame is read. tail
// is the newest head, nil if there is no segment.
func (v *survey) matchesMark(tail *head) error {
	m := &v.out.mark
	corrupt := func(reason string) error { return &CorruptError{File: markName, Reason: reason} }
	switch {
	case !m.exists && tail == nil:
		return nil
	case !m.exists:
		return corrupt("file is missing although there are segments, which are begun only once it is on disk")
	case !m.sound:
		return corrupt("no slot holds a watermark, although only one is written at a time")
	case tail == nil && m.creating:
		return nil // a crash ended the creation of the log
	case tail != nil && m.identity != tail.identity:
		return corrupt("belongs to another journal than the newest segment")
	case tail == nil || m.segment > tail.number:
		return &CorruptError{
			File: segmentName(m.segment), Err: ErrTruncated, Reason: "segment is missing: " + m.known(),
		}
	}
	return nil
}

// reachesMark compares the log's end with the watermark.
func (v *survey) reachesMark() error {
	m, tail := &v.out.mark, v.out.tail()
	switch {
	case tail.number == m.segment && v.out.end < m.offset, v.out.next < m.next:
		r := &v.out.recovery
		r.Torn, r.File, r.Offset = 0, "", 0 // not a torn tail: no crash explains it
		return &CorruptError{
			File: segmentName(tail.number), Offset: v.out.end, Err: ErrTruncated,
			Reason: fmt.Sprintf("log ends here, before position %d, in a file of %d bytes: %s",
				v.out.next, v.out.tailSize, m.known()),
		}
	case m.creating && v.out.next > 2:
		return &CorruptError{
			File: markName, Reason: "is from the log's creation, but the log holds more than its first record",
		}
	}
	return nil
}

func (m *watermark) known() string {
	return fmt.Sprintf("%s shows that it was durable up to byte %d of %s, before position %d",
		markName, m.offset, segmentName(m.segment), m.next)
}

func misplaced(name, number uint64) error {
	return &CorruptError{File: segmentName(name), Offset: 32, Reason: fmt.Sprintf("holds segment %d", number)}
}

func (v *survey) head(number uint64) (h head, why string, err error) {
	err = v.with(segmentName(number), func() error {
		b, err := v.reader.view(0, int(min(segment.HeadSize, v.reader.size)))
		if err == nil {
			why, err = h.decode(b)
		}
		return err
	})
	return h, why, err
}

// with opens a whole file for the reader, without a seed.
func (v *survey) with(name string, do func() error) error {
	file, err := v.fs.OpenRead(filepath.Join(v.dir, name))
	if err != nil {
		return fmt.Errorf("journal: opening %s: %w", name, err)
	}
	size, err := file.Size()
	if err == nil {
		v.reader.reset(file, size, 0)
		err = do()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		if _, ours := err.(*CorruptError); !ours {
			err = fmt.Errorf("journal: reading %s: %w", name, err)
		}
	}
	return err
}

func (v *survey) zeros(name string, offset int64) (all bool, end int64, err error) {
	err = v.with(name, func() error {
		all, end, err = v.reader.zeros(offset)
		return err
	})
	return all, end, err
}

// empty reports whether a segment has only a head: no frame in a reused file, only zeros in any
// other.
func (v *survey) empty(h *head) (empty bool, err error) {
	name := segmentName(h.number)
	if !h.used {
		empty, _, err = v.zeros(name, segment.HeadSize)
		return empty, err
	}
	err = v.with(name, func() error {
		v.reader.seed = segment.Seed(h.identity, h.number)
		found, _, err := v.reader.behind(segment.HeadSize-8, h.first) // groups begin later
		empty = !found
		return err
	})
	return empty, err
}

// segment replays one segment; after are the heads of the later ones.
func (v *survey) segment(h head, after []head) error {
	s := &segmentInfo{head: h, next: h.first, size: segment.HeadSize}
	if len(v.out.segments) > 0 || h.number == 1 {
		if h.first != v.out.next {
			return &CorruptError{File: segmentName(h.number), Offset: 40, Reason: fmt.Sprintf(
				"begins at position %d, want %d", h.first, v.out.next)}
		}
	}
	v.out.next = h.first
	v.out.segments = append(v.out.segments, s)
	err := v.with(segmentName(h.number), func() error {
		v.reader.seed = segment.Seed(h.identity, h.number)
		if len(after) == 0 {
			return v.frames(s, v.reader.size, true)
		}
		if err := v.frames(s, after[0].prevEnd, false); err != nil {
			return err
		}
		return v.seal(s, after)
	})
	v.out.recovery.Bytes += s.size // including those before the damage
	return err
}

// frames visits the frames from the segment's head to limit.
func (v *survey) frames(s *segmentInfo, limit int64, tail bool) error {
	corrupt := func(offset int64, reason string) error {
		return &CorruptError{File: segmentName(s.number), Offset: offset, Reason: reason}
	}
	full := v.reader.size
	if limit > full {
		return corrupt(full, fmt.Sprintf("segment is cut short: want %d bytes", limit))
	}
	v.reader.size = limit
	defer func() { v.reader.size = full }()
	offset, group := int64(segment.HeadSize), int64(0)
	defer func() { s.size = offset }()
	clean := false
	f := &v.current
	for offset < limit {
		var why string
		var err error
		if *f, why, err = v.reader.frame(offset); err != nil {
			return err
		}
		if why != "" {
			if !tail {
				return corrupt(offset, why)
			}
			synced, end, err := v.reader.behind(offset, v.out.next)
			if err != nil {
				return err
			}
			if synced {
				return corrupt(offset, why+", yet a later group is whole")
			}
			if !s.used { // otherwise the bytes may be of the file's former segment
				if _, end, err = v.reader.zeros(offset); err != nil {
					return err
				}
			}
			if end > offset {
				v.out.recovery.File, v.out.recovery.Offset = segmentName(s.number), offset
				v.out.recovery.Torn += end - offset
			}
			break
		}
		if f.Group != offset && f.Group != group {
			return corrupt(offset, "frame belongs to no group")
		}
		group = f.Group
		clean = false
		switch f.Kind {
		case segment.KindRecord, segment.KindCopy:
			if err := v.record(s, f); err != nil {
				return err
			}
		case segment.KindClose:
			clean = true
		case segment.KindSeal:
			if tail {
				return &CorruptError{File: segmentName(s.number + 1), Reason: "segment is missing"}
			}
			return corrupt(offset, "seal before the end of the segment")
		}
		if f.Kind >= segment.KindSeal && Position(f.Position) != v.out.next {
			return corrupt(offset, fmt.Sprintf("mark at position %d, want %d", f.Position, v.out.next))
		}
		offset += f.Size()
	}
	if !tail && offset != limit {
		return corrupt(offset, "next segment begins before this one")
	}
	if tail {
		v.out.end, v.out.tailSize = offset, full
		v.out.recovery.Clean = clean
	}
	return nil
}

func (v *survey) record(s *segmentInfo, f *segment.Frame) error {
	corrupt := func(reason string) error {
		return &CorruptError{File: segmentName(s.number), Offset: f.Offset, Reason: reason}
	}
	if f.Kind == segment.KindRecord && Position(f.Position) != v.out.next || f.Kind == segment.KindCopy && Position(f.Position) >= v.out.next {
		return corrupt(fmt.Sprintf("record at position %d, want %d", f.Position, v.out.next))
	}
	if f.Payload == nil {
		return fmt.Errorf("%w: record %d in %s has %d bytes, want at most %d",
			ErrTooLarge, f.Position, segmentName(s.number), f.Raw, v.reader.maxRecord)
	}
	record, why, err := v.codec.expand(f, v.reader.maxRecord)
	if err != nil {
		return err
	}
	if why != "" {
		return corrupt(why)
	}
	again := false
	if f.Kind == segment.KindCopy {
		again = v.out.move(Position(f.Position), s)
	} else {
		v.out.add(s)
		v.out.next++
	}
	if again {
		v.out.recovery.Copies++
	} else {
		v.out.recovery.Records++
	}
	return v.visit(s, f, record, again)
}

// seal checks the bytes after the last record of a segment that has a successor. The seal is synced
// after the successor's head and before its first frame: it may be missing only if the successor
// has no frame.
func (v *survey) seal(s *segmentInfo, after []head) error {
	f, why, err := v.reader.frame(s.size)
	if err != nil {
		return err
	}
	if why == "" && (f.Kind != segment.KindSeal || f.Group != s.size || Position(f.Position) != v.out.next) {
		return &CorruptError{File: segmentName(s.number), Offset: s.size, Reason: "no seal where the next segment says it is"}
	}
	if why == "" {
		return nil
	}
	empty, err := v.empty(&after[0])
	if err != nil {
		return err
	}
	if !empty || len(after) > 1 {
		return &CorruptError{File: segmentName(s.number), Offset: s.size, Reason: "seal: " + why}
	}
	v.out.unsealed = true
	return nil
}
