package journal

import (
	"fmt"

	"github.com/lanecast/lanecast/internal/segment"
)

// RecordInfo is a record in the log, with its place.
type RecordInfo struct {
	Position   Position
	Record     []byte // decompressed; a view, valid during the call
	File       string // name within the folder
	Offset     int64  // offset of the frame in the file
	Stored     int    // length in bytes of the payload as stored
	Compressed bool
	Copy       bool // written by compaction
	Again      bool // the position occurred before: Open would not replay this one
}

// Inspect reads the log in dir, calls f for each record in the order of the files, and returns the
// Recovery that Open would have. It changes nothing and takes no lock, so a log that is being
// written may look torn or damaged, or lose a segment meanwhile. With an error, the Recovery
// describes the part before the damage. A nil fs is the operating system's. The errors are those of
// Open, and those of f, wrapped.
func Inspect(dir string, fs FS, f func(RecordInfo) error) (Recovery, error) {
	if fs == nil {
		fs = OS()
	}
	dir, err := absolute(fs, dir) // f may change the working directory
	if err != nil {
		return Recovery{}, err
	}
	v := newSurvey(fs, dir, DefaultReplayBuffer, segment.MaxPayload)
	v.visit = func(s *segmentInfo, fr *segment.Frame, record []byte, again bool) error {
		err := f(RecordInfo{
			Position: Position(fr.Position), Record: record, File: segmentName(s.number), Offset: fr.Offset,
			Stored: int(fr.Stored), Compressed: fr.Flags&segment.FlagZstd != 0, Copy: fr.Kind == segment.KindCopy, Again: again,
		})
		if err != nil {
			return fmt.Errorf("showing record %d: %w", fr.Position, err)
		}
		return nil
	}
	err = v.run()
	if err == nil && len(v.out.segments) == 0 {
		err = noJournal(dir)
	}
	return v.out.recovery, err
}
