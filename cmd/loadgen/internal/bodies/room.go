package bodies

import (
	"fmt"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/payload"
)

// Parts of the room that a member's archive gets.
const (
	spareSegments = 12 // beside the live ones: four by the bound, and eight spare files
	mostSegment   = 128 << 20
	leastSegment  = 1 << 20
	leastBodies   = 16      // number of bodies that the quota must hold
	leastQuota    = 1 << 20 // lower bound of the quota, bytes
	mostQuota     = 64 << 30
	leftFree      = 1 << 30 // bytes that archives leave free on disk: archive.Config.MinFree
)

// Room returns the settings of the archives of members that share a disk with this many free bytes,
// for bodies of a size.
func Room(free int64, members, size int) (archive.Config, error) {
	share := (free - leftFree) / int64(members)
	maxPayload := int64(max(size, payload.DefaultMaxPayload))
	segment := min(max(share/(2*spareSegments), leastSegment), mostSegment)
	segment = max(segment, 2*maxPayload)
	quota := min(share-spareSegments*segment, mostQuota)
	if least := max(leastBodies*int64(size), leastQuota, maxPayload); quota < least {
		needed := leftFree + int64(members)*(least+spareSegments*segment)
		return archive.Config{}, fmt.Errorf("bodies need %d MB of free room in the folder, and %d MB are free", needed/1e6, max(0, free)/1e6)
	}
	return archive.Config{SegmentSize: segment, Quota: quota, MinFree: leftFree, Retain: -1}, nil
}
