package wire_test

import (
	"testing"

	"github.com/lanecast/lanecast/wire"
)

// The sinks keep the compiler from dropping the measured work.
var (
	sinkBytes []byte
	sinkInt   int
)

func BenchmarkDecodeAck(b *testing.B) {
	for _, c := range []struct {
		name string
		ack  wire.Ack
	}{
		{"small", wire.Ack{Chunk: chunkAt(7), Epoch: 3, Participant: 66, Signature: filled(48, 0xA1)}},
		{"typical", wire.Ack{Chunk: chunkAt(1_000_000), Epoch: 300, Participant: 66, Signature: filled(48, 0xA1)}},
		{"largest", wire.Ack{Chunk: chunkAt(1<<64 - 1), Epoch: 1<<64 - 1, Participant: 1<<32 - 1,
			Signature: filled(192, 0xA1)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			encoded := c.ack.AppendTo(nil)
			var a wire.Ack
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if err := a.Decode(encoded); err != nil {
					b.Fatal(err)
				}
			}
			sinkBytes = a.Signature
		})
	}
}

func BenchmarkDecodeNode(b *testing.B) {
	for _, c := range []struct {
		name   string
		format wire.Format
	}{
		{"multisig/n=4", multisig(4)},
		{"multisig/n=100", multisig(100)},
		{"threshold", threshold(100)},
		{"ed25519/n=100", ed25519List(100)},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := wire.Node{Chunk: chunkAt(1_000_000), Signature: signatureOf(0x51),
				Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 300, Certificate: certificateOf(c.format, 3)}}
			encoded := n.AppendTo(nil)
			var formats wire.Formats = wire.SameFormat(c.format)
			var got wire.Node
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if err := got.Decode(encoded, formats); err != nil {
					b.Fatal(err)
				}
			}
			sinkBytes = got.Parent.Certificate
		})
	}
}

func BenchmarkAppendAck(b *testing.B) {
	a := wire.Ack{Chunk: chunkAt(1_000_000), Epoch: 300, Participant: 66, Signature: filled(48, 0xA1)}
	dst := make([]byte, 0, a.Size())
	b.ReportAllocs()
	b.SetBytes(int64(a.Size()))
	for b.Loop() {
		dst = a.AppendTo(dst[:0])
	}
	sinkBytes = dst
}

func BenchmarkAppendNode(b *testing.B) {
	n := wire.Node{Chunk: chunkAt(1_000_000), Signature: signatureOf(0x51),
		Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 300, Certificate: certificateOf(multisig(100), 3)}}
	dst := make([]byte, 0, n.Size())
	b.ReportAllocs()
	b.SetBytes(int64(n.Size()))
	for b.Loop() {
		dst = n.AppendTo(dst[:0])
	}
	sinkBytes = dst
}

// BenchmarkBuffer copies a message into a pooled buffer, reads it and releases it, and compares
// that with a fresh slice each time.
func BenchmarkBuffer(b *testing.B) {
	a := wire.Ack{Chunk: chunkAt(1_000_000), Epoch: 300, Participant: 66, Signature: filled(48, 0xA1)}
	message := a.AppendTo(nil)
	b.Run("pooled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf := wire.CopyBuffer(message)
			sinkInt += len(buf.Bytes())
			buf.Release()
		}
	})
	b.Run("pooled/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				buf := wire.CopyBuffer(message)
				_ = buf.Bytes()
				buf.Release()
			}
		})
	})
	b.Run("make", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkBytes = append([]byte(nil), message...)
		}
	})
}

func BenchmarkSignersCount(b *testing.B) {
	s := wire.NewSigners(300)
	for i := wire.Participant(0); i < 300; i += 2 {
		s.Add(i)
	}
	for b.Loop() {
		sinkInt += s.Count()
	}
}
