package cli

import "os"

// Stream is an output of the program that notices when its reader has gone.
type Stream struct {
	*os.File
	closed func()
}

// NewStream returns a stream that calls closed when something cannot be written to it, since the
// reader of a pipe has gone or the terminal has been closed.
func NewStream(f *os.File, closed func()) *Stream { return &Stream{f, closed} }

// Write implements io.Writer.
func (s *Stream) Write(b []byte) (int, error) {
	n, err := s.File.Write(b)
	if err != nil {
		s.closed()
	}
	return n, err
}

// WriteString replaces that of os.File.
func (s *Stream) WriteString(text string) (int, error) { return s.Write([]byte(text)) }
