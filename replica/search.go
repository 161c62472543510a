package replica

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/wire"
)

// search asks peers for a number of items, such as the pieces of a body, several at once, until it
// has all. A peer that does not answer in time, does not have an item or sends a wrong one costs
// only that request: others are asked, and later the same peer again.
type search struct {
	items int
	typ   network.Type
	// request encodes the request for an item.
	request func(item int) []byte
	// accept takes an answer. It returns errWrong if the answer proves that the peer is at fault.
	accept func(item int, answer network.Message) error
	// rank orders peers: the lowest are asked first. A peer with a negative rank is not asked.
	rank func(id wire.PublicKey) int
	// pruned, if set, is called with the peers that have pruned the items, when no peer has them:
	// all connected peers have answered that they do not have them, or not any more.
	pruned func(by []wire.PublicKey)
	// next, if set, reports whether the items are next in their lane.
	next func() bool
	// over, if set, ends the search with errTurn when it returns true. last is the time when the
	// last item came, or when the search began.
	over func(now, last time.Time) bool

	served wire.PublicKey // the peer that sent the last item
}

// errTurn: over ended the search.
var errTurn = errors.New("replica: the turn of a search is over")

// errWrong: an answer that an honest peer does not give.
var errWrong = errors.New("replica: wrong answer")

const (
	parallel     = 8 // items asked for at once by one search
	perSource    = 4 // items asked for at once of one peer
	maxHedges    = 3 // peers asked for one item at once
	notYetPause  = 50 * time.Millisecond
	neverPause   = time.Second
	prunedPause  = 10 * time.Second
	tokenPause   = 20 * time.Millisecond // while a peer has too many requests open
	leastHeadway = time.Millisecond
	maxSilent    = 3  // unanswered requests in a row after which a peer counts as having nothing
	maxNotYet    = 10 // answers NotYet in a row after which it does, too: some six seconds
)

// source is the view that one search has of a peer.
type source struct {
	*peer
	rank    int
	draw    uint32       // orders peers of equal rank, so that no key comes first always
	open    map[int]bool // items that it is asked for; at most perSource
	until   time.Time    // no request before this time
	notYet  int          // answers NotYet in a row
	wrong   bool         // it has sent a wrong answer
	doubted bool         // it has failed other searches lately
	pruned  bool         // its last answer was Pruned
	has     bool         // it may have the items: its last answer did not deny it
	silent  int          // requests in a row without an answer
}

// item is the state of one item.
type item struct {
	done  bool
	asked int       // open requests
	last  time.Time // the time of the last request
}

// reply is the result of a request.
type reply struct {
	item   int
	from   *source
	began  time.Time
	answer network.Message
	err    error
}

