package curve

import (
	"bytes"
	"testing"

	"github.com/consensys/gnark-crypto/field/hash"
)

func TestMessagesExpandAsInGnark(t *testing.T) {
	for _, size := range []int{32, 33, 64, 128, 256, 1000} {
		for _, tag := range [][]byte{{1}, []byte("QUUX-V01-CS02-with-expander-SHA256-128"), bytes.Repeat([]byte{'t'}, 255)} {
			x := newExpander(tag, size)
			for n := range 200 {
				message := bytes.Repeat([]byte{byte(n)}, n)
				want, err := hash.ExpandMsgXmd(message, tag, size)
				if err != nil {
					t.Fatal(err)
				}
				if got := x.append([]byte("kept"), message); string(got) != "kept"+string(want) {
					t.Fatalf("%d bytes of a message of %d: %x", size, n, got)
				}
			}
		}
	}
}
