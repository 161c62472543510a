package message_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

func checkDecodeError(t *testing.T, err error) {
	t.Helper()
	var decode *wire.DecodeError
	if !errors.As(err, &decode) || decode.Field == "" || decode.Err == nil {
		t.Errorf("the error is %#v", err)
	}
}

// headersFrom returns n headers of the greatest length, from a height downwards.
func headersFrom(height uint64, n int) (headers []payload.Header) {
	for i := range n {
		headers = append(headers, payload.Header{
			Sequencer: wire.PublicKey{9}, Height: height - uint64(i), Parent: wire.Digest{1}, BodySize: math.MaxUint64,
		})
	}
	return headers
}

// lockOf returns a lock of a lane, whose certificate fits formats.
func lockOf(lane int) wire.Lock {
	s := wire.NewSigners(4)
	s.Add(1)
	return wire.Lock{
		Chunk: wire.Chunk{Sequencer: wire.PublicKey{byte(lane >> 8), byte(lane)}, Height: uint64(lane) << 20}, Epoch: 3,
		Certificate: wire.AppendSignersAndAggregate(nil, s, bytes.Repeat([]byte{7}, 48)),
	}
}

// docs/protocol.md 8.3: items fill a page up to the limit of its type.
func TestAPageOfTipsIsFilledUpToItsLimit(t *testing.T) {
	limit := typeOf(t, "tips").Limit
	for _, revision := range []uint64{0, math.MaxUint64} {
		page := message.Tips{Revision: message.Revision{Number: revision}, More: true}
		lane := 0
		for lock := lockOf(lane); page.Add(&lock); lock = lockOf(lane) {
			lane++
			if page.Size() > limit {
				t.Fatalf("%d locks take %d bytes", lane, page.Size())
			}
		}
		next := lockOf(lane)
		longer := message.Tips{Revision: page.Revision, Locks: append(slices.Clone(page.Locks), next)}
		if lane < 900 || longer.Size() <= limit {
			t.Errorf("the page ends after %d locks and %d bytes, and another would make %d", lane, page.Size(), longer.Size())
		}
		var got message.Tips
		if err := got.Decode(page.AppendTo(nil), formats); err != nil || len(got.Locks) != lane {
			t.Errorf("%d of %d locks, %v", len(got.Locks), lane, err)
		}
	}
}

func TestALockThatFillsAPageToItsLastByteFits(t *testing.T) {
	limit := typeOf(t, "tips").Limit
	for _, before := range []int{0, 126, 127, 128} { // from 128 on a count has two bytes
		for _, c := range []struct {
			over int
			fits bool
		}{{0, true}, {1, false}} {
			var page message.Tips
			for lane := range before {
				lock := lockOf(lane)
				page.Add(&lock)
			}
			last := lockOf(before)
			// Its length has three bytes, as in a full page.
			last.Certificate = make([]byte, 1<<14)
			whole := message.Tips{Locks: append(slices.Clone(page.Locks), last)}
			last.Certificate = make([]byte, 1<<14+limit-whole.Size()+c.over)
			if page.Add(&last) != c.fits {
				t.Errorf("a lock after %d, %d bytes over the limit, fits: %v", before, c.over, !c.fits)
			}
			if c.fits && page.Size() != limit {
				t.Errorf("a full page has %d bytes", page.Size())
			}
		}
	}
}

// docs/protocol.md 8.3: headers, count from 1 to 1,024.
func TestAsManyHeadersAsMayBeAskedForFitAPageWhateverTheirLengths(t *testing.T) {
	headers := headersFrom(math.MaxUint64, message.MaxHeaders+1)
	var page message.Headers
	for i := range headers[:message.MaxHeaders] {
		if !page.Add(&headers[i]) {
			t.Fatalf("no room for header %d", i)
		}
	}
	if page.Add(&headers[message.MaxHeaders]) {
		t.Error("room for one more than may be asked for")
	}
	b := page.AppendTo(nil)
	if len(b) > typeOf(t, "headers").Limit {
		t.Errorf("%d bytes", len(b))
	}
	var got message.Headers
	if err := got.Decode(b, math.MaxUint64); err != nil || !slices.Equal(got.Headers, headers[:message.MaxHeaders]) {
		t.Errorf("%d headers, %v", len(got.Headers), err)
	}
	b = (&message.Headers{Headers: headers}).AppendTo(nil)
	if err := got.Decode(b, math.MaxUint64); !errors.Is(err, message.ErrCount) {
		t.Errorf("1,025 headers: %v", err)
	}
}

