package wire_test

import (
	"runtime"
	"testing"

	"github.com/lanecast/lanecast/wire"
)

func mustNotAllocate(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s allocates %v times", what, n)
	}
}

func TestDecodingAcksAndNodesAllocatesNothing(t *testing.T) {
	ack := wire.Ack{Chunk: chunkAt(1 << 40), Epoch: 300, Participant: 200, Signature: filled(g1, 0xA1)}
	ackBytes := ack.AppendTo(nil)
	var a wire.Ack
	mustNotAllocate(t, "Ack.Decode", func() {
		if a.Decode(ackBytes) != nil {
			t.Fail()
		}
	})
	for name, f := range map[string]wire.Format{
		"multisig": multisig(100), "threshold": threshold(100), "ed25519": ed25519List(100),
	} {
		var formats wire.Formats = wire.SameFormat(f)
		node := wire.Node{Chunk: chunkAt(1 << 40), Signature: signatureOf(0x51),
			Parent: wire.Parent{Payload: digestOf(0x0F), Epoch: 300, Certificate: certificateOf(f, 3)}}
		lock := wire.Lock{Chunk: chunkAt(1 << 40), Epoch: 300, Certificate: certificateOf(f, 3)}
		nodeBytes, lockBytes := node.AppendTo(nil), lock.AppendTo(nil)
		var n wire.Node
		var l wire.Lock
		mustNotAllocate(t, name+": Node.Decode", func() {
			if n.Decode(nodeBytes, formats) != nil {
				t.Fail()
			}
		})
		mustNotAllocate(t, name+": Lock.Decode", func() {
			if l.Decode(lockBytes, formats) != nil {
				t.Fail()
			}
		})
		mustNotAllocate(t, name+": SplitCertificate", func() {
			s, _, err := f.SplitCertificate(lock.Certificate)
			sum := 0
			for i := range s.All() {
				sum += int(i)
			}
			if err != nil || sum == 0 && s.Len() > 0 {
				t.Fail()
			}
		})
	}
}

func TestEncodingIntoABufferWithRoomAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1<<10)
	for _, g := range goldens() {
		mustNotAllocate(t, g.name, func() { dst = g.value.AppendTo(dst[:0]) })
	}
	s := wire.Subject{Chunk: chunkAt(7), Epoch: 1}
	mustNotAllocate(t, "subject", func() { dst = s.AppendTo(dst[:0]) })
}

func TestClaimedLengthsReserveNoMemory(t *testing.T) {
	const most = 1 << 20 // so large that an allocation for the whole set would show
	formats := epochFormats{1: multisig(8 * most), 2: ed25519List(most)}
	for _, c := range []struct{ name, typ, encoded string }{
		{"a bitmap over 8 Mi participants", "lock", chunk7 + " 01 0000000000800000 01"},
		{"a list of 1 Mi signatures", "lock", chunk7 + " 02 0000000000000008 ff 808040 01*64"},
		{"a message of 4 GiB", "activity", "13 99*32 ffffffff0f 01"},
		{"a bitmap over 2^63 participants", "lock", chunk7 + " 01 8000000000000000 01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.encoded)
			decode := decoders[c.typ]
			const runs = 100
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				if _, err := decode(b, formats); err == nil {
					t.Fatal("decoded")
				}
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 2<<10 {
				t.Errorf("refusing %d bytes allocates %d", len(b), each)
			}
		})
	}
}
