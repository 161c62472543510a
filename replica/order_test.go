package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/wire"
)

// docs/protocol.md 7.3: «first the sequencer, then the signers of a certificate for it, then
// others». A peer that gave no answer, or a wrong one, comes after all others for a while, and then
// in its place again.
func TestSourcesAreAskedInTheirOrder(t *testing.T) {
	r := &Replica{peers: newPeers()}
	ranks := map[wire.PublicKey]int{{1}: 2, {2}: 2, {3}: 0, {4}: 1, {5}: -1, {6}: 2}
	for id := range ranks {
		r.peers.connect(id, network.Member)
	}
	s := search{rank: func(id wire.PublicKey) int { return ranks[id] }}
	known := make(map[*peer]*source)
	now := time.Now()
	order := func(now time.Time) (ids []byte) {
		peers, _ := r.peers.list()
		for _, from := range s.sources(r, known, peers, now) {
			ids = append(ids, from.id[0])
		}
		return ids
	}
	first := map[byte]bool{}
	for range 100 {
		clear(known)
		got := order(now)
		if len(got) != 5 || got[0] != 3 || got[1] != 4 {
			t.Fatalf("the order is %v", got)
		}
		first[got[2]] = true
	}
	if len(first) != 3 {
		t.Errorf("of three peers of equal rank only %v came first", first)
	}
	r.peers.ask(r.peers.get(wire.PublicKey{3}), now, false)
	r.peers.ended(r.peers.get(wire.PublicKey{3}), now, now, unanswered)
	r.peers.doubt(r.peers.get(wire.PublicKey{4}), now)
	if got := order(now); !slices.Equal(got[3:], []byte{3, 4}) {
		t.Errorf("who failed comes in the order %v", got)
	}
	if got := order(now.Add(doubtTime)); !slices.Equal(got[:2], []byte{3, 4}) {
		t.Errorf("after a while the order is %v", got)
	}
	known[r.peers.get(wire.PublicKey{1})].open[0] = true
	known[r.peers.get(wire.PublicKey{2})].open[0] = true
	if got := order(now.Add(doubtTime)); got[2] != 6 {
		t.Errorf("who is asked for nothing comes in the order %v", got)
	}
}

// A search may go on for as long as its body is withheld, while peers come and go.
func TestASearchForgetsPeersThatAreGone(t *testing.T) {
	r := &Replica{peers: newPeers()}
	s := search{rank: func(wire.PublicKey) int { return 0 }}
	known := make(map[*peer]*source)
	for range 100 {
		r.peers.connect(wire.PublicKey{1}, network.Member)
		peers, _ := r.peers.list()
		if ranked := s.sources(r, known, peers, time.Now()); len(ranked) != 1 {
			t.Fatalf("%d peers may be asked", len(ranked))
		}
		r.peers.disconnect(wire.PublicKey{1})
	}
	if len(known) > 1 {
		t.Errorf("it knows %d peers", len(known))
	}
}
