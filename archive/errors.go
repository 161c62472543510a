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
	// ErrQuota means that there is no room, by Quota, MaxPushed, MaxHeaders or MinFree, or because
	// the disk is full. There is room again when the host advances its watermark.
	ErrQuota = errors.New("archive: no room")
	// ErrBusy means that more than MaxPending bytes are under way to the disk. Try again later.
	ErrBusy = errors.New("archive: too much is under way to the disk")
	// ErrPruned means that the height is below what is kept of its lane.
	ErrPruned = errors.New("archive: pruned")
	// ErrNotHeld means that nothing is held of that place, or not its body.
	ErrNotHeld = errors.New("archive: not held")
	// ErrWindow means that a pushed body is not of the two heights above its lane's top and highest
	// lock.
	ErrWindow = errors.New("archive: pushed outside the window")
	// ErrBody means that header, tree, bytes and MaxPayload do not fit together.
	ErrBody = errors.New("archive: header, tree and bytes do not fit together")
	// ErrFormat means that the index has another format or namespace, or invalid records.
	ErrFormat = errors.New("archive: the folder is not this archive's: see that Dir and Namespace belong together, and that " +
		"the build is not older than the one that ran last")
	// ErrIndexLost means that there are data segments and no index.
	ErrIndexLost = errors.New("archive: the index is lost. Put the folder back as it was; or remove it, " +
		"open with Create, and let the archive be filled again by other processes")
	// ErrDamaged is matched by every [*DamageError].
	ErrDamaged = errors.New("archive: damaged")
)

// DamageError names a damaged body and its place in the file. Its header is still held, and the
// body can be put again.
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
