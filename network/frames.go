package network

import (
	"encoding/binary"
	"fmt"

	"github.com/lanecast/lanecast/wire"
)

// The transport's own types, and the first of the host's types.
const (
	typeHello      Type = 0x01
	typeGoodbye    Type = 0x02
	typePing       Type = 0x03
	typePong       Type = 0x04
	typeUnanswered Type = 0x05
	firstType      Type = 0x10
	firstSkipped   Type = 0x80 // unknown types from here on are skipped
)

const (
	lengthSize = 4
	headSize   = lengthSize + 1 // of a frame, without its number
	numberSize = 8

	helloLimit   = 1 << 10
	goodbyeLimit = 256
	timeSize     = 8
	skipLimit    = 128 << 10
)

const (
	unansweredBusy   = 0
	unansweredFailed = 1
)

// typeInfo is a MessageType in the form in which frames are checked and counted.
type typeInfo struct {
	MessageType
	known bool
	index int // in metrics
}

// typeTable holds the known types, by type.
type typeTable [256]typeInfo

func newTypeTable(types []MessageType) *typeTable {
	var t typeTable
	own := []MessageType{
		{Type: typeHello, Name: "hello", Limit: helloLimit, Urgent: true},
		{Type: typeGoodbye, Name: "goodbye", Limit: goodbyeLimit, Urgent: true},
		{Type: typePing, Name: "ping", Limit: timeSize, Urgent: true},
		{Type: typePong, Name: "pong", Limit: 2 * timeSize, Urgent: true},
		{Type: typeUnanswered, Name: "unanswered", Kind: Answer, Limit: 1, Urgent: true},
	}
	for i, m := range append(own, types...) {
		t[m.Type] = typeInfo{MessageType: m, known: true, index: i}
	}
	return &t
}

// lookup returns the entry of a type that may come on a connection of a class, or nil if frames of
// the type are skipped.
func (t *typeTable) lookup(typ Type, class Class) (*typeInfo, error) {
	info := &t[typ]
	switch {
	case info.known && (typ < firstType || info.Class == class):
		return info, nil
	case info.known:
		return nil, protocolError("%s on the %s connection", info.Name, class)
	case typ >= firstSkipped:
		return nil, nil
	}
	return nil, protocolError("unknown type 0x%02x", uint8(typ))
}

func protocolError(format string, args ...any) error {
	return &goodbyeError{code: byeProtocol, reason: fmt.Sprintf(format, args...)}
}

// appendHead appends the part of a frame before its message.
func appendHead(b []byte, t Type, kind Kind, number uint64, message int) []byte {
	length := 1 + message
	if kind != Plain {
		length += numberSize
	}
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = append(b, byte(t))
	if kind != Plain {
		b = binary.BigEndian.AppendUint64(b, number)
	}
	return b
}

// frame is a complete frame. The buffer holds only the message.
type frame struct {
	info   *typeInfo
	number uint64
	buffer wire.Buffer
}

// frameParser cuts the bytes that were read into frames. The bytes of an incomplete frame are kept
// in a pooled buffer, which grows with the bytes that arrive, never to a length that is only
// claimed.
type frameParser struct {
	types *typeTable
	class Class

	head    [headSize + numberSize]byte
	have    int // bytes of head
	want    int // bytes of head wanted: headSize, or with the number
	inBody  bool
	info    *typeInfo // of the frame in progress; nil if it is skipped
	number  uint64
	left    int // bytes of the message that have not come yet
	partial wire.Buffer
	skipped uint64
}

func newFrameParser(types *typeTable, class Class) frameParser {
	return frameParser{types: types, class: class, want: headSize}
}

// next takes the next frame from p and returns the rest of p. ok is false if p ended before the
// frame did. After an error the parser must not be used.
func (f *frameParser) next(p []byte) (fr frame, rest []byte, ok bool, err error) {
	for {
		if !f.inBody {
			n := copy(f.head[f.have:f.want], p)
			f.have += n
			p = p[n:]
			if f.have < f.want {
				return frame{}, nil, false, nil
			}
			if err := f.headIn(); err != nil {
				return frame{}, nil, false, err
			}
			if !f.inBody {
				continue // the number is missing
			}
		}
		n := min(f.left, len(p))
		f.left -= n
		if f.info == nil {
			p = p[n:]
			if f.left > 0 {
				return frame{}, nil, false, nil
			}
			f.reset()
			f.skipped++
			continue
		}
		if f.partial == (wire.Buffer{}) {
			f.partial = wire.NewBuffer()
		}
		f.partial.Append(p[:n])
		if f.left > 0 {
			return frame{}, nil, false, nil
		}
		fr = frame{info: f.info, number: f.number, buffer: f.partial}
		f.partial = wire.Buffer{}
		f.reset()
		return fr, p[n:], true, nil
	}
}

// headIn checks the part of the head that has come in.
func (f *frameParser) headIn() error {
	length := binary.BigEndian.Uint32(f.head[:])
	typ := Type(f.head[lengthSize])
	if f.want == headSize {
		if length == 0 {
			return protocolError("a frame of length 0")
		}
		info, err := f.types.lookup(typ, f.class)
		if err != nil {
			return err
		}
		limit := skipLimit
		if info != nil {
			limit = info.Limit
			if info.Kind != Plain {
				if length < 1+numberSize {
					return protocolError("%s of length %d, too short for its number", info.Name, length)
				}
				length -= numberSize
				f.want += numberSize
			}
		}
		if uint64(length-1) > uint64(limit) {
			return protocolError("type 0x%02x of %d bytes, over its limit of %d", uint8(typ), length-1, limit)
		}
		f.info, f.left = info, int(length-1)
	}
	if f.have == f.want {
		f.inBody = true
		f.number = 0
		if f.want > headSize {
			f.number = binary.BigEndian.Uint64(f.head[headSize:])
		}
	}
	return nil
}

func (f *frameParser) reset() {
	f.have, f.want, f.inBody, f.info = 0, headSize, false, nil
}

// close releases the buffer of a frame in progress.
func (f *frameParser) close() {
	f.partial.Release()
	f.partial = wire.Buffer{}
}
