package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked means that another journal, of this process or of another one, uses the folder.
	ErrLocked = errors.New("journal: folder is locked by another journal")
	// ErrCorrupt is matched by every [*CorruptError].
	ErrCorrupt = errors.New("journal: corrupt")
	// ErrClosed is returned by Append after Close.
	ErrClosed = errors.New("journal: closed")
	// ErrTooLarge is returned for a record longer than Config.MaxRecord: by Append, and by Open for
	// a sound record that was written under a larger limit.
	ErrTooLarge = errors.New("journal: record exceeds Config.MaxRecord")
	// ErrVersion means that the folder has a format version that this build does not know.
	ErrVersion = errors.New("journal: unknown format version")
	// ErrNoJournal means that the folder holds no log and Config.Create is not set.
	ErrNoJournal = errors.New("journal: there is no log in the folder. If there was one, restore the folder " +
		"as it was, or treat the log as lost. Only if there never was one, open with Create")
	// ErrTruncated is matched by a [*CorruptError] about a log that ends before its watermark:
	// durable records are missing.
	ErrTruncated = errors.New("journal: log ends before its watermark")
	// ErrConfig is matched by every error about a field of Config.
	ErrConfig = errors.New("journal: bad configuration")
)

// CorruptError is damage of the log that no crash explains, with its place. Nothing was changed on
// disk.
type CorruptError struct {
	File   string // name within the folder
	Offset int64  // offset in bytes at which the damaged part begins
	Reason string
	Err    error // ErrTruncated, or nil
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal: %s is corrupt at byte %d: %s. If files of the folder were moved, cut or mixed, "+
		"restore all of them as they were; otherwise treat the log as lost. Do not remove or edit single files",
		e.File, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) hold.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Err }

func unknownVersion(found uint32) error {
	return fmt.Errorf("%w: the files have version %d, this build reads and writes version %d. Use a build "+
		"that reads them, or treat the log as lost", ErrVersion, found, formatVersion)
}
