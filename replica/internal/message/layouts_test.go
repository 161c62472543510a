package message_test

import (
	"encoding/hex"
	"math"
	"strings"

	"github.com/lanecast/lanecast/internal/testkit/layout"
)

// The certificates are those of [format].
var (
	certificate  = []layout.Field{layout.U64("participants"), layout.Fixed("signers", 1), layout.Fixed("signature", 48)}
	chunkLayout  = []layout.Field{layout.Fixed("sequencer", 32), layout.Varint("height", math.MaxUint64), layout.Fixed("payload", 32)}
	lockLayout   = join(chunkLayout, []layout.Field{layout.Varint("epoch", math.MaxUint64)}, certificate)
	bareParent   = []layout.Field{layout.Fixed("payload", 32), layout.Varint("epoch", math.MaxUint64)}
	parentLayout = join(bareParent, certificate)
	nodeHead     = join(chunkLayout, []layout.Field{layout.Fixed("signature", 64)})
	nodeLayout   = join(nodeHead, []layout.Field{layout.Option("parent", parentLayout...)})
	bareNode     = join(nodeHead, []layout.Field{layout.Option("parent", bareParent...)})
	ackLayout    = join(chunkLayout, []layout.Field{
		layout.Varint("epoch", math.MaxUint64), layout.Varint("participant", math.MaxUint32), layout.Fixed("signature", 48),
	})
	headerLayout = layout.Layout{
		layout.Byte("format", 1), layout.Fixed("sequencer", 32), layout.Varint("height", math.MaxUint64),
		layout.Fixed("parent", 32), layout.Varint("size", math.MaxUint64), layout.Fixed("root", 32),
	}
)

func join(parts ...[]layout.Field) (l layout.Layout) {
	for _, p := range parts {
		l = append(l, p...)
	}
	return l
}

// layouts are the messages of docs/protocol.md 8.3.
var layouts = map[string]layout.Layout{
	"tips request": {
		layout.Byte("follow", 1), layout.Option("since", layout.Fixed("instance", 16), layout.Varint("revision", math.MaxUint64)),
		layout.Option("after", layout.Fixed("sequencer", 32)), layout.List("epochs", 16, layout.Varint("epoch", math.MaxUint64)),
	},
	"tips": {
		layout.Fixed("instance", 16), layout.Varint("revision", math.MaxUint64), layout.Byte("more", 1),
		layout.SizedList("locks", math.MaxUint32, lockLayout...),
	},
	"headers request": {
		layout.Fixed("sequencer", 32), layout.Varint("height", math.MaxUint64), layout.Fixed("digest", 32), layout.Varint("count", 1024),
	},
	"headers":      {layout.Byte("more", 1), layout.List("headers", 1024, headerLayout...)},
	"push":         {layout.Message("header", headerLayout)},
	"pushed piece": {layout.Fixed("digest", 32), layout.Varint("index", math.MaxUint32), layout.Rest("bytes", 64<<10)},
	"piece request": {
		layout.Fixed("sequencer", 32), layout.Varint("height", math.MaxUint64), layout.Fixed("digest", 32),
		layout.Varint("index", math.MaxUint32),
	},
	"piece": {
		layout.Fixed("digest", 32), layout.Varint("index", math.MaxUint32), layout.List("path", 32, layout.Fixed("hash", 32)),
		layout.Rest("bytes", 64<<10),
	},
	"absent":            {layout.Byte("reason", 2), layout.Varint("lowest", math.MaxUint64)},
	"own chunk request": {},
	"own chunk": {
		layout.Option("node", layout.Bytes("node", math.MaxUint32)), layout.Option("ack", layout.Rest("ack", 512)),
	},
	"new lock": lockLayout,
}

// readSlowly reads a message by its layout and the sentences around it, with [format] and
// [maxPayload]. It is the slow twin of the decoders.
func readSlowly(name string, b []byte) (map[string]any, error) {
	m, err := layouts[name].Read(b)
	if err != nil {
		return nil, err
	}
	holds := true
	switch name {
	case "tips request":
		epochs := m["epochs"].([]any)
		for i := 1; i < len(epochs); i++ {
			holds = holds && number(epochs[i-1], "epoch") < number(epochs[i], "epoch")
		}
	case "tips":
		locks := m["locks"].([]any)
		holds = len(locks) > 0 || number(m, "more") == 0
		for i := range locks {
			holds = holds && certificateHolds(locks[i])
			holds = holds && (i == 0 || digits(locks[i-1], "sequencer") < digits(locks[i], "sequencer"))
		}
	case "headers request":
		holds = number(m, "count") > 0
	case "headers":
		headers := m["headers"].([]any)
		holds = len(headers) > 0
		for i := range headers {
			holds = holds && headerHolds(headers[i])
			if i > 0 {
				above, below := number(headers[i-1], "height"), number(headers[i], "height")
				holds = holds && above > 0 && below == above-1 && digits(headers[i-1], "sequencer") == digits(headers[i], "sequencer")
			}
		}
		holds = holds && (number(m, "more") == 0 || number(headers[len(headers)-1], "height") > 0)
	case "push":
		holds = headerHolds(m["header"])
	case "own chunk":
		holds = ownNodeHolds(m["node"]) && ownAckHolds(m["ack"])
	case "new lock":
		holds = certificateHolds(m)
	}
	if !holds {
		return nil, layout.ErrLayout
	}
	return m, nil
}

func number(m any, field string) uint64 { return m.(map[string]any)[field].(uint64) }
func digits(m any, field string) string { return m.(map[string]any)[field].(string) }

func headerHolds(m any) bool {
	atGenesis := strings.Trim(digits(m, "parent"), "0") == ""
	return number(m, "format") == 1 && number(m, "size") <= maxPayload && (number(m, "height") == 0) == atGenesis
}

// certificateHolds reports whether a certificate has signers, among at most four validators.
func certificateHolds(m any) bool {
	n := number(m, "participants")
	b, _ := hex.DecodeString(digits(m, "signers"))
	return n >= 1 && n <= 4 && b[0] > 0 && b[0]>>n == 0
}

func ownNodeHolds(option any) bool {
	if option == nil {
		return true
	}
	b, _ := hex.DecodeString(digits(option, "node"))
	if bare, err := bareNode.Read(b); err == nil && bare["parent"] != nil {
		return number(bare, "height") > 0 // the parent's certificate is not held any more
	}
	node, err := nodeLayout.Read(b)
	if err != nil {
		return false
	}
	parent, ok := node["parent"]
	return ok == (number(node, "height") > 0) && (!ok || certificateHolds(parent))
}

func ownAckHolds(option any) bool {
	if option == nil {
		return true
	}
	b, _ := hex.DecodeString(digits(option, "ack"))
	_, err := ackLayout.Read(b)
	return err == nil
}
