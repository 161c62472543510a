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

// indexDelay is how long a record of the index waits for others, to be synced with them, if it is a
// watermark's or no done function waits for it. The others wait for nothing.
const indexDelay = 2 * time.Millisecond

// minRoom is the least room in bytes that all lanes together have beyond the quota.
const minRoom = 64 << 20

// Config says where an archive lives and how much it may hold. Only Dir has no usable zero value.
type Config struct {
	// Dir is the archive's folder, its own. A relative path is made absolute by Open.
	Dir string
	// Create begins an archive in a folder that has none. Without it such a folder is refused:
	// journal.ErrNoJournal.
	Create bool
	// Namespace is the network's, under which payload digests are made. It is kept in the archive;
	// Open refuses one of another namespace.
	Namespace []byte
	// MaxPayload is the length in bytes of the longest body, a setting of the network: 1 B to 64
	// MiB, 0 for 4 MiB.
	MaxPayload int
	// SegmentSize is the size in bytes at which the next data segment is begun: 4 KiB to 1 GiB, at
	// least twice MaxPayload, 0 for 128 MiB.
	SegmentSize int64
	// Quota is the number of bytes of bodies that are kept: at least MaxPayload and 64 KiB, 0 for 64
	// GiB. The package comment says what it stops, and what it takes on disk.
	Quota int64
	// MaxPushed is the number of bytes of bodies that were pushed and that nobody has wanted yet: at
	// least 64 KiB, 0 for 1 GiB; −1 for none.
	MaxPushed int64
	// Retain is how long bodies and headers stay after the watermark has passed them, to be served
	// to others: up to 30 days, 0 for 10 minutes; −1 for not at all.
	Retain time.Duration
	// MinFree is the number of free bytes that is left on the disk: at least 1 MiB, 0 for 1 GiB; −1
	// for no check. Above it, ForVote and Pushed leave the lanes' own room free too. Compaction, which
	// gives room back, takes up to half of it for a while.
	MinFree int64
	// MaxPending is the number of bytes of bodies that were put and are not durable yet, above which
	// Put refuses: at least MaxPayload and 64 KiB, 0 for 256 MiB.
	MaxPending int64
	// MaxHeaders is the number of headers that are kept, with bodies and without: 1,024 to 2^28, 0
	// for 4 Mi.
	MaxHeaders int
	// CompactRate is the number of bytes per second that are moved out of segments which are mostly
	// dead, beside as many as are written: 64 KiB to 8 GiB, 0 for 32 MiB.
	CompactRate int64
	// Damaged, if set, is called when compaction finds a damaged body; those who read one are told
	// by the error. It must not block, nor call the archive.
	Damaged func(*DamageError)
	// Metrics is where the metrics are registered, from Open until Close. nil: nowhere. Archives that
	// share one need a label to tell them apart: see prometheus.WrapRegistererWith.
	Metrics prometheus.Registerer
	// FS is the file system; nil is the operating system's. Several goroutines use it at a time. If its
	// files are journal.VectorWriters, a group of bodies takes few writes.
	FS journal.FS

	free          func(dir string) (int64, error) // of bytes on the disk; tests have their own
	indexSegments int64                           // journal.Config.SegmentSize of the index; small in tests
	groupBytes    int64                           // bodies synced together, but for one; small in tests
	room          int64                           // minRoom; small in tests
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
