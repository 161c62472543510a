package archive

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// HasRoom agrees with Put whatever bodies are kept, retained, pushed, on their way, or on the disk.
func TestPutForVoteTakesWhatThereIsRoomFor(t *testing.T) {
	var step atomic.Int64 // others fill the disk
	for name, change := range map[string]func(c *Config){
		"quota":   func(c *Config) { c.Quota = 100 << 10 },
		"pending": func(c *Config) { c.MaxPending = 64 << 10 },
		"disk": func(c *Config) {
			c.MinFree, c.room = 1<<20, 32<<10
			c.free = func(string) (int64, error) { return 1<<20 + 200<<10 - step.Load()*1400, nil }
		},
	} {
		cfg := small(t.TempDir())
		cfg.Retain = 1 << 40
		change(&cfg)
		a := open(t, cfg)
		c := newChain()
		rng := rand.New(rand.NewPCG(1, 1))
		taken, refused := 0, 0
		writing := false // bodies are on their way to the disk, and may make room when they are there
		for i := range 200 {
			step.Store(int64(i))
			id := sequencer(rng.IntN(3))
			switch rng.IntN(6) {
			case 0:
				_ = a.Put(Pushed, at(id, c.next[id], c.last[id], make([]byte, 1000)), nil)
				writing = true
			case 1:
				if err := a.Prune(id, c.next[id]-min(c.next[id], uint64(rng.IntN(3))), nil); err != nil {
					t.Fatal(err)
				}
			case 2:
				flush(t, a)
				writing = false
			default:
				next, last := c.next[id], c.last[id]
				b := c.body(id, rng.IntN(16<<10))
				size := StoredSize(&b.Header)
				room := a.HasRoom(size)
				err := a.Put(ForVote, b, nil)
				switch {
				case err == nil:
					taken++
				case errors.Is(err, ErrQuota), errors.Is(err, ErrBusy):
					refused++
					c.next[id], c.last[id] = next, last
				default:
					t.Fatal(err)
				}
				if room && err != nil || !room && err == nil && !writing {
					t.Fatalf("%s: HasRoom said %v of a body of %d bytes, and Put %v", name, room, size, err)
				}
				writing = writing || err == nil
			}
		}
		if taken == 0 || refused == 0 {
			t.Fatalf("%s: %d bodies were taken, %d refused", name, taken, refused)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if a.HasRoom(0) {
			t.Errorf("%s: a closed archive has room", name)
		}
	}
}
