package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked says that the folder is in use by another journal, of this process or of another one.
	ErrLocked = errors.New("journal: folder is locked by another journal")
	// ErrCorrupt is what every [*CorruptError] matches with errors.Is.
	ErrCorrupt = errors.New("journal: corrupt")
	// ErrClosed is returned by Append after Close.
	ErrClosed = errors.New("journal: closed")
	// ErrTooLarge is returned for a record longer than Options.MaxRecord: by Append, and by Open for a sound
	// record that was written under a larger bound.
	ErrTooLarge = errors.New("journal: record exceeds Options.MaxRecord")
	// ErrVersion says that a segment has a format version that this build does not know.
	ErrVersion = errors.New("journal: unknown format version")
	// ErrOption is matched by every error about a field of Options.
	ErrOption = errors.New("journal: invalid option")
)

// CorruptError says where the log is damaged in a way that no crash explains. Nothing was changed on disk.
type CorruptError struct {
	File   string // name within the folder
	Offset int64  // byte in the file at which the damaged part begins
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is corrupt at byte %d: %s", e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
