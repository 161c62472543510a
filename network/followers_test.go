package network

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lanecast/lanecast/wire"
)

// followers has the processes from first up be followers to all.
func (w *world) followers(first int) func() *recorder {
	return func() *recorder {
		return &recorder{roleOf: func(id wire.PublicKey) Role {
			for i := first; i < len(w.keys); i++ {
				if id == w.id(i) {
					return Follower
				}
			}
			return Member
		}}
	}
}

// docs/protocol.md 7.3: «Peers that are neither validators nor sequencers within bounds share a
// part of all quotas of their own, served last». First: requests that are served.
func TestRule7_3_RequestsOfFollowersTakeNoPlaceOfMembers(t *testing.T) {
	const places = 64
	bubble(t, 6, func(t *testing.T, w *world) {
		w.config = func(_ int, c *Config) { c.MaxServing = places }
		r := w.followers(2)()
		var served sync.Map // by role: the most at once
		var now [2]atomic.Int64
		r.answer = func(ctx context.Context, _ Type, request []byte, reply func(Type, []byte) error) {
			n := now[request[0]].Add(1)
			if most, _ := served.LoadOrStore(request[0], n); most.(int64) < n {
				served.Store(request[0], n)
			}
			<-ctx.Done()
			now[request[0]].Add(-1)
		}
		hub := w.start(0, r)
		all := []*process{hub}
		for i := 1; i < 6; i++ {
			all = append(all, w.start(i, nil))
		}
		after(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		flood := func(i int, kind byte, requests int) {
			for range requests {
				asking.Go(func() { _, _ = all[i].n.Request(ctx, w.id(0), typePieceRequest, []byte{kind}) })
			}
			synctest.Wait()
		}
		for i := 2; i < 6; i++ {
			flood(i, 1, MaxRequests)
		}
		flood(1, 0, MaxRequests)
		// The first has half of the followers' places, and each other one.
		if n, _ := served.Load(byte(1)); n != int64(places/8/2+3) {
			t.Errorf("%v requests of four followers are served at once", n)
		}
		if n, _ := served.Load(byte(0)); n != int64(places/2) {
			t.Errorf("%v requests of a member are served at once", n)
		}
		cancel()
		asking.Wait()
		stopAll(t, all...)
	})
}

// Second: bytes that wait to be sent. Followers that read nothing have no more than one peer has.
func TestRule7_3_WhatWaitsForFollowersIsBoundedForAllOfThem(t *testing.T) {
	bubble(t, 6, func(t *testing.T, w *world) {
		const most = 256 << 10
		w.config = func(_ int, c *Config) {
			c.QueueBytes = most
			c.Addresses = func() map[wire.PublicKey]string { return map[wire.PublicKey]string{w.id(0): w.address(0)} }
		}
		hub := w.start(0, w.followers(2)())
		all := []*process{hub}
		for i := 1; i < 6; i++ {
			all = append(all, w.start(i, nil))
		}
		after(time.Second)
		for i := 1; i < 6; i++ {
			w.net.Freeze(w.address(i), true)
		}
		for range 200 {
			for i := 5; i > 0; i-- {
				hub.n.Send([]wire.PublicKey{w.id(i)}, typeBody, make([]byte, 10<<10))
			}
			synctest.Wait()
		}
		waiting := func(i int) (bytes int) {
			hub.peer(w.id(i), func(p *peer) { _, bytes = p.links[Bulk].queue.waiting() })
			return bytes
		}
		followers := waiting(2) + waiting(3) + waiting(4) + waiting(5)
		if followers > most || followers < most-10<<10 {
			t.Errorf("%d bytes wait for four followers", followers)
		}
		if n := waiting(1); n > most || n < most-10<<10 {
			t.Errorf("%d bytes wait for a member", n)
		}
		for i := 1; i < 6; i++ {
			w.net.Freeze(w.address(i), false)
		}
		after(time.Second)
		if n := hub.n.queuedForFollowers[Bulk].Load(); n != 0 {
			t.Errorf("%d bytes wait for followers that have everything", n)
		}
		stopAll(t, all...)
	})
}

// Third: the rate of bulk. A member that comes while followers are sent much gets nearly all of it.
func TestRule7_3_BulkGoesToMembersFirst(t *testing.T) {
	for _, places := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("%d places", places), func(t *testing.T) {
			bubble(t, 8, func(t *testing.T, w *world) {
				const rate, body, piece = 1 << 20, 2 << 20, 64 << 10
				w.config = func(i int, c *Config) {
					c.Addresses = func() map[wire.PublicKey]string { return map[wire.PublicKey]string{w.id(0): w.address(0)} }
					c.BulkRate, c.BulkPeers, c.BulkTurn = rate, places, 4<<20
				}
				hub := w.start(0, w.followers(2)())
				all := []*process{hub}
				arrived := make([]atomic.Int64, 8)
				for i := 1; i < 8; i++ {
					all = append(all, w.start(i, &recorder{take: func(_ wire.PublicKey, batch []Message) {
						for _, m := range batch {
							arrived[i].Add(int64(len(m.Buffer.Bytes())))
							m.Buffer.Release()
						}
					}}))
				}
				after(time.Second)
				for range 40 { // one of them has a long turn
					hub.n.Send([]wire.PublicKey{w.id(2)}, typeBody, make([]byte, piece))
				}
				for range 60 {
					for i := 3; i < 8; i++ {
						hub.n.Send([]wire.PublicKey{w.id(i)}, typeBody, make([]byte, piece))
					}
				}
				after(time.Second)
				alone := arrived[2].Load() + arrived[3].Load() + arrived[4].Load() + arrived[5].Load() + arrived[6].Load() + arrived[7].Load()
				if alone < rate*3/4 {
					t.Errorf("%d bytes came to followers in a second in which nobody else was sent anything", alone)
				}
				for range body / piece {
					hub.n.Send([]wire.PublicKey{w.id(1)}, typeBody, make([]byte, piece))
				}
				began := time.Now()
				for arrived[1].Load() < body && time.Since(began) < time.Minute {
					time.Sleep(10 * time.Millisecond)
				}
				// 2 s, and an eighth for followers.
				if took := time.Since(began); took > 2600*time.Millisecond {
					t.Errorf("a body of two seconds took a member %v beside six followers", took)
				}
				after(20 * time.Second)
				for i := 2; i < 8; i++ {
					if n := arrived[i].Load(); n < 128<<10 { // they share what waits, too

						t.Errorf("%d bytes came to follower %d", n, i)
					}
				}
				stopAll(t, all...)
			})
		})
	}
}

