package message_test

import (
	"encoding/hex"
	"slices"

	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// fieldsOf returns the decoded fields under the names that the vectors and the layouts use.
func fieldsOf(m encoding) map[string]any {
	switch m := m.(type) {
	case *message.TipsRequest:
		epochs := []any{}
		for _, e := range m.Epochs {
			epochs = append(epochs, map[string]any{"epoch": e})
		}
		fields := map[string]any{"follow": bit(m.Follow), "epochs": epochs}
		if m.Since != nil {
			fields["since"] = map[string]any{"instance": hex.EncodeToString(m.Since.Instance[:]), "revision": m.Since.Number}
		}
		if m.After != nil {
			fields["after"] = map[string]any{"sequencer": m.After.String()}
		}
		return fields
	case *message.Tips:
		locks := []any{}
		for i := range m.Locks {
			locks = append(locks, lockFields(&m.Locks[i]))
		}
		return map[string]any{
			"instance": hex.EncodeToString(m.Instance[:]), "revision": m.Number, "more": bit(m.More), "locks": locks,
		}
	case *message.HeadersRequest:
		return map[string]any{
			"sequencer": m.Sequencer.String(), "height": m.Height, "digest": m.Digest.String(), "count": m.Count,
		}
	case *message.Headers:
		headers := []any{}
		for i := range m.Headers {
			headers = append(headers, headerFields(&m.Headers[i]))
		}
		return map[string]any{"more": bit(m.More), "headers": headers}
	case *payload.Header:
		return map[string]any{"header": headerFields(m)}
	case *message.PushedPiece:
		return map[string]any{"digest": m.Digest.String(), "index": m.Index, "bytes": hex.EncodeToString(m.Bytes)}
	case *message.PieceRequest:
		return map[string]any{
			"sequencer": m.Sequencer.String(), "height": m.Height, "digest": m.Digest.String(), "index": m.Index,
		}
	case *message.Piece:
		path := []any{}
		for hash := range slices.Chunk(m.Path, wire.DigestSize) {
			path = append(path, map[string]any{"hash": hex.EncodeToString(hash)})
		}
		return map[string]any{
			"digest": m.Digest.String(), "index": m.Index, "path": path, "bytes": hex.EncodeToString(m.Bytes),
		}
	case *message.Absent:
		return map[string]any{"reason": uint8(m.Reason), "lowest": m.Lowest}
	case *message.OwnChunk:
		fields := map[string]any{}
		if m.Node != nil {
			fields["node"] = map[string]any{"node": hex.EncodeToString(m.Node.AppendTo(nil))}
		}
		if m.Ack != nil {
			fields["ack"] = map[string]any{"ack": hex.EncodeToString(m.Ack.AppendTo(nil))}
		}
		return fields
	case *wire.Lock:
		return lockFields(m)
	}
	panic("a message without fields")
}

func bit(is bool) int {
	if is {
		return 1
	}
	return 0
}

func headerFields(h *payload.Header) map[string]any {
	return map[string]any{
		"format": payload.Format, "sequencer": h.Sequencer.String(), "height": h.Height, "parent": h.Parent.String(),
		"size": h.BodySize, "root": h.Root.String(),
	}
}

func lockFields(l *wire.Lock) map[string]any {
	signers, signature, err := format.SplitCertificate(l.Certificate)
	if err != nil {
		panic(err)
	}
	bits := signers.AppendTo(nil)[8:]
	return map[string]any{
		"sequencer": l.Chunk.Sequencer.String(), "height": l.Chunk.Height, "payload": l.Chunk.Payload.String(), "epoch": l.Epoch,
		"participants": signers.Len(), "signers": hex.EncodeToString(bits), "signature": hex.EncodeToString(signature),
	}
}
