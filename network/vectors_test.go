package network

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit/layout"
	"github.com/lanecast/lanecast/wire"
)

func readVectors(t testing.TB) []layout.Case {
	t.Helper()
	cases, err := layout.ReadCases("testdata/vectors/transport.json")
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func unhex(t testing.TB, text any) []byte {
	t.Helper()
	b, err := hex.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVectors(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range readVectors(t) {
		t.Run(c.Type+"/"+c.Name, func(t *testing.T) {
			b := unhex(t, c.Encoded)
			seen[c.Type] = true
			if c.Type == "transport key" {
				at := must(t)(c.Fields["not_after"].(json.Number).Int64())
				key := wire.PublicKey(unhex(t, c.Fields["key"]))
				if got := TransportMessage(unhex(t, c.Fields["namespace"]), key, time.Unix(at, 0)); !bytes.Equal(got, b) {
					t.Errorf("got %x", got)
				}
				return
			}
			l, ok := layouts[c.Type]
			if !ok {
				t.Fatal("unknown type")
			}
			if !fits(c, l, b) {
				t.Errorf("the layout does not read it as the case says")
			}
			if c.Cuts == "error" {
				for i := range b {
					if fits(layout.Case{Type: c.Type, Decode: "ok"}, l, b[:i]) {
						t.Errorf("its first %d bytes are read", i)
					}
				}
			}
			checkOwn(t, c, b)
		})
	}
	for name := range layouts {
		if !seen[name] {
			t.Errorf("no vector for %s", name)
		}
	}
}

// fits reports whether its layout reads a message as a case requires; fields are compared if the
// case has any.
func fits(c layout.Case, l layout.Layout, b []byte) bool {
	var fields map[string]any
	var err error
	switch c.Type {
	case "hello":
		fields, err = readHelloSlowly(b)
	case "goodbye":
		if fields, err = l.Read(b); err == nil && fields["code"] == uint64(0) {
			err = layout.ErrLayout
		}
	default:
		fields, err = l.Read(b)
	}
	return (err == nil) == (c.Decode == "ok") && (c.Fields == nil || layout.Same(fields, c.Fields))
}

func must(t testing.TB) func(int64, error) int64 {
	return func(v int64, err error) int64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// checkOwn checks the code of this package against a case.
func checkOwn(t *testing.T, c layout.Case, b []byte) {
	t.Helper()
	switch c.Type {
	case "hello":
		h, err := decodeHello(b)
		if (err == nil) != (c.Decode == "ok") {
			t.Fatalf("decoding: %v", err)
		}
		if err != nil {
			return
		}
		if again := h.appendTo(nil); !bytes.Equal(again, b[:len(b)-c.Tail]) {
			t.Errorf("encoded again it is %x", again)
		}
		if !layout.Same(helloFields(&h), c.Fields) {
			t.Errorf("decoded to %+v", h)
		}
	case "goodbye":
		e, err := decodeGoodbye(b)
		if (err == nil) != (c.Decode == "ok") {
			t.Fatalf("decoding: %v", err)
		}
		if err == nil && !bytes.Equal(e.appendTo(nil), b) {
			t.Errorf("encoded again it is %x", e.appendTo(nil))
		}
	}
	if typ, ok := ownTypes()[c.Type]; ok && c.Decode == "ok" && len(b) > typ.Limit {
		t.Errorf("%d bytes exceed the limit of %d", len(b), typ.Limit)
	}
}

func ownTypes() map[string]MessageType {
	types := make(map[string]MessageType)
	for _, info := range newTypeTable(nil) {
		if info.known {
			types[info.Name] = info.MessageType
		}
	}
	return types
}

func helloFields(h *hello) map[string]any {
	epochs := []any{}
	for _, e := range h.epochs {
		epochs = append(epochs, map[string]any{"epoch": e.Number, "digest": hex.EncodeToString(e.Digest[:])})
	}
	fields := map[string]any{
		"lowest": h.lowest, "highest": h.highest, "features": h.features, "class": uint8(h.class),
		"instance": hex.EncodeToString(h.instance[:]), "dial": h.dial, "namespace": hex.EncodeToString(h.namespace[:]),
		"acks": option(h.uncompressedAcks), "payload_format": h.payloadFormat, "max_payload": h.maxPayload,
		"acks_to": option(h.acksToSequencer), "version": hex.EncodeToString([]byte(h.version)), "epochs": epochs,
	}
	if p := h.proof; p != nil {
		fields["proof"] = map[string]any{
			"identity": p.Identity.String(), "not_after": p.NotAfter.Unix(), "signature": p.Signature.String(),
		}
	}
	return fields
}

// FuzzHello compares the decoder with the slow twin, which reads the layout of docs/protocol.md
// 8.2.
func FuzzHello(f *testing.F) {
	for _, c := range readVectors(f) {
		if c.Type == "hello" {
			f.Add(unhex(f, c.Encoded))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		fields, slow := readHelloSlowly(b)
		if (err == nil) != (slow == nil) {
			t.Fatalf("decoding: %v, slowly: %v", err, slow)
		}
		if err != nil {
			if !reflect.DeepEqual(h, hello{}) {
				t.Error("something came with the error")
			}
			return
		}
		if !layout.Same(helloFields(&h), fields) {
			t.Errorf("decoded to %+v, slowly to %v", h, fields)
		}
		if again := h.appendTo(nil); !bytes.HasPrefix(b, again) {
			t.Errorf("encoded again it is %x", again)
		}
	})
}

// FuzzGoodbye compares the decoder with the slow twin.
func FuzzGoodbye(f *testing.F) {
	for _, c := range readVectors(f) {
		if c.Type == "goodbye" {
			f.Add(unhex(f, c.Encoded))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeGoodbye(b)
		fields, slow := layouts["goodbye"].Read(b)
		if slow == nil && fields["code"] == uint64(0) {
			slow = layout.ErrLayout
		}
		if (err == nil) != (slow == nil) {
			t.Fatalf("decoding: %v, slowly: %v", err, slow)
		}
		if err == nil && !bytes.Equal(e.appendTo(nil), b) {
			t.Errorf("encoded again it is %x", e.appendTo(nil))
		}
	})
}

// FuzzFrames compares the parser, which gets the bytes in parts, with a parser that reads the whole
// at once.
func FuzzFrames(f *testing.F) {
	f.Add(frameOf(typeNode, []byte("node")), uint16(1))
	f.Add(append(numbered(typePieceRequest, 7, []byte("x")), frameOf(0x90, []byte("skipped"))...), uint16(3))
	f.Add([]byte{0, 0, 0, 0, 1}, uint16(9))
	f.Add([]byte{255, 255, 255, 255, 0x20}, uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, part uint16) {
		for _, class := range []Class{Control, Bulk} {
			want, bad := framesSlowly(b, class)
			p := newFrameParser(newTypeTable(testTypes), class)
			var got []string
			var err error
			for rest := b; err == nil && len(rest) > 0; {
				n := min(len(rest), int(part)+1)
				chunk := rest[:n]
				rest = rest[n:]
				for {
					fr, left, ok, e := p.next(chunk)
					if e != nil || !ok {
						err = e
						break
					}
					got = append(got, fmt.Sprintf("%s %d %x", fr.info.Name, fr.number, fr.buffer.Bytes()))
					fr.buffer.Release()
					chunk = left
				}
			}
			p.close()
			if (err != nil) != bad || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: got %q and %v, want %q, an error: %v", class, got, err, want, bad)
			}
		}
	})
}

// framesSlowly cuts a whole stream into frames, as in docs/protocol.md 8.1.
func framesSlowly(b []byte, class Class) (frames []string, bad bool) {
	types := make(map[Type]MessageType)
	for _, m := range testTypes {
		types[m.Type] = m
	}
	for _, m := range ownTypes() {
		m.Class = class
		types[m.Type] = m
	}
	for len(b) >= 5 {
		length, typ := uint64(binary.BigEndian.Uint32(b)), Type(b[4])
		m, known := types[typ]
		overhead := uint64(1)
		if known && m.Kind != Plain {
			overhead += 8
		}
		limit := uint64(m.Limit)
		if !known && typ >= 0x80 {
			limit = 128 << 10
		}
		if length < overhead || length-overhead > limit || known && m.Class != class || !known && typ < 0x80 {
			return frames, true
		}
		if uint64(len(b)) < 4+length {
			return frames, false
		}
		body := b[5 : 4+length]
		b = b[4+length:]
		if !known {
			continue
		}
		var number uint64
		if m.Kind != Plain {
			number = binary.BigEndian.Uint64(body)
			body = body[8:]
		}
		frames = append(frames, fmt.Sprintf("%s %d %x", m.Name, number, body))
	}
	return frames, false
}
