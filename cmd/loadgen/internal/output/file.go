package output

import (
	"errors"
	"os"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

// File is a file that a flag names. It is opened before the run, so that a wrong name is
// found at once; its old content stays until Write.
type File struct {
	flag string
	file *os.File // nil once written or closed
	made bool     // it did not exist before
	cut  bool     // Append has removed the old content
}

// OpenFile opens a file to write; nil without a name. Methods of a nil File do nothing.
func OpenFile(flag, name string) (*File, error) {
	if name == "" {
		return nil, nil
	}
	_, err := os.Stat(name)
	made := errors.Is(err, os.ErrNotExist)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, cli.Usagef("--%s: %v; name a file that can be written", flag, err)
	}
	return &File{flag: flag, file: f, made: made}, nil
}

// Write replaces the content of the file by b. It may be called once.
func (o *File) Write(b []byte) error {
	if o == nil || o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	var err error
	// Devices and pipes cannot be truncated.
	if info, statErr := f.Stat(); statErr == nil && info.Mode().IsRegular() {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.New("--" + o.flag + ": " + cli.OneLine(err))
	}
	return nil
}

// Append adds b to the file, after earlier appended bytes. The first call removes the old content.
func (o *File) Append(b []byte) error {
	if o == nil || o.file == nil {
		return nil
	}
	var err error
	if info, statErr := o.file.Stat(); !o.cut && statErr == nil && info.Mode().IsRegular() {
		err = o.file.Truncate(0)
	}
	if o.cut, o.made = true, false; err == nil {
		_, err = o.file.Write(b)
	}
	if err != nil {
		return errors.New("--" + o.flag + ": " + cli.OneLine(err))
	}
	return nil
}

// Close closes a file to which nothing was written, and removes it if it did not exist before.
func (o *File) Close() {
	if o == nil || o.file == nil {
		return
	}
	_ = o.file.Close() // nothing was written
	if o.made {
		_ = os.Remove(o.file.Name())
	}
	o.file = nil
}
