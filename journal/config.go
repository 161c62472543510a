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

// Config configures a [Journal]. Only Dir has no usable zero value.
type Config struct {
	// Dir is the journal's folder. No other program may use it, and it must stay in its place while
	// the journal is open. A relative path is made absolute by Open.
	Dir string
	// Create makes Open begin a log in a folder that has none, with First as its first record, and
	// make the folder if it is missing. Open then returns only once that record, the segment and
	// the folder are durable. Without Create, Open returns ErrNoJournal for a folder that has no
	// log. If there is a log, Create and First are ignored.
	Create bool
	First  []byte
	// SegmentSize is the size in bytes at which the next segment is begun: 1 KiB to 8 GiB, 0 for 64
	// MiB. A segment can exceed it by a mark of 32 bytes, or if its only record is longer.
	SegmentSize int64
	// MaxSegments is the number of segments above which the oldest is emptied by moving its live
	// records to the tail, provided that at most half of all bytes are live: 2 to 65536, 0 for 4.
	// It is no limit: live records are kept.
	MaxSegments int
	// MaxRecord is the maximum length of a record in bytes: 1 B to 256 MiB, 0 for 1 MiB.
	MaxRecord int
	// WriteBuffer is the number of pending bytes that ends a wait for SyncDelay, and the size up to
	// which write buffers are kept for reuse: 4 KiB to 256 MiB, 0 for 1 MiB. It does not limit
	// Append.
	WriteBuffer int
	// ReplayBuffer is the number of bytes read from disk at a time: 4 KiB to 64 MiB, 0 for 256 KiB.
	ReplayBuffer int
	// SyncDelay is the time that the first record of a group may wait for others before the group
	// is written: 0 to 1 minute. With 0 a group holds the records that arrived while the previous
	// group was being synced, which is best for nearly all uses. [Journal.SyncNow] ends the wait.
	SyncDelay time.Duration
	// CompressAbove is the minimum length in bytes of records that are compressed with zstd, if
	// that makes them shorter: 64 B to 256 MiB, 0 for never. Reading does not depend on it.
	CompressAbove int
	// CompressLevel is the level of compression on zstd's own scale: 1 to 22, 0 for 1. The encoder
	// has four steps, which begin at 1, 3, 6 and 10 and take 0.3, 1.3, 13 and 43 MiB of memory,
	// more for long records. A higher step may not make a short record shorter. Reading does not
	// depend on it.
	CompressLevel int
	// Notify, if set, is called after Durable or Err changed. It runs on the journal's goroutine
	// and must not block or call Close.
	Notify func()
	// Observe, if set, is called after every synced group. It runs on the journal's goroutine and
	// must not block.
	Observe func(SyncInfo)
	// Dead, if set, is called by Open after each record that it replays. It returns positions of
	// dead records among those replayed so far, for example of one that the last record supersedes.
	// Open releases them at once. So the owner of a long log need not remember dead records until
	// it can call Release. Open reads the slice before the next call.
	Dead func() []Position
	// FS is the file system; nil is the operating system's.
	FS FS

	moveRound int   // number of bytes moved by one round of compaction; small in tests
	markBytes int64 // durable bytes after which a watermark is due; small in tests
	page      int   // size in bytes of the system's writes, a power of two ≤ 4096; small in tests
	noReuse   bool  // for comparison in benchmarks
	manual    bool  // no goroutines: tests call cycle, which also writes watermarks
}

// SyncInfo describes one synced group.
type SyncInfo struct {
	Records  int           // appended records made durable
	Moved    int           // records rewritten by compaction; such a group has no appended records
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
