package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lanecast/lanecast/internal/poison"
	"github.com/lanecast/lanecast/wire"
)

var _ io.ReaderFrom = wire.Buffer{}

// sequence returns n bytes in which neighbours differ.
func sequence(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func TestReadBufferReadsTheMessageAndLeavesTheRest(t *testing.T) {
	for _, n := range []int{0, 1, 200, 4095, 4096, 4097, 8192, 100_000} {
		for name, slow := range map[string]func(io.Reader) io.Reader{
			"all at once":    func(r io.Reader) io.Reader { return r },
			"half at a time": iotest.HalfReader,
			"byte by byte":   iotest.OneByteReader,
			"end with data":  iotest.DataErrReader,
		} {
			source := bytes.NewReader(append(sequence(n), "next"...))
			b, err := wire.ReadBuffer(slow(source), n)
			if err != nil {
				t.Fatalf("%d bytes, %s: %v", n, name, err)
			}
			if !bytes.Equal(b.Bytes(), sequence(n)) {
				t.Errorf("%d bytes, %s: the buffer holds others, %d of them", n, name, len(b.Bytes()))
			}
			if left := source.Len(); left != len("next") && name != "end with data" { // read ahead
				t.Errorf("%d bytes, %s: %d bytes are left, want 4", n, name, left)
			}
			b.Release()
		}
	}
}

func TestReadBufferReturnsNoBufferWithAnError(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		r    io.Reader
		n    int
		is   error
		says string
	}{
		{"nothing arrives", strings.NewReader(""), 5, io.ErrUnexpectedEOF, "0 of 5 bytes arrived"},
		{"too little arrives", strings.NewReader("abc"), 5, io.ErrUnexpectedEOF, "3 of 5 bytes arrived"},
		{"it ends after a chunk", bytes.NewReader(sequence(4096)), 9000, io.ErrUnexpectedEOF, "4096 of 9000"},
		{"the reader fails", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), 5, broken, "3 of 5"},
		{"the reader times out", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))), 3,
			iotest.ErrTimeout, "1 of 3"},
		{"the length is negative", strings.NewReader("abc"), -1, nil, "length is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			poison.Switch(true)
			defer poison.Switch(false)
			owned := poison.Owned()
			b, err := wire.ReadBuffer(c.r, c.n)
			if b != (wire.Buffer{}) || poison.Owned() != owned {
				t.Error("a buffer is returned, or has not been released")
			}
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want %q that is %v", err, c.says, c.is)
			}
		})
	}
}

func TestReadBufferMakesNoRoomForBytesThatHaveNotArrived(t *testing.T) {
	for _, arrive := range []int{0, 100, 10_000, 1 << 20} {
		source := sequence(arrive)
		const runs = 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			if _, err := wire.ReadBuffer(bytes.NewReader(source), 1<<30); err == nil {
				t.Fatal("a gigabyte arrived")
			}
		}
		runtime.ReadMemStats(&after)
		// Growing by doubling allocates each size once, in total twice the last size.
		if each := int(after.TotalAlloc-before.TotalAlloc) / runs; each > 5*arrive+16<<10 {
			t.Errorf("after %d bytes of a gigabyte %d are allocated", arrive, each)
		}
	}
}

func TestReadFromAppendsUntilTheEnd(t *testing.T) {
	b := wire.CopyBuffer([]byte("kept "))
	defer b.Release()
	n, err := b.ReadFrom(bytes.NewReader(sequence(3000)))
	if n != 3000 || err != nil || !bytes.Equal(b.Bytes(), append([]byte("kept "), sequence(3000)...)) {
		t.Errorf("%d bytes, %v, and the buffer holds %d", n, err, len(b.Bytes()))
	}
}

func TestReadFromKeepsTheBufferWithAnError(t *testing.T) {
	broken := errors.New("broken")
	b := wire.NewBuffer()
	defer b.Release()
	n, err := b.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)))
	if n != 3 || err != broken || string(b.Bytes()) != "abc" {
		t.Errorf("%d bytes, %v, and the buffer holds %q", n, err, b.Bytes())
	}
	mustPanic(t, "zero Buffer", func() { _, _ = wire.Buffer{}.ReadFrom(strings.NewReader("")) })
}

func TestReadFromReadsAllBytesOfALimitedReader(t *testing.T) {
	b := wire.NewBuffer()
	defer b.Release()
	endless := io.LimitedReader{R: iotest.OneByteReader(zeros{}), N: 1001}
	if n, err := b.ReadFrom(&endless); n != 1001 || err != nil || len(b.Bytes()) != 1001 {
		t.Errorf("%d bytes, %v, and the buffer holds %d", n, err, len(b.Bytes()))
	}
}

// zeros is a reader of zeros that never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// miscounting gives three bytes, and after that returns a count that is impossible for p.
type miscounting struct {
	given bool
	count func(p []byte) int
}

func (m *miscounting) Read(p []byte) (int, error) {
	if m.given {
		return m.count(p), nil
	}
	m.given = true
	return copy(p, "abc"), nil
}

func TestACountThatNoReaderMayReturnIsAnError(t *testing.T) {
	for name, count := range map[string]func([]byte) int{
		"negative":       func([]byte) int { return -1 },
		"one too many":   func(p []byte) int { return len(p) + 1 },
		"beyond the end": func(p []byte) int { return cap(p) + 1 },
		"the smallest":   func([]byte) int { return math.MinInt },
		"the largest":    func([]byte) int { return math.MaxInt },
	} {
		t.Run(name, func(t *testing.T) {
			poison.Switch(true)
			defer poison.Switch(false)
			owned := poison.Owned()
			b := wire.NewBuffer()
			n, err := b.ReadFrom(&miscounting{count: count})
			if n != 3 || err == nil || !strings.Contains(err.Error(), "*wire_test.miscounting returned") || string(b.Bytes()) != "abc" {
				t.Errorf("ReadFrom: %d, %v, and the buffer holds %q", n, err, b.Bytes())
			}
			b.Release()
			b, err = wire.ReadBuffer(&miscounting{count: count}, 10)
			if b != (wire.Buffer{}) || err == nil || !strings.Contains(err.Error(), "3 of 10 bytes arrived") {
				t.Errorf("ReadBuffer: %v", err)
			}
			if poison.Owned() != owned {
				t.Error("a buffer has not been released")
			}
		})
	}
}

// panicking is a reader that panics.
type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a fault of the reader") }

func TestReadBufferReleasesItsBufferWhenTheReaderPanics(t *testing.T) {
	poison.Switch(true)
	defer poison.Switch(false)
	owned := poison.Owned()
	mustPanic(t, "a fault of the reader", func() { _, _ = wire.ReadBuffer(panicking{}, 10) })
	if poison.Owned() != owned {
		t.Error("the buffer has not been released")
	}
}

func TestReadingIntoAWarmPoolAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("with the race detector on, sync.Pool drops random elements")
	}
	message := sequence(200)
	r := bytes.NewReader(nil)
	mustNotAllocate(t, "reading a message", func() {
		r.Reset(message)
		b, err := wire.ReadBuffer(r, len(message))
		if err != nil || len(b.Bytes()) != len(message) {
			t.Fail()
		}
		b.Release()
	})
}
