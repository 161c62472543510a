package archive

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lanecast/lanecast/internal/segment"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/payload"
)

// Defaults of the fields of [Config].
const (
	DefaultSegmentSize = 128 << 20
	DefaultQuota       = 64 << 30
	DefaultMaxPushed   = 1 << 30
	DefaultRetain      = 10 * time.Minute
	DefaultMinFree     = 1 << 30
	DefaultMaxPending  = 256 << 20
	DefaultMaxHeaders  = 4 << 20
	DefaultCompactRate = 32 << 20
)

// indexDelay is the time that a record of the index waits for others, to be synced with them, if it
// is a watermark's record or no done function waits for it. Other records do not wait.
const indexDelay = 2 * time.Millisecond

// minRoom is the least room, in bytes, of all lanes together beyond the quota.
const minRoom = 64 << 20

// Config configures an archive. Only Dir has no usable zero value.
type Config struct {
	// Dir is the archive's own folder. Open makes a relative path absolute.
	Dir string
	// Create makes an archive in a folder that has none. Without it such a folder is refused:
	// journal.ErrNoJournal.
	Create bool
	// Namespace is the network's namespace, used in payload digests. It is kept in the archive;
	// Open refuses an archive of another namespace.
	Namespace []byte
	// MaxPayload is the length in bytes of the longest body, a setting of the network: 1 B to 64
	// MiB, 0 for 4 MiB.
	MaxPayload int
	// SegmentSize is the size in bytes at which the next data segment begins: 4 KiB to 1 GiB, at
	// least twice MaxPayload, 0 for 128 MiB.
	SegmentSize int64
	// Quota is the highest number of bytes of bodies kept: at least MaxPayload and 64 KiB, 0 for 64
	// GiB. The package comment describes what is refused at Quota, and the room on disk.
	Quota int64
	// MaxPushed is the highest number of bytes of pushed bodies that are not wanted yet: at least
	// 64 KiB, 0 for 1 GiB; −1 for none.
	MaxPushed int64
	// Retain is the time for which bodies and headers stay, to be served to other processes, after
	// the watermark has passed them: up to 30 days, 0 for 10 minutes; −1 for none.
	Retain time.Duration
	// MinFree is the number of bytes left free on the disk: at least 1 MiB, 0 for 1 GiB; −1 for no
	// check. Bodies put ForVote and Pushed leave the lanes' own room free too. Compaction, which
	// frees room, uses up to half of it for a while.
	MinFree int64
	// MaxPending is the number of bytes of bodies that were put and are not durable yet, above
	// which Put returns an error: at least MaxPayload and 64 KiB, 0 for 256 MiB.
	MaxPending int64
	// MaxHeaders is the highest number of headers kept, with bodies and without: 1,024 to 2^28, 0
	// for 4 Mi.
	MaxHeaders int
	// CompactRate is the number of bytes per second that compaction moves out of mostly dead
	// segments, in addition to as many bytes as are written: 64 KiB to 8 GiB, 0 for 32 MiB.
	CompactRate int64
	// Damaged, if set, is called when compaction finds a damaged body; a caller that reads one gets
	// the error instead. It must not block, nor call the archive.
	Damaged func(*DamageError)
	// Metrics is the registry of the metrics, from Open until Close. nil: none. Archives that share
	// a registry need a label to tell them apart: see prometheus.WrapRegistererWith.
	Metrics prometheus.Registerer
	// FS is the file system; nil means the operating system's. Several goroutines use it at once.
	// If its files are journal.VectorWriters, a group of bodies takes few writes.
	FS journal.FS

	free          func(dir string) (int64, error) // free bytes on the disk; tests set these four
	indexSegments int64                           // the index's journal.Config.SegmentSize
	groupBytes    int64                           // bodies synced together, but for one
	room          int64                           // minRoom
}

func (c *Config) complete() error {
	if c.Dir == "" {
		return fmt.Errorf("%w: Dir is empty, want the path of a folder", ErrConfig)
	}
	if len(c.Namespace) > maxNamespace {
		return fmt.Errorf("%w: Namespace has %d bytes, want at most %d", ErrConfig, len(c.Namespace), maxNamespace)
	}
	payloadSize, headers := int64(c.MaxPayload), int64(c.MaxHeaders)
	retain := int64(c.Retain)
	if payloadSize == 0 {
		payloadSize = payload.DefaultMaxPayload
	}
	least := max(payloadSize, 64<<10)
	for _, f := range []struct {
		name            string
		field           *int64
		low, high, deft int64
		none            bool // −1 has a meaning
	}{
		{"MaxPayload", &payloadSize, 1, 64 << 20, payload.DefaultMaxPayload, false},
		{"SegmentSize", &c.SegmentSize, max(4<<10, 2*payloadSize), 1 << 30, DefaultSegmentSize, false},
		{"Quota", &c.Quota, least, math.MaxInt64 / 8, DefaultQuota, false},
		{"MaxPushed", &c.MaxPushed, 64 << 10, math.MaxInt64 / 8, DefaultMaxPushed, true},
		{"Retain", &retain, 1, int64(30 * 24 * time.Hour), int64(DefaultRetain), true},
		{"MinFree", &c.MinFree, 1 << 20, math.MaxInt64 / 8, DefaultMinFree, true},
		{"MaxPending", &c.MaxPending, least, math.MaxInt64 / 8, DefaultMaxPending, false},
		{"MaxHeaders", &headers, 1 << 10, 1 << 28, DefaultMaxHeaders, false},
		{"CompactRate", &c.CompactRate, 64 << 10, 8 << 30, DefaultCompactRate, false},
	} {
		switch {
		case *f.field == 0:
			*f.field = f.deft
		case f.none && *f.field == -1:
		case *f.field < f.low || *f.field > f.high:
			also := ""
			if f.none {
				also = ", −1 for none"
			}
			return fmt.Errorf("%w: %s is %d, want %d to %d%s, or 0 for %d", ErrConfig, f.name, *f.field, f.low, f.high, also, f.deft)
		}
	}
	c.MaxPayload, c.MaxHeaders, c.Retain = int(payloadSize), int(headers), time.Duration(retain)
	if c.SegmentSize < 2*payloadSize { // the default, under a large MaxPayload
		return fmt.Errorf("%w: SegmentSize is %d, want at least twice MaxPayload, %d", ErrConfig, c.SegmentSize, 2*payloadSize)
	}
	if c.FS == nil {
		c.FS = journal.OS()
	}
	if c.free == nil {
		c.free = freeBytes
	}
	if c.indexSegments == 0 {
		c.indexSegments = 8 << 20
	}
	if c.groupBytes == 0 {
		c.groupBytes = 16 << 20
	}
	if c.room == 0 {
		c.room = minRoom
	}
	return nil
}

// maxNamespace is the length in bytes of the longest namespace.
const maxNamespace = 1 << 16

// maxFrame returns the bytes that the longest body takes in a segment.
func (c *Config) maxFrame() int64 { return bodyFrame(payload.MaxHeaderSize, uint64(c.MaxPayload)) }

// bodyFrame returns the bytes that a body takes in a segment, with a header of so many bytes.
func bodyFrame(header int, size uint64) int64 {
	return int64(segment.FrameSize(prefixSize(header, size) + int(size)))
}
