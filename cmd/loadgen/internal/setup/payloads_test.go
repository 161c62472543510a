package setup

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/wire"
)

func TestAPayloadIsGenuineInEveryRunButAtItsPlaceAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := engine.Place{
			Sequencer: wire.PublicKey(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sequencer")),
			Height:    rapid.Uint64().Draw(t, "height"),
		}
		made := Payloads{Seed: rapid.Uint64().Draw(t, "seed"), Run: rapid.Uint64().Draw(t, "run")}
		later := Payloads{Seed: made.Seed, Run: made.Run + 1}
		d := made.Digest(at)
		if !made.Genuine(at, d) || !later.Genuine(at, d) {
			t.Fatal("a genuine payload was refused")
		}
		if later.Digest(at) == d {
			t.Fatal("two runs made the same payload")
		}
		above := at
		above.Height++
		flipped := d
		flipped[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		stranger := Payloads{Seed: made.Seed + 1, Run: made.Run}
		if made.Genuine(above, d) || made.Genuine(at, flipped) || stranger.Genuine(at, d) {
			t.Fatal("a payload of another place or cluster was accepted")
		}
	})
}
