package network

import (
	"math"

	"github.com/lanecast/lanecast/internal/testkit/layout"
)

// layouts are the messages of docs/protocol.md 8.2.
var layouts = map[string]layout.Layout{
	"hello": {
		layout.Varint("lowest", math.MaxUint32), layout.Varint("highest", math.MaxUint32), layout.Varint("features", math.MaxUint64),
		layout.Byte("class", 1), layout.Fixed("instance", 16), layout.Varint("dial", math.MaxUint64), layout.Fixed("namespace", 32),
		layout.Byte("acks", 1), layout.Varint("payload_format", math.MaxUint32), layout.Varint("max_payload", math.MaxUint64),
		layout.Byte("acks_to", 1), layout.Text("version", 64),
		layout.List("epochs", 8, layout.Varint("epoch", math.MaxUint64), layout.Fixed("digest", 32)),
		layout.Option("proof", layout.Fixed("identity", 32), layout.Varint("not_after", 1<<40), layout.Fixed("signature", 64)),
	},
	"goodbye":    {layout.Byte("code", 255), layout.Text("reason", 128)},
	"ping":       {layout.U64("time")},
	"pong":       {layout.U64("echo"), layout.U64("time")},
	"unanswered": {layout.Byte("code", 1)},
}

// readHelloSlowly reads a hello by its layout and the sentences around the layout.
func readHelloSlowly(b []byte) (map[string]any, error) {
	fields, rest, err := layouts["hello"].ReadSome(b)
	if err != nil {
		return nil, err
	}
	lowest, highest := fields["lowest"].(uint64), fields["highest"].(uint64)
	if lowest < 1 || highest < lowest || len(rest) > 0 && highest == protocolVersion {
		return nil, layout.ErrLayout
	}
	epochs := fields["epochs"].([]any)
	for i := 1; i < len(epochs); i++ {
		if epochs[i-1].(map[string]any)["epoch"].(uint64) <= epochs[i].(map[string]any)["epoch"].(uint64) {
			return nil, layout.ErrLayout
		}
	}
	return fields, nil
}
