package bodies

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// MinSize is the length of the shortest body, in bytes: its head, and as much after it.
const MinSize = 2 * headSize

// headSize is the length of a body's head: the number of the run that made the body, and the time
// of making in ns since 1970. Both are 8 bytes, big-endian.
const headSize = 16

// pieceSize is the number of bytes of a body that are made or compared at once. A piece fits into
// the first-level cache.
const pieceSize = 16 << 10

var zeros [pieceSize]byte

// generator makes and recognizes the bodies of a network. After its head a body is keystream of
// AES-128 in counter mode. The key follows from the seed, the run, the length and the lane, and the
// first counter block is the height and the time of making. So bodies differ if their run, length,
// lane, height or time differs, and anyone with the seed can check any body. All methods may be
// called from any goroutine.
type generator struct {
	seed uint64

	mu   sync.Mutex
	keys map[wire.PublicKey]laneKey // the last key used, by lane
}

// laneKey is the key of a lane for bodies of a run and a length.
type laneKey struct {
	run   uint64
	size  int
	block cipher.Block
}

func newGenerator(seed uint64) *generator {
	return &generator{seed: seed, keys: make(map[wire.PublicKey]laneKey)}
}

// body makes the body of a chunk.
func (g *generator) body(lane wire.PublicKey, height, run uint64, made time.Time, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, run)
	binary.BigEndian.PutUint64(b[8:], uint64(made.UnixNano()))
	stream := g.stream(lane, height, b)
	for rest := b[headSize:]; len(rest) > 0; {
		n := min(len(rest), pieceSize)
		stream.XORKeyStream(rest[:n], zeros[:n])
		rest = rest[n:]
	}
	return b
}

// genuine reports whether a body was made for the chunk at a place, in any run.
func (g *generator) genuine(lane wire.PublicKey, height uint64, body []byte) bool {
	return g.begins(lane, height, body, len(body))
}

// begins reports whether this many bytes after the head of a body are those of the body for the
// chunk at a place.
func (g *generator) begins(lane wire.PublicKey, height uint64, body []byte, most int) bool {
	if len(body) < MinSize {
		return false
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	stream := g.stream(lane, height, body)
	for rest := body[headSize:min(len(body), headSize+most)]; len(rest) > 0; {
		n := min(len(rest), pieceSize)
		stream.XORKeyStream(piece[:n], zeros[:n])
		if !bytes.Equal(piece[:n], rest[:n]) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// stream returns the keystream that follows the head of a body; the head must be filled in.
func (g *generator) stream(lane wire.PublicKey, height uint64, body []byte) cipher.Stream {
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[:], height)
	copy(counter[8:], body[8:headSize])
	return cipher.NewCTR(g.key(lane, binary.BigEndian.Uint64(body), len(body)), counter[:])
}

func (g *generator) key(lane wire.PublicKey, run uint64, size int) cipher.Block {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, ok := g.keys[lane]; ok && k.run == run && k.size == size {
		return k.block
	}
	b := []byte("lanecast loadgen body")
	b = binary.BigEndian.AppendUint64(b, g.seed)
	b = binary.BigEndian.AppendUint64(b, run)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	b = append(b, lane[:]...)
	sum := sha256.Sum256(b)
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // only for lengths other than 16, 24 and 32 bytes
	}
	g.keys[lane] = laneKey{run, size, block}
	return block
}

// madeAt returns the time at which a body was made or, with a rate, due.
func madeAt(body []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(body[8:]))) }