// run returns nil once it has every item, errTurn, or ctx's error.
func (s *search) run(ctx context.Context, r *Replica) error {
	ctx, cancel := context.WithCancel(ctx)
	replies := make(chan reply, parallel*maxHedges)
	open := 0
	defer func() {
		cancel()
		for ; open > 0; open-- {
			got := <-replies
			got.answer.Buffer.Release()
			r.peers.ended(got.from.peer, got.began, time.Now(), givenUp)
		}
	}()
	items := make([]item, s.items)
	sources := make(map[*peer]*source) // the connected ones
	told, last := false, time.Now()
	for missing := s.items; missing > 0; {
		now := time.Now()
		peers, changed := r.peers.list()
		ranked := s.sources(r, sources, peers, now)
		wake := now.Add(time.Hour)
		if s.over != nil {
			if s.over(now, last) {
				return errTurn
			}
			wake = now.Add(lookAgain)
		}
		for open < parallel*maxHedges {
			i, from, next := s.choose(r, items, ranked, now)
			if next.Before(wake) {
				wake = next
			}
			if from == nil {
				break
			}
			open++
			items[i].asked++
			items[i].last = now
			from.open[i] = true
			go func() {
				ctx, cancel := context.WithTimeout(ctx, r.cfg.RequestTimeout)
				defer cancel()
				answer, err := r.transport.Request(ctx, from.id, s.typ, s.request(i))
				replies <- reply{i, from, now, answer, err}
			}()
		}
		if s.pruned != nil && !told {
			if by := prunedBy(ranked); by != nil {
				told = true
				s.pruned(by)
			}
		}
		timer := time.NewTimer(max(time.Until(wake), leastHeadway))
		select {
		case got := <-replies:
			open--
			if s.take(r, items, &got, ctx.Err() != nil) {
				missing--
				last = time.Now()
			}
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// sources returns the connected peers that may be asked, in the order of their ranks. Peers in
// doubt come last.
func (s *search) sources(r *Replica, known map[*peer]*source, peers []*peer, now time.Time) []*source {
	var ranked []*source
	for _, p := range peers {
		from := known[p]
		if from == nil {
			rank := s.rank(p.id)
			if rank < 0 {
				continue
			}
			from = &source{peer: p, rank: rank, draw: rand.Uint32(), open: make(map[int]bool), has: true}
			known[p] = from
		}
		from.doubted = r.peers.doubts(p, now)
		ranked = append(ranked, from)
	}
	if len(known) > len(ranked) {
		maps.DeleteFunc(known, func(_ *peer, from *source) bool { return !slices.Contains(ranked, from) })
	}
	slices.SortFunc(ranked, func(a, b *source) int {
		if a.doubted != b.doubted {
			if a.doubted {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.open), len(b.open)), cmp.Compare(a.draw, b.draw))
	})
	return ranked
}

// choose returns the item to ask for now and the peer to ask, nil if there is none, and the time to
// look again.
func (s *search) choose(r *Replica, items []item, ranked []*source, now time.Time) (i int, from *source, next time.Time) {
	next = now.Add(time.Hour)
	later := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	busy, urgent := 0, s.next != nil && s.next()
	for i := range items {
		it := &items[i]
		if it.done {
			continue
		}
		if it.asked > 0 {
			busy++
			if it.asked == maxHedges {
				continue
			}
			if hedge := it.last.Add(r.cfg.HedgeDelay); hedge.After(now) {
				later(hedge)
				continue
			}
		} else if busy >= parallel {
			continue
		}
		for _, from := range ranked {
			switch {
			case from.wrong || from.open[i] || len(from.open) >= perSource:
			case from.until.After(now):
				later(from.until)
			default:
				ok, until := r.peers.ask(from.peer, now, urgent)
				if ok {
					return i, from, next
				}
				if until.IsZero() {
					until = now.Add(tokenPause)
				}
				later(until)
			}
		}
		if busy >= parallel {
			break
		}
	}
	return 0, nil, next
}

// take handles a reply, and reports whether it completed its item.
func (s *search) take(r *Replica, items []item, got *reply, over bool) (fresh bool) {
	now := time.Now()
	it, from := &items[got.item], got.from
	it.asked--
	delete(from.open, got.item)
	how := answered
	switch {
	case over:
		how = givenUp
	case got.err != nil:
		how = unanswered
	}
	r.peers.ended(from.peer, got.began, now, how)
	defer got.answer.Buffer.Release()
	if got.err != nil {
		r.counts.requestsFailed.Add(1)
		if from.silent++; from.silent == maxSilent {
			from.has = false
		}
		return false
	}
	from.silent = 0
	if got.answer.Type == message.AbsentType {
		var absent message.Absent
		if err := absent.Decode(got.answer.Buffer.Bytes()); err != nil {
			s.blame(r, from, err)
			return false
		}
		pause := neverPause
		from.has, from.pruned = absent.Reason == message.NotYet && from.notYet < maxNotYet, absent.Reason == message.Pruned
		switch absent.Reason {
		case message.NotYet:
			pause = min(notYetPause<<min(from.notYet, 10), neverPause)
			from.notYet++
		case message.Pruned:
			pause = prunedPause
		}
		from.until = now.Add(pause)
		return false
	}
	from.has, from.pruned, from.notYet = true, false, 0
	if it.done {
		return false
	}
	if err := s.accept(got.item, got.answer); err != nil {
		s.blame(r, from, err)
		return false
	}
	it.done, s.served = true, from.id
	return true
}

// blame excludes a peer from the search for a wrong answer.
func (s *search) blame(r *Replica, from *source, err error) {
	from.wrong, from.has = true, false
	r.peers.doubt(from.peer, time.Now())
	r.counts.wrongAnswers.Add(1)
	r.limited.log(from.id, func() { r.log.Warn("a peer answered wrongly", "peer", from.id, "why", err) })
}

// prunedBy returns the peers that have pruned the items; none if a peer may still have them.
func prunedBy(ranked []*source) (by []wire.PublicKey) {
	for _, from := range ranked {
		switch {
		case from.pruned:
			by = append(by, from.id)
		case from.has:
			return nil
		}
	}
	return by
}
