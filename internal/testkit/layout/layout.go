// Package layout reads messages as docs/protocol.md 8 specifies them: by tables of fields, with a
// slow and obvious interpreter. It is the twin of the code that reads and writes hellos and the
// messages about payloads, for their tests. Its results contain bytes in hexadecimal, as the
// vectors do, which it reads too.
package layout

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Layout is a message, field by field.
type Layout []Field

// Field is a part of a message.
type Field struct {
	name string
	kind kind
	n    uint64 // number of bytes, or the maximum
	sub  Layout
}

type kind int

const (
	fixed kind = iota
	varint
	u64
	octet
	text
	octets
	rest
	option
	message
	list
	sizedList
)

// Fixed is a field of n bytes.
func Fixed(name string, n uint64) Field { return Field{name: name, kind: fixed, n: n} }

// Varint is a varint of at most most.
func Varint(name string, most uint64) Field { return Field{name: name, kind: varint, n: most} }

// U64 is an integer of 8 bytes, big-endian.
func U64(name string) Field { return Field{name: name, kind: u64} }

// Byte is an integer of one byte, of at most most.
func Byte(name string, most uint64) Field { return Field{name: name, kind: octet, n: most} }

// Text is a varint length of at most most, and that many bytes of UTF-8.
func Text(name string, most uint64) Field { return Field{name: name, kind: text, n: most} }

// Bytes is a varint length of at most most, and that many bytes.
func Bytes(name string, most uint64) Field { return Field{name: name, kind: octets, n: most} }

// Rest is the rest of the message, 1 to most bytes.
func Rest(name string, most uint64) Field { return Field{name: name, kind: rest, n: most} }

// Option is 0x00, or 0x01 and some fields.
func Option(name string, sub ...Field) Field { return Field{name: name, kind: option, sub: sub} }

// Message is a message of another layout.
func Message(name string, sub Layout) Field { return Field{name: name, kind: message, sub: sub} }

// List is a varint count of at most most, and that many times some fields.
func List(name string, most uint64, sub ...Field) Field {
	return Field{name: name, kind: list, n: most, sub: sub}
}

// SizedList is a List with the length of each item, a varint u32, before it.
func SizedList(name string, most uint64, sub ...Field) Field {
	return Field{name: name, kind: sizedList, n: most, sub: sub}
}

// ErrLayout: bytes that are no message of a layout.
var ErrLayout = errors.New("does not fit the layout")

// Read reads a message that is the whole input. The result has numbers as uint64, bytes in
// hexadecimal, the content of an option or a message as a map, and a list as []any of maps. An
// absent option has no entry.
func (l Layout) Read(b []byte) (fields map[string]any, err error) {
	fields, left, err := l.ReadSome(b)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: %d bytes after the end", ErrLayout, len(left))
	}
	return fields, err
}

// ReadSome reads a message that further bytes may follow.
func (l Layout) ReadSome(b []byte) (fields map[string]any, left []byte, err error) {
	r := reader{left: b}
	fields = r.fields(l)
	if r.err != nil {
		return nil, nil, r.err
	}
	return fields, r.left, nil
}

// reader reads fields from the front of left. After an error it returns zeros and takes nothing.
type reader struct {
	left []byte
	err  error // the first one
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrLayout}, args...)...)
	}
}

func (r *reader) fields(l Layout) map[string]any {
	fields := make(map[string]any)
	for i := 0; i < len(l) && r.err == nil; i++ {
		if v := r.field(&l[i]); v != nil {
			fields[l[i].name] = v
		}
	}
	return fields
}

// field reads a field. It returns nil for an absent option.
func (r *reader) field(f *Field) any {
	switch f.kind {
	case fixed:
		return hex.EncodeToString(r.take(f.n))
	case varint:
		return r.varint(f.n)
	case u64:
		return binary.BigEndian.Uint64(r.take(8))
	case octet:
		v := uint64(r.take(1)[0])
		if v > f.n {
			r.fail("%s is %d", f.name, v)
		}
		return v
	case text:
		v := r.take(r.varint(f.n))
		if !utf8.Valid(v) {
			r.fail("no UTF-8")
		}
		return hex.EncodeToString(v)
	case octets:
		return hex.EncodeToString(r.take(r.varint(f.n)))
	case rest:
		v := r.take(uint64(len(r.left)))
		if len(v) == 0 || uint64(len(v)) > f.n {
			r.fail("%d bytes at the end", len(v))
		}
		return hex.EncodeToString(v)
	case option:
		switch r.take(1)[0] {
		case 0:
			return nil
		case 1:
			return r.fields(f.sub)
		}
		r.fail("option")
	case message:
		return r.fields(f.sub)
	case list, sizedList:
		return r.list(f)
	}
	return nil
}

func (r *reader) list(f *Field) []any {
	items := []any{}
	for i := r.varint(f.n); i > 0 && r.err == nil; i-- {
		if f.kind == list {
			items = append(items, r.fields(f.sub))
			continue
		}
		item := r.take(r.varint(math.MaxUint32))
		if r.err == nil {
			var fields map[string]any
			fields, r.err = f.sub.Read(item)
			items = append(items, fields)
		}
	}
	return items
}

// take takes n bytes. If there are fewer it fails, and returns zeros, at most 64.
func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.left)) {
		r.fail("it ends early")
		return make([]byte, min(n, 64))
	}
	v := r.left[:n]
	r.left = r.left[n:]
	return v
}

// varint takes a varint of at most most, in its shortest form.
func (r *reader) varint(most uint64) (v uint64) {
	for shift := 0; r.err == nil; shift += 7 {
		c := r.take(1)[0]
		if shift == 63 && c > 1 || shift > 0 && c == 0 {
			r.fail("varint")
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if v > most {
		r.fail("over %d", most)
	}
	return v
}
