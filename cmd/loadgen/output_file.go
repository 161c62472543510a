package main

import (
	"errors"
	"os"
)

// outputFile is a file that a flag names. It is opened before the run, so that a wrong name is found out at once; what
// is in it stays until something is written.
type outputFile struct {
	flag string
	file *os.File // nil once written or closed
	made bool     // it was not there before
}

// openOutput opens a file to write; nil without a name. Methods of a nil outputFile do nothing.
func openOutput(flag, name string) (*outputFile, error) {
	if name == "" {
		return nil, nil
	}
	_, err := os.Stat(name)
	made := errors.Is(err, os.ErrNotExist)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, usagef("--%s: %v; name a file that can be written", flag, err)
	}
	return &outputFile{flag: flag, file: f, made: made}, nil
}

// write makes b all that is in the file. It is for one call.
func (o *outputFile) write(b []byte) error {
	if o == nil || o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	var err error
	if info, statErr := f.Stat(); statErr == nil && info.Mode().IsRegular() { // devices and pipes cannot be cut
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.New("--" + o.flag + ": " + oneLine(err))
	}
	return nil
}

// close gives up a file that nothing was written to, and leaves none behind that was not there before.
func (o *outputFile) close() {
	if o == nil || o.file == nil {
		return
	}
	_ = o.file.Close() // nothing was written
	if o.made {
		_ = os.Remove(o.file.Name())
	}
	o.file = nil
}
