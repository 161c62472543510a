package archive

import (
	"errors"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

var (
	// ErrConfig is matched by every error about a field of Config.
	ErrConfig = errors.New("archive: bad configuration")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("archive: closed")
	// ErrQuota: there is no room for what was put, by Quota, MaxPushed, MaxHeaders or MinFree, or
	// because the disk is full. Room comes when the host advances its watermark.
	ErrQuota = errors.New("archive: no room")
	// ErrBusy: more than MaxPending bytes are under way to the disk. Try again later.
	ErrBusy = errors.New("archive: too much is under way to the disk")
	// ErrPruned: the height is below what is kept of its lane.
	ErrPruned = errors.New("archive: pruned")
	// ErrNotHeld: nothing is held of that place, or not the body.
	ErrNotHeld = errors.New("archive: not held")
	// ErrWindow: a pushed body that is not of the two heights above its lane's top and highest lock.
	ErrWindow = errors.New("archive: pushed outside the window")
	// ErrBody: what was put does not fit together: header, tree, bytes, and MaxPayload.
	ErrBody = errors.New("archive: header, tree and bytes do not fit together")
	// ErrFormat: an index of another format, namespace, or with records that make no sense.
	ErrFormat = errors.New("archive: the folder is not this archive's: see that Dir and Namespace belong together, and that " +
		"the build is not older than the one that ran last")
	// ErrIndexLost: there are data segments and no index.
	ErrIndexLost = errors.New("archive: the index is lost. Put the folder back as it was; or remove it, " +
		"open with Create, and let the archive be filled again by other processes")
	// ErrDamaged is matched by every [*DamageError].
	ErrDamaged = errors.New("archive: damaged")
)

// DamageError says which body is damaged, and where. Its header is held still, and the body can be
// put again.
type DamageError struct {
	Sequencer wire.PublicKey
	Height    uint64
	File      string // name of the segment
	Offset    int64  // of the body's frame
	Reason    string
	Err       error // of the file system, or nil
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("archive: the body of height %d of lane %v is damaged, in %s at byte %d: %s. "+
		"It can be fetched from other processes again", e.Height, e.Sequencer, e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrDamaged) hold.
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

func (e *DamageError) Unwrap() error { return e.Err }
