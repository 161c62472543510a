package network

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// delays is a Handler's take that records the delay of messages, by the stamp at the start of each.
type delays struct {
	mu      sync.Mutex
	all     []time.Duration
	batches int
}

func (d *delays) take(_ wire.PublicKey, batch []Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batches++
	for _, m := range batch {
		d.all = append(d.all, time.Duration(time.Now().UnixNano()-int64(binary.BigEndian.Uint64(m.Buffer.Bytes()))))
		m.Buffer.Release()
	}
}

// reset returns the recorded delays, and the number of calls in which the messages came.
func (d *delays) reset() (all []time.Duration, batches int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, batches = d.all, d.batches
	d.all, d.batches = nil, 0
	return all, batches
}

// sendStamped sends messages, one record each, with a time between them.
func (r *rawPeer) sendStamped(t *testing.T, n int, every time.Duration) {
	t.Helper()
	for range n {
		r.send(t, frameOf(typeAck, binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))))
		time.Sleep(every)
	}
}

func TestReadsPauseAtHighRatesOnlyAndNoLongerThanTheyMay(t *testing.T) {
	const pause = time.Millisecond
	for name, c := range map[string]struct {
		pause  time.Duration
		every  time.Duration // between two records
		paused bool
	}{
		"many records":                    {pause, 40 * time.Microsecond, true},
		"many records, and no pauses":     {-1, 40 * time.Microsecond, false},
		"few of all connections together": {pause, 60 * time.Microsecond, false},
		"one by one":                      {pause, 2 * time.Millisecond, false},
	} {
		bubble(t, 2, func(t *testing.T, w *world) {
			w.config = func(_ int, cfg *Config) { cfg.ReadPause = c.pause }
			var d delays
			a := w.start(0, &recorder{take: d.take})
			after(time.Second)
			raw := connectRaw(t, w, 1)
			raw.sendStamped(t, 1000, c.every)
			after(pause)
			d.reset() // the rate is known now
			raw.sendStamped(t, 1000, c.every)
			after(pause)
			all, batches := d.reset()
			if len(all) != 1000 {
				t.Errorf("%s: %d of 1000 messages came", name, len(all))
			}
			most := time.Duration(0)
			fewest, atMost := 1000, 1000
			if c.paused {
				most, fewest, atMost = pause, 1000/30, 1000/20
			}
			if longest := slices.Max(append(all, 0)); longest > most || batches < fewest || batches > atMost {
				t.Errorf("%s: messages took up to %v and came in %d calls", name, longest, batches)
			}
			after(rateMemory)
			raw.sendStamped(t, 1, 0)
			synctest.Wait()
			if all, _ := d.reset(); len(all) != 1 || all[0] != 0 {
				t.Errorf("%s: a message that came alone took %v", name, all)
			}
			closeRaw(raw)
			a.stop(t)
		})
	}
}

func TestAConnectionThatGetsFewRecordsDoesNotPauseBesideOneThatGetsMany(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		var d delays
		a := w.start(0, &recorder{take: func(from wire.PublicKey, batch []Message) {
			if from == w.id(2) {
				d.take(from, batch)
				return
			}
			for _, m := range batch {
				m.Buffer.Release()
			}
		}})
		after(time.Second)
		many := connectRaw(t, w, 1)
		few := dialRaw(t, w, w.keys[2], 0)
		few.hello(t, func(h *hello) { h.instance = [16]byte{1} })
		for range 20 {
			many.sendStamped(t, 100, 40*time.Microsecond)
			few.sendStamped(t, 2, 100*time.Microsecond)
		}
		after(time.Second)
		if all, _ := d.reset(); len(all) != 40 || slices.Max(all) != 0 {
			t.Errorf("messages of a connection that gets few took %v", all)
		}
		if a.n.counts.pauses.Load() == 0 {
			t.Error("the other connection did not pause")
		}
		closeRaw(many, few)
		a.stop(t)
	})
}

func TestAReadThatBringsMuchIsFollowedByTheNextAtOnce(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start(0, nil)
		after(time.Second)
		raw := connectRaw(t, w, 1)
		for range 1000 {
			raw.send(t, frameOf(typeNode, make([]byte, minRead)))
			time.Sleep(40 * time.Microsecond)
		}
		if pauses := a.n.counts.pauses.Load(); pauses != 0 {
			t.Errorf("%d pauses", pauses)
		}
		closeRaw(raw)
		a.stop(t)
	})
}
