package journal

import (
	"fmt"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// Defaults of the fields of [Config].
const (
	DefaultSegmentSize   = 64 << 20
	DefaultMaxSegments   = 4
	DefaultMaxRecord     = 1 << 20
	DefaultWriteBuffer   = 1 << 20
	DefaultReplayBuffer  = 256 << 10
	DefaultCompressLevel = 1
)

// Config says where a journal lives and how it behaves. Only Dir has no usable zero value.
type Config struct {
	// Dir is the journal's folder. It belongs to the journal alone, and must stay in its place while
	// the journal is open. A relative path is made absolute by Open.
	Dir string
	// Create begins a log in a folder that has none, with First as its first record, and makes the
	// folder if it is missing. Open then returns only once that record, the segment and the folder
	// are durable. Without Create a folder that has no log is refused: ErrNoJournal. A log that is
	// there is opened as without Create, and First ignored.
	Create bool
	First  []byte
	// SegmentSize is the size in bytes at which the next segment is begun: 1 KiB to 8 GiB, 0 for 64
	// MiB. A segment is longer only by a mark of 32 bytes, or if its one record is longer.
	SegmentSize int64
	// MaxSegments is the number of segments above which the oldest is emptied by moving its live
	// records to the tail, provided that at most half of all bytes are live: 2 to 65536, 0 for 4.
	// It is no limit: what is live is kept.
	MaxSegments int
	// MaxRecord is the length in bytes of the longest record: 1 B to 256 MiB, 0 for 1 MiB.
	MaxRecord int
	// WriteBuffer is the number of pending bytes that ends a wait for SyncDelay, and the size up to
	// which write buffers are kept for reuse: 4 KiB to 256 MiB, 0 for 1 MiB. It does not limit what
	// Append accepts.
	WriteBuffer int
	// ReplayBuffer is the number of bytes read from disk at a time: 4 KiB to 64 MiB, 0 for 256 KiB.
	ReplayBuffer int
	// SyncDelay is how long the first record of a group may wait for others before the group is
	// written: 0 to 1 minute. With 0 a group holds the records that came while the last one was
	// being synced, which is best for nearly all uses. [Journal.SyncNow] ends the wait.
	SyncDelay time.Duration
	// CompressAbove is the length in bytes from which on records are compressed with zstd, where
	// that makes them shorter: 64 B to 256 MiB, 0 for never. Reading does not depend on it.
	CompressAbove int
	// CompressLevel is how hard zstd tries, on zstd's own scale: 1 to 22, 0 for 1. The encoder has
	// four steps, which begin at 1, 3, 6 and 10 and take 0.3, 1.3, 13 and 43 MiB of memory, more for
	// long records. A higher step need not make a short record shorter. Reading does not depend on
	// it.
	CompressLevel int
	// Notify, if set, is called after Durable or Err moved. It runs on the journal's goroutine and
	// must not block, nor call Close.
	Notify func()
	// Observe, if set, is called after every synced group. It runs on the journal's goroutine and
	// must not block.
	Observe func(SyncInfo)
	// Dead, if set, is called by Open after each record that it replays, and returns positions,
	// among those replayed so far, whose records are dead, as one that the last record supersedes
	// is. They are released at once. So an owner of a long log need not remember what is dead until
	// it can call Release. The slice is read before the next call.
	Dead func() []Position
	// FS is the file system; nil is the operating system's.
	FS FS

	moveRound int   // bytes moved by one round of compaction; small in tests
	markBytes int64 // durable bytes after which a watermark is due; small in tests
	page      int   // bytes that the system writes at a time, a power of two ≤ 4096; small in tests
	noReuse   bool  // benchmarks compare with that
	manual    bool  // no goroutines: tests call cycle, and watermarks are written between its steps
}

// SyncInfo describes one synced group.
type SyncInfo struct {
	Records  int           // appended records made durable
	Moved    int           // records rewritten by compaction; such groups have no appended ones
	Bytes    int64         // bytes written
	Duration time.Duration // of the write and the sync
}

// complete puts the defaults into the fields that are zero, and checks all of them.
func (c *Config) complete() error {
	if c.Dir == "" {
		return fmt.Errorf("%w: Dir is empty, want the path of a folder", ErrConfig)
	}
	if err := fillIn("SegmentSize", &c.SegmentSize, 1<<10, 8<<30, DefaultSegmentSize); err != nil {
		return err
	}
	for _, f := range []struct {
		name            string
		field           *int
		low, high, deft int
	}{
		{"MaxSegments", &c.MaxSegments, 2, 1 << 16, DefaultMaxSegments},
		{"MaxRecord", &c.MaxRecord, 1, segment.MaxPayload, DefaultMaxRecord},
		{"WriteBuffer", &c.WriteBuffer, 4 << 10, 256 << 20, DefaultWriteBuffer},
		{"ReplayBuffer", &c.ReplayBuffer, 4 << 10, 64 << 20, DefaultReplayBuffer},
		{"CompressAbove", &c.CompressAbove, 64, segment.MaxPayload, 0},
		{"CompressLevel", &c.CompressLevel, 1, 22, DefaultCompressLevel},
	} {
		if err := fillIn(f.name, f.field, f.low, f.high, f.deft); err != nil {
			return err
		}
	}
	if c.SyncDelay < 0 || c.SyncDelay > time.Minute {
		return fmt.Errorf("%w: SyncDelay is %v, want 0 to %v", ErrConfig, c.SyncDelay, time.Minute)
	}
	if c.Create && len(c.First) > c.MaxRecord {
		return fmt.Errorf("%w: First has %d bytes, want at most %d", ErrTooLarge, len(c.First), c.MaxRecord)
	}
	if c.FS == nil {
		c.FS = OS()
	}
	if c.page == 0 {
		c.page = len(zeroPage)
	}
	if c.markBytes == 0 {
		c.markBytes = markBytes
	}
	if c.moveRound == 0 {
		c.moveRound = int(min(256<<10, c.SegmentSize/4))
	}
	return nil
}

// fillIn puts the default into a field that is zero, and checks that any other value is in range.
func fillIn[T int | int64](name string, field *T, low, high, deft T) error {
	switch {
	case *field == 0:
		*field = deft
	case *field < low || *field > high:
		return fmt.Errorf("%w: %s is %d, want %d to %d, or 0 for %d", ErrConfig, name, *field, low, high, deft)
	}
	return nil
}
