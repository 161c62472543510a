package network

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"
)

// layout is a message as docs/protocol.md 8 writes it down, for an interpreter that is slow and
// obvious: the twin of the code that reads and writes hellos, and all there is of the messages about
// payloads, which other packages will read.
type layout []layoutField

type layoutField struct {
	name string
	kind string // see read
	n    uint64 // bytes, or the most that is allowed
	sub  layout
}

var (
	lockLayout   = layout{{"sequencer", "fixed", 32, nil}, {"height", "varint", 1<<64 - 1, nil}, {"payload", "fixed", 32, nil}, {"epoch", "varint", 1<<64 - 1, nil}, {"participants", "u64", 0, nil}, {"signers", "fixed", 1, nil}, {"signature", "fixed", 48, nil}}
	headerLayout = layout{{"format", "byte", 1, nil}, {"sequencer", "fixed", 32, nil}, {"height", "varint", 1<<64 - 1, nil}, {"parent", "fixed", 32, nil}, {"size", "varint", 1<<64 - 1, nil}, {"root", "fixed", 32, nil}}
)

var layouts = map[string]layout{
	"hello": {
		{"lowest", "varint", 1<<32 - 1, nil}, {"highest", "varint", 1<<32 - 1, nil}, {"features", "varint", 1<<64 - 1, nil},
		{"class", "byte", 1, nil}, {"instance", "fixed", 16, nil}, {"dial", "varint", 1<<64 - 1, nil}, {"namespace", "fixed", 32, nil},
		{"acks", "byte", 1, nil}, {"payload_format", "varint", 1<<32 - 1, nil}, {"max_payload", "varint", 1<<64 - 1, nil},
		{"acks_to", "byte", 1, nil}, {"version", "text", 64, nil},
		{"epochs", "list", 8, layout{{"epoch", "varint", 1<<64 - 1, nil}, {"digest", "fixed", 32, nil}}},
		{"proof", "option", 0, layout{{"identity", "fixed", 32, nil}, {"not_after", "varint", 1 << 40, nil}, {"signature", "fixed", 64, nil}}},
	},
	"goodbye":    {{"code", "byte", 255, nil}, {"reason", "text", 128, nil}},
	"ping":       {{"time", "u64", 0, nil}},
	"pong":       {{"echo", "u64", 0, nil}, {"time", "u64", 0, nil}},
	"unanswered": {{"code", "byte", 1, nil}},
	"tips request": {
		{"follow", "byte", 1, nil}, {"since", "option", 0, layout{{"instance", "fixed", 16, nil}, {"revision", "varint", 1<<64 - 1, nil}}},
		{"after", "option", 0, layout{{"sequencer", "fixed", 32, nil}}}, {"epochs", "list", 16, layout{{"epoch", "varint", 1<<64 - 1, nil}}},
	},
	"tips":              {{"instance", "fixed", 16, nil}, {"revision", "varint", 1<<64 - 1, nil}, {"more", "byte", 1, nil}, {"locks", "list", 1<<32 - 1, lockLayout}},
	"headers request":   {{"sequencer", "fixed", 32, nil}, {"height", "varint", 1<<64 - 1, nil}, {"digest", "fixed", 32, nil}, {"count", "varint", 1024, nil}},
	"headers":           {{"more", "byte", 1, nil}, {"headers", "list", 1024, headerLayout}},
	"push":              {{"header", "message", 0, headerLayout}},
	"pushed piece":      {{"digest", "fixed", 32, nil}, {"index", "varint", 1<<32 - 1, nil}, {"bytes", "rest", 64 << 10, nil}},
	"piece request":     {{"sequencer", "fixed", 32, nil}, {"height", "varint", 1<<64 - 1, nil}, {"digest", "fixed", 32, nil}, {"index", "varint", 1<<32 - 1, nil}},
	"piece":             {{"digest", "fixed", 32, nil}, {"index", "varint", 1<<32 - 1, nil}, {"path", "list", 32, layout{{"hash", "fixed", 32, nil}}}, {"bytes", "rest", 64 << 10, nil}},
	"absent":            {{"reason", "byte", 2, nil}, {"lowest", "varint", 1<<64 - 1, nil}},
	"own chunk request": {},
	"own chunk":         {{"node", "option", 0, layout{{"node", "bytes", 64 << 10, nil}}}, {"ack", "option", 0, layout{{"ack", "rest", 512, nil}}}},
	"new lock":          lockLayout,
}

var errLayout = errors.New("does not fit the layout")

// read reads a message, of which nothing may be left.
func (l layout) read(b []byte) (fields map[string]any, err error) {
	fields, rest, err := l.readSome(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes after the end", errLayout, len(rest))
	}
	return fields, err
}

func (l layout) readSome(b []byte) (fields map[string]any, rest []byte, err error) {
	fields = make(map[string]any)
	take := func(n uint64) []byte {
		if err != nil || n > uint64(len(b)) {
			err = fmt.Errorf("%w: it ends early", errLayout)
			return make([]byte, min(n, 64))
		}
		v := b[:n]
		b = b[n:]
		return v
	}
	varint := func(most uint64) (v uint64) {
		for shift := 0; err == nil; shift += 7 {
			c := take(1)[0]
			if shift == 63 && c > 1 || shift > 0 && c == 0 {
				err = fmt.Errorf("%w: varint", errLayout)
			}
			v |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
		if v > most {
			err = fmt.Errorf("%w: over %d", errLayout, most)
		}
		return v
	}
	for _, f := range l {
		var sub map[string]any
		switch f.kind {
		case "fixed":
			fields[f.name] = hex.EncodeToString(take(f.n))
		case "varint":
			fields[f.name] = varint(f.n)
		case "u64":
			fields[f.name] = binary.BigEndian.Uint64(take(8))
		case "byte":
			v := uint64(take(1)[0])
			fields[f.name] = v
			if v > f.n {
				err = fmt.Errorf("%w: %s is %d", errLayout, f.name, v)
			}
		case "text", "bytes":
			v := take(varint(f.n))
			fields[f.name] = hex.EncodeToString(v)
			if f.kind == "text" && !utf8.Valid(v) {
				err = fmt.Errorf("%w: no UTF-8", errLayout)
			}
		case "rest":
			fields[f.name] = hex.EncodeToString(take(uint64(len(b))))
		case "option":
			switch take(1)[0] {
			case 0:
			case 1:
				if err == nil {
					sub, b, err = f.sub.readSome(b)
					fields[f.name] = sub
				}
			default:
				err = fmt.Errorf("%w: option", errLayout)
			}
		case "message":
			if err == nil {
				sub, b, err = f.sub.readSome(b)
				fields[f.name] = sub
			}
		case "list":
			list := []any{}
			for i := varint(f.n); i > 0 && err == nil; i-- {
				sub, b, err = f.sub.readSome(b)
				list = append(list, sub)
			}
			fields[f.name] = list
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return fields, b, nil
}

// readHelloSlowly reads a hello by its layout and the sentences around it.
func readHelloSlowly(b []byte) (map[string]any, error) {
	fields, rest, err := layouts["hello"].readSome(b)
	if err != nil {
		return nil, err
	}
	lowest, highest := fields["lowest"].(uint64), fields["highest"].(uint64)
	if lowest < 1 || highest < lowest || len(rest) > 0 && highest == protocolVersion {
		return nil, errLayout
	}
	epochs := fields["epochs"].([]any)
	for i := 1; i < len(epochs); i++ {
		if epochs[i-1].(map[string]any)["epoch"].(uint64) <= epochs[i].(map[string]any)["epoch"].(uint64) {
			return nil, errLayout
		}
	}
	return fields, nil
}
