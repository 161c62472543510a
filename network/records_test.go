package network

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// chunks is a connection that gives its bytes in parts.
type chunks struct {
	net.Conn
	parts [][]byte
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.parts[0])
	if c.parts[0] = c.parts[0][n:]; len(c.parts[0]) == 0 {
		c.parts = c.parts[1:]
	}
	return n, nil
}

func TestRecordsAreCountedAndWholeOnesAreHandedUpBeforeMoreIsReadHoweverTheyArrive(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 300 {
		var stream []byte
		var ends []int // of records
		for range 1 + random.IntN(60) {
			length := random.IntN(200)
			if random.IntN(10) == 0 {
				length = random.IntN(16 << 10)
			}
			record := append([]byte{23, 3, 3, byte(length >> 8), byte(length)}, make([]byte, length)...)
			for i := range record[recordHead:] {
				record[recordHead+i] = byte(random.Uint32())
			}
			stream = append(stream, record...)
			ends = append(ends, len(stream))
		}
		var parts [][]byte
		for rest := stream; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 1+random.IntN(30000)))
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		c := newRecordConn(&chunks{parts: parts}, func() time.Duration { return 0 })
		c.shaken = true
		asked := false // whether the connection was asked for more bytes
		c.before = func() bool { asked = true; return false }
		// Like crypto/tls: read until the record is complete, take it out, and only then read
		// again.
		var raw, got []byte
		for record := range ends {
			begin := 0
			if record > 0 {
				begin = ends[record-1]
			}
			for len(got)+len(raw) < ends[record] {
				p := make([]byte, 1+random.IntN(40000))
				asked = false
				whole := len(got)+len(raw)+c.end-c.start >= ends[record]
				n, err := c.Read(p)
				if whole && asked {
					t.Fatalf("record %d of %d had arrived, and the connection was asked for more", record, len(ends))
				}
				if err != nil || n == 0 {
					t.Fatalf("reading: %d bytes, %v", n, err)
				}
				raw = append(raw, p[:n]...)
			}
			n := ends[record] - begin
			got, raw = append(got, raw[:n]...), raw[n:]
		}
		if !bytes.Equal(got, stream) || int(c.read.Load()) != len(ends) {
			t.Fatalf("%d of %d bytes came, %d of %d records were counted", len(got), len(stream), c.read.Load(), len(ends))
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	}
}