// docs/protocol.md 8.3: a piece has 1 byte to 64 KiB.
func TestAPieceHasOneByteTo64KiB(t *testing.T) {
	for _, c := range []struct {
		length int
		err    error
	}{{0, message.ErrPieceSize}, {1, nil}, {payload.PieceSize, nil}, {payload.PieceSize + 1, message.ErrPieceSize}} {
		pushed := message.PushedPiece{Index: math.MaxUint32, Bytes: make([]byte, c.length)}
		piece := message.Piece{
			Index: math.MaxUint32, Path: make([]byte, message.MaxPath*wire.DigestSize), Bytes: make([]byte, c.length),
		}
		for name, m := range map[string]encoding{"pushed piece": &pushed, "piece": &piece} {
			b := m.AppendTo(nil)
			if c.err == nil && len(b) > typeOf(t, name).Limit {
				t.Errorf("%s: %d bytes exceed the limit", name, len(b))
			}
			if _, err := decode(name, b); !errors.Is(err, c.err) {
				t.Errorf("%s of %d bytes: %v", name, c.length, err)
			}
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	place := message.Place{Height: 5}
	lock := lockOf(1)
	request := (&message.TipsRequest{}).AppendTo(nil)
	genesis := payload.Header{}
	for _, c := range []struct {
		name  string
		b     []byte
		field string
		err   error
	}{
		{"tips request", nil, "follow", wire.ErrTruncated},
		{"tips request", []byte{2}, "follow", wire.ErrOption},
		{"tips request", []byte{0, 1, 9}, "instance", wire.ErrTruncated},
		{"tips request", []byte{0, 2}, "since option", wire.ErrOption},
		{"tips request", []byte{0, 0, 1, 9}, "after", wire.ErrTruncated},
		{"tips request", []byte{0, 0, 0, 17}, "count", message.ErrCount},
		{"tips request", []byte{0, 0, 0, 2, 1, 1}, "epochs", message.ErrOrder},
		{"tips request", append(request, 0), "message", wire.ErrTrailing},
		{"tips", (&message.Tips{More: true}).AppendTo(nil), "more", message.ErrMore},
		{"tips", (&message.Tips{Locks: []wire.Lock{lock, lock}}).AppendTo(nil), "locks", message.ErrOrder},
		{"tips", append(make([]byte, 18), 0x80, 0x80, 0x80, 0x80, 0x10), "count", wire.ErrVarint},
		{"headers request", (&message.HeadersRequest{Place: place}).AppendTo(nil), "count", message.ErrCount},
		{"headers request", make([]byte, 32), "height", wire.ErrTruncated},
		{"headers", (&message.Headers{}).AppendTo(nil), "count", message.ErrCount},
		{"headers", (&message.Headers{Headers: []payload.Header{genesis, genesis}}).AppendTo(nil), "headers", message.ErrOrder},
		{"headers", (&message.Headers{More: true, Headers: []payload.Header{genesis}}).AppendTo(nil), "more", message.ErrMore},
		{"headers", (&message.Headers{Headers: []payload.Header{{BodySize: maxPayload + 1}}}).AppendTo(nil), "size", payload.ErrTooLarge},
		{"piece", append(make([]byte, 33), 33), "path", message.ErrCount},
		{"piece", append(make([]byte, 33), 1, 0), "path", wire.ErrTruncated},
		{"absent", []byte{3, 0}, "reason", message.ErrReason},
		{"own chunk", []byte{1, 4, 0}, "node length", wire.ErrTruncated},
		{"own chunk", []byte{1, 1, 0, 0}, "sequencer", wire.ErrTruncated},
		{"own chunk", []byte{0, 3}, "ack option", wire.ErrOption},
	} {
		_, err := decode(c.name, c.b)
		var decode *wire.DecodeError
		if !errors.Is(err, c.err) || !errors.As(err, &decode) || decode.Field != c.field {
			t.Errorf("%s %x: %v, want %s: %v", c.name, c.b, err, c.field, c.err)
		}
	}
}

type noFormats struct{}

func (noFormats) Format(uint64) (wire.Format, bool) { return wire.Format{}, false }

// docs/protocol.md 2: an unknown epoch is an error.
func TestAnUnknownEpochIsAnError(t *testing.T) {
	node := wire.Node{Chunk: wire.Chunk{Height: 1}, Parent: wire.Parent{Certificate: lockOf(1).Certificate}}
	for _, m := range []encoding{
		&message.Tips{Locks: []wire.Lock{lockOf(1)}},
		&message.OwnChunk{Node: &node},
		&message.OwnChunk{Ack: &wire.Ack{Signature: make([]byte, 48)}},
	} {
		if err := decodeInto(m, m.AppendTo(nil), 0, noFormats{}); !errors.Is(err, wire.ErrUnknownEpoch) {
			t.Errorf("%T: %v", m, err)
		}
	}
}

// docs/protocol.md 2: decoding never allocates in proportion to a length that the bytes merely
// claim.
func TestClaimedCountsReserveNoMemory(t *testing.T) {
	greatest := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	lock := lockOf(1)
	claims := map[string][][]byte{
		"tips request": {append(make([]byte, 3), greatest...), append(make([]byte, 3), message.MaxEpochs)},
		"tips": {
			append(make([]byte, 18), greatest...),
			append(make([]byte, 18), 1), append(make([]byte, 18), 1, byte(lock.Size())), lock.AppendTo(append(make([]byte, 18), 2, byte(lock.Size()))),
			lock.AppendTo(append(append(make([]byte, 18), greatest...), byte(lock.Size()))), lock.AppendTo(append(append(make([]byte, 18), 1), greatest...)),
		},
		"headers":   {append([]byte{0}, greatest...), {0, 0x80, 0x08}, headersFrom(9, 1)[0].AppendTo([]byte{0, 0x80, 0x08})},
		"piece":     {append(make([]byte, 33), greatest...), append(make([]byte, 33), message.MaxPath, 0)},
		"own chunk": {append([]byte{1}, greatest...)},
	}
	for name, all := range claims {
		for _, b := range all {
			m := messages[name]()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			allocs := testing.AllocsPerRun(10, func() {
				if decodeInto(m, b, math.MaxUint64, formats) == nil {
					t.Errorf("%s %x is read", name, b)
				}
			})
			runtime.ReadMemStats(&after)
			if allocs > 1 || // the error
				after.TotalAlloc-before.TotalAlloc > 64<<10 {
				t.Errorf("%s %x: %v allocations, %d bytes", name, b, allocs, after.TotalAlloc-before.TotalAlloc)
			}
		}
	}
}

// views are messages whose decoding allocates no memory, or only once.
func views() map[string]encoding {
	tips := message.Tips{Locks: []wire.Lock{lockOf(1), lockOf(2)}}
	return map[string]encoding{
		"tips":            &tips,
		"headers request": &message.HeadersRequest{Count: 7},
		"headers":         &message.Headers{Headers: headersFrom(300, 20)},
		"pushed piece":    &message.PushedPiece{Bytes: []byte("piece")},
		"piece request":   &message.PieceRequest{Index: 4},
		"piece":           &message.Piece{Path: make([]byte, 64), Bytes: []byte("piece")},
		"absent":          &message.Absent{Reason: message.Pruned, Lowest: 4},
		"tips request":    &message.TipsRequest{Epochs: []uint64{1, 2}},
	}
}

func TestDecodingAgainAndEncodingIntoRoomAllocateNothing(t *testing.T) {
	if testkit.Race {
		t.Skip("the race detector allocates")
	}
	for name, m := range views() {
		b := m.AppendTo(nil)
		into := messages[name]()
		if err := decodeInto(into, b, math.MaxUint64, formats); err != nil {
			t.Fatal(name, err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if decodeInto(into, b, math.MaxUint64, formats) != nil {
				t.Fail()
			}
		}); n > 0 {
			t.Errorf("decoding %s again: %v allocations", name, n)
		}
		dst := make([]byte, 0, len(b))
		if n := testing.AllocsPerRun(100, func() { dst = m.AppendTo(dst[:0]) }); n > 0 {
			t.Errorf("encoding %s: %v allocations", name, n)
		}
	}
}

func TestBytesOfVariableLengthAreViews(t *testing.T) {
	node := wire.Node{Chunk: wire.Chunk{Height: 1}, Parent: wire.Parent{Certificate: lockOf(1).Certificate}}
	own := message.OwnChunk{Node: &node, Ack: &wire.Ack{Signature: make([]byte, 48)}}
	all := views()
	all["own chunk"] = &own
	for name, m := range all {
		got := messages[name]()
		b := m.AppendTo(nil)
		if err := decodeInto(got, b, math.MaxUint64, formats); err != nil {
			t.Fatal(name, err)
		}
		var parts [][]byte
		switch m := got.(type) {
		case *message.Tips:
			parts = [][]byte{m.Locks[0].Certificate, m.Locks[1].Certificate}
		case *message.PushedPiece:
			parts = [][]byte{m.Bytes}
		case *message.Piece:
			parts = [][]byte{m.Path, m.Bytes}
		case *message.OwnChunk:
			parts = [][]byte{m.Node.Parent.Certificate, m.Ack.Signature}
		}
		for i, part := range parts {
			if cap(part) != len(part) {
				t.Errorf("%s: part %d could be appended to", name, i)
			}
			before := slices.Clone(part)
			for j := range b {
				b[j]++
			}
			if bytes.Equal(before, part) {
				t.Errorf("%s: part %d is a copy", name, i)
			}
		}
	}
}

func TestDecodingIntoAUsedMessageIsAsIntoANewOne(t *testing.T) {
	cases := readVectors(t)
	for _, first := range cases {
		for _, second := range cases {
			if first.Type != second.Type || second.Decode != "ok" || messages[first.Type] == nil {
				continue
			}
			used := messages[first.Type]()
			_ = decodeInto(used, unhex(t, first.Encoded), maxPayload, formats) // with any result
			if err := decodeInto(used, unhex(t, second.Encoded), maxPayload, formats); err != nil {
				t.Fatal(err)
			}
			fresh, _ := decode(second.Type, unhex(t, second.Encoded))
			if !reflect.DeepEqual(fieldsOf(used), fieldsOf(fresh)) {
				t.Errorf("%s, %q after %q: %+v", first.Type, second.Name, first.Name, used)
			}
		}
	}
}

func TestReasonsHaveTexts(t *testing.T) {
	for reason, want := range map[message.AbsentReason]string{
		message.NotYet: "not yet", message.Never: "never had it", message.Pruned: "pruned", 3: "reason 3",
	} {
		if got := reason.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
