// Package record has the formats that the processes of a mixed network write: a line for each
// lock, and a line each second with their state. Upstream's processes write the same.
package record

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// Lock is a lock that was reported to an application, with the time.
type Lock struct {
	wire.Lock
	At time.Time // to the millisecond
}

// fields is the number of fields of a line: sequencer, height, epoch, payload, certificate,
// milliseconds.
const fields = 6

// AppendTo appends the line, with its end.
func (l *Lock) AppendTo(dst []byte) []byte {
	return fmt.Appendf(dst, "%x %d %d %x %x %d\n", l.Chunk.Sequencer[:], l.Chunk.Height, l.Epoch,
		l.Chunk.Payload[:], l.Certificate, l.At.UnixMilli())
}

// ParseLock reads a line without its end.
func ParseLock(line string) (l Lock, err error) {
	part := strings.Split(line, " ")
	if len(part) != fields {
		return l, fmt.Errorf("a line of %d fields; it must have %d", len(part), fields)
	}
	if err := decode(l.Chunk.Sequencer[:], part[0]); err != nil {
		return l, fmt.Errorf("sequencer: %w", err)
	}
	if l.Chunk.Height, err = strconv.ParseUint(part[1], 10, 64); err != nil {
		return l, fmt.Errorf("height: %w", err)
	}
	if l.Epoch, err = strconv.ParseUint(part[2], 10, 64); err != nil {
		return l, fmt.Errorf("epoch: %w", err)
	}
	if err := decode(l.Chunk.Payload[:], part[3]); err != nil {
		return l, fmt.Errorf("payload: %w", err)
	}
	if l.Certificate, err = hex.DecodeString(part[4]); err != nil {
		return l, fmt.Errorf("certificate: %w", err)
	}
	ms, err := strconv.ParseInt(part[5], 10, 64)
	if err != nil {
		return l, fmt.Errorf("time: %w", err)
	}
	l.At = time.UnixMilli(ms)
	return l, nil
}

func decode(dst []byte, text string) error {
	b, err := hex.DecodeString(text)
	if err != nil {
		return err
	}
	if len(b) != len(dst) {
		return fmt.Errorf("%d bytes; there must be %d", len(b), len(dst))
	}
	copy(dst, b)
	return nil
}

// maxLine bounds a line: certificates list 64 bytes for each validator, in hexadecimal.
const maxLine = 1 << 22

// ReadLocks calls found for each line. It ignores a last line without its end: the process was
// killed while it wrote the line.
func ReadLocks(r io.Reader, found func(l Lock)) error {
	b := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		l, err := ParseLock(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		found(l)
	}
}

// readLine returns a whole line without its end; io.EOF if none is left.
func readLine(b *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return string(line[:len(line)-1]), nil
		case err != bufio.ErrBufferFull:
			return "", err
		case len(line) > maxLine:
			return "", fmt.Errorf("a line of more than %d bytes", maxLine)
		}
	}
}

// Report is the state of a process.
type Report struct {
	Library   string  `json:"library"` // upstream or lanecast
	Validator int     `json:"validator"`
	MS        int64   `json:"ms"` // since the process began
	Last      bool    `json:"last"`
	Ended     string  `json:"ended"` // the reason why the engine ended unexpectedly
	Tips      []int64 `json:"tips"`  // highest height of each lane; -1 for none
	Locks     []int64 `json:"locks"` // the same for certified heights
	Conflicts uint64  `json:"conflicts"`
	NodesIn   uint64  `json:"nodes_in"`
	AcksIn    uint64  `json:"acks_in"`
	Dropped   uint64  `json:"dropped"` // frames for which the bridge, or the engine, had no room
	Latency   Latency `json:"latency_ms"`
	// Numbers of rejected messages of others, by reason: late ones and wrong ones.
	Late    map[string]uint64 `json:"late"`
	Refused map[string]uint64 `json:"refused"`
	Samples []string          `json:"samples"` // of refused messages
}

// Latency is the latency of own chunks, from the proposal to the lock.
type Latency struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// LastReport returns the last whole report of a process's output. ok is false if there is none.
func LastReport(r io.Reader) (last Report, ok bool, err error) {
	b := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := readLine(b)
		if err == io.EOF {
			return last, ok, nil
		}
		if err != nil {
			return last, ok, err
		}
		var next Report
		if err := json.Unmarshal([]byte(line), &next); err != nil {
			return last, ok, fmt.Errorf("report %q: %w", line, err)
		}
		last, ok = next, true
	}
}
