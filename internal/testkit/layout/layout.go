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
	fields = make(map[string]any)
	take := func(n uint64) []byte {
		if err != nil || n > uint64(len(b)) {
			err = fmt.Errorf("%w: it ends early", ErrLayout)
			return make([]byte, min(n, 64))
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	integer := func(most uint64) (v uint64) {
		for shift := 0; err == nil; shift += 7 {
			c := take(1)[0]
			if shift == 63 && c > 1 || shift > 0 && c == 0 {
				err = fmt.Errorf("%w: varint", ErrLayout)
			}
			v |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
		if v > most {
			err = fmt.Errorf("%w: over %d", ErrLayout, most)
		}
		return v
	}
	for _, f := range l {
		var sub map[string]any
		switch f.kind {
		case fixed:
			fields[f.name] = hex.EncodeToString(take(f.n))
		case varint:
			fields[f.name] = integer(f.n)
		case u64:
			fields[f.name] = binary.BigEndian.Uint64(take(8))
		case octet:
			v := uint64(take(1)[0])
			fields[f.name] = v
			if v > f.n {
				err = fmt.Errorf("%w: %s is %d", ErrLayout, f.name, v)
			}
		case text, octets:
			v := take(integer(f.n))
			fields[f.name] = hex.EncodeToString(v)
			if f.kind == text && !utf8.Valid(v) {
				err = fmt.Errorf("%w: no UTF-8", ErrLayout)
			}
		case rest:
			v := take(uint64(len(b)))
			fields[f.name] = hex.EncodeToString(v)
			if len(v) == 0 || uint64(len(v)) > f.n {
				err = fmt.Errorf("%w: %d bytes at the end", ErrLayout, len(v))
			}
		case option:
			switch take(1)[0] {
			case 0:
			case 1:
				if err == nil {
					sub, b, err = f.sub.ReadSome(b)
					fields[f.name] = sub
				}
			default:
				err = fmt.Errorf("%w: option", ErrLayout)
			}
		case message:
			if err == nil {
				sub, b, err = f.sub.ReadSome(b)
				fields[f.name] = sub
			}
		case list:
			items := []any{}
			for i := integer(f.n); i > 0 && err == nil; i-- {
				sub, b, err = f.sub.ReadSome(b)
				items = append(items, sub)
			}
			fields[f.name] = items
		case sizedList:
			items := []any{}
			for i := integer(f.n); i > 0 && err == nil; i-- {
				if item := take(integer(math.MaxUint32)); err == nil {
					sub, err = f.sub.Read(item)
					items = append(items, sub)
				}
			}
			fields[f.name] = items
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return fields, b, nil
}