// The pacer against a slow twin: it always has as many free places as it should, and no place is
// free while a connection that may have it waits.
func TestAPacerLosesNoPlaceAndPassesMembersFirst(t *testing.T) {
	for seed := range 200 {
		p := newPacer(0, 1+seed%5, 100)
		turns := make([]*bulkTurn, 9)
		asked := make([]bool, len(turns)) // waits for its token
		follower := make([]bool, len(turns))
		for i := range turns {
			turns[i] = p.join()
			follower[i] = i%2 == 0
		}
		state := uint64(seed)*2654435761 + 1
		next := func(n int) int {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			return int(state % uint64(n))
		}
		for range 300 {
			i := next(len(turns))
			t1 := turns[i]
			select {
			case <-t1.granted:
				asked[i] = false
			default:
			}
			switch next(4) {
			case 0, 1:
				if !asked[i] {
					if next(10) == 0 {
						follower[i] = !follower[i]
					}
					asked[i] = !t1.ask(follower[i])
				}
			case 2:
				t1.sent += 60
			case 3:
				t1.leave()
				select {
				case <-t1.granted:
				default:
				}
				asked[i] = false
			}
			members, followers := 0, 0
			for _, each := range turns {
				if each.placed && each.late {
					followers++
				} else if each.placed {
					members++
				}
				if each.placed && (slices.Contains(p.waiting, each) || slices.Contains(p.last, each)) {
					t.Fatalf("seed %d: a connection with a place waits for one", seed)
				}
			}
			if members != p.members || followers != p.followers || p.free != 1+seed%5-members-followers || p.free < 0 {
				t.Fatalf("seed %d: %d members and %d followers have places, %d and %d are counted, %d are free", seed, members, followers, p.members, p.followers, p.free)
			}
			if p.free > 0 && (len(p.waiting) > 0 || len(p.last) > 0 && followers < p.maxFollowers) {
				t.Fatalf("seed %d: a place is free, and %d members and %d followers wait", seed, len(p.waiting), len(p.last))
			}
			if followers > p.maxFollowers+1 { // one whose role has changed
				t.Fatalf("seed %d: %d followers have places", seed, followers)
			}
		}
	}
}
