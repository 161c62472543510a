package bodies

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/wire"
)

// honestLane returns the first chunks of a lane.
func honestLane(g *generator, lane wire.PublicKey, chunks int) (all []replica.Chunk) {
	var parent wire.Digest
	for height := range uint64(chunks) {
		digest := wire.Digest{1, byte(height), lane[0]}
		all = append(all, replica.Chunk{
			Place: engine.Place{Sequencer: lane, Height: height, Parent: parent}, Digest: digest,
			Body: g.body(lane, height, 3, time.Unix(0, 1), 50),
		})
		parent = digest
	}
	return all
}

func TestAnHonestStreamIsTakenHoweverLanesMix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGenerator(1)
		a, b := wire.PublicKey{1}, wire.PublicKey{2}
		c := newChecker(g, []wire.PublicKey{a, b})
		streams := [][]replica.Chunk{honestLane(g, a, 5), honestLane(g, b, 7)}
		for len(streams[0])+len(streams[1]) > 0 {
			i := rapid.IntRange(0, 1).Draw(t, "lane")
			if len(streams[i]) == 0 {
				continue
			}
			if repeated, err := c.take(&streams[i][0]); repeated || err != nil {
				t.Fatal(repeated, err)
			}
			streams[i] = streams[i][1:]
		}
		if c.next(a) != 5 || c.next(b) != 7 {
			t.Fatalf("%d and %d", c.next(a), c.next(b))
		}
	})
}

// sound is the slow twin of a checker that has found no fault. If a chunk is delivered again, only
// the digest of the last one is known.
func sound(stream, honest []replica.Chunk) bool {
	next := 0
	for _, k := range stream {
		if int(k.Height) > next || !bytes.Equal(k.Body, honest[k.Height].Body) {
			return false
		}
		if int(k.Height) == next {
			if k.Parent != honest[next].Parent {
				return false
			}
			next++
		}
	}
	return true
}

func TestALyingStreamIsFoundOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, lane := newGenerator(1), wire.PublicKey{1}
		honest := honestLane(g, lane, 8)
		stream := append([]replica.Chunk(nil), honest...)
		for range rapid.IntRange(0, 3).Draw(t, "lies") {
			i := rapid.IntRange(0, len(stream)-1).Draw(t, "at")
			k := &stream[i]
			if len(k.Body) == 0 {
				continue // it was cut to nothing before
			}
			switch rapid.SampledFrom([]string{"omit", "swap", "repeat", "body", "cut", "place", "parent", "elsewhere"}).Draw(t, "lie") {
			case "omit":
				if stream = append(stream[:i:i], stream[i+1:]...); len(stream) == 0 {
					return
				}
			case "swap":
				j := rapid.IntRange(0, len(stream)-1).Draw(t, "with")
				stream[i], stream[j] = stream[j], stream[i]
			case "repeat":
				stream = append(stream[:i+1:i+1], stream[i:]...)
			case "body":
				k.Body = bytes.Clone(k.Body)
				k.Body[rapid.IntRange(0, len(k.Body)-1).Draw(t, "byte")] ^= 4
			case "cut":
				k.Body = k.Body[:rapid.IntRange(0, len(k.Body)-1).Draw(t, "length")]
			case "place":
				k.Body = g.body(lane, k.Height+1, 3, time.Unix(0, 1), 50)
			case "parent":
				k.Parent[9] ^= 1
			case "elsewhere":
				k.Body = g.body(wire.PublicKey{2}, k.Height, 3, time.Unix(0, 1), 50)
			}
		}
		c, found := newChecker(g, []wire.PublicKey{lane}), error(nil)
		for i := range stream {
			if _, err := c.take(&stream[i]); err != nil && found == nil {
				found = err
			}
		}
		if want := sound(stream, honest); (found == nil) != want {
			t.Fatalf("sound: %v; the checker says %v", want, found)
		}
	})
}

func TestAChunkOfNoLaneAndAnotherChunkAtAPlaceAreFound(t *testing.T) {
	g, lane := newGenerator(1), wire.PublicKey{1}
	c := newChecker(g, []wire.PublicKey{lane})
	honest := honestLane(g, lane, 2)
	for i := range honest {
		if _, err := c.take(&honest[i]); err != nil {
			t.Fatal(err)
		}
	}
	other := honest[1]
	if repeated, err := c.take(&other); !repeated || err != nil {
		t.Errorf("the same again: %v, %v", repeated, err)
	}
	other.Digest[3] ^= 1
	if _, err := c.take(&other); err == nil {
		t.Error("another chunk at the same place was taken")
	}
	other.Sequencer = wire.PublicKey{9}
	if _, err := c.take(&other); err == nil {
		t.Error("a chunk of no lane was taken")
	}
}

func TestACheckerGoesOnWhereItWas(t *testing.T) {
	g, lane := newGenerator(1), wire.PublicKey{1}
	honest := honestLane(g, lane, 4)
	c := newChecker(g, []wire.PublicKey{lane})
	for i := range honest[:2] {
		if _, err := c.take(&honest[i]); err != nil {
			t.Fatal(err)
		}
	}
	again := newChecker(g, []wire.PublicKey{lane})
	again.resume(c.all())
	if _, err := again.take(&honest[2]); err != nil {
		t.Error(err)
	}
	fresh := newChecker(g, []wire.PublicKey{lane})
	if _, err := fresh.take(&honest[3]); err == nil {
		t.Error("three chunks are missing, and nothing was said")
	}
}
