package replica_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/network"
	"github.com/lanecast/lanecast/network/bridge"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/replica"
	"github.com/lanecast/lanecast/replica/internal/message"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// told keeps the evidence that a replica reports.
type told struct {
	mu  sync.Mutex
	all []wire.Activity
}

func (r *told) report(_ context.Context, a wire.Activity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch a.(type) {
	case *wire.Tip, *wire.Certified:
	default:
		r.all = append(r.all, a)
	}
	return nil
}

// take returns the evidence that was reported since the last call.
func (r *told) take() (all []wire.Activity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, r.all = r.all, nil
	return all
}

// tells makes replica 0 report to the value that it returns.
func (c *cluster) tells() *told {
	r := new(told)
	before := c.tune
	c.tune = func(i int, config *replica.Config) {
		if before != nil {
			before(i, config)
		}
		if i == 0 {
			config.Report = r.report
		}
	}
	return r
}

// branch returns a lane whose bodies differ from those of another lane from a height up.
func branch(lane []*made, from int, text string) []*made {
	other := slices.Clone(lane[:from])
	for height := from; height < len(lane); height++ {
		parent := wire.Digest{}
		if height > 0 {
			parent = other[height-1].digest
		}
		other = append(other, makeBody(lane[0].header.Sequencer, uint64(height), parent, fmt.Appendf(nil, "%s %d", text, height), nil))
	}
	return other
}

// serving answers like an honest peer that has lanes: with headers by pages, pieces, and the locks.
func serving(locks []wire.Lock, lanes ...[]*made) func(context.Context, wire.PublicKey, network.Type, []byte, reply) {
	known := make(map[wire.Digest]*made)
	for _, lane := range lanes {
		for _, m := range lane {
			known[m.digest] = m
		}
	}
	return func(_ context.Context, _ wire.PublicKey, t network.Type, request []byte, reply reply) {
		var headers message.HeadersRequest
		var piece message.PieceRequest
		switch {
		case t == message.TipsRequestType:
			_ = reply(message.TipsType, (&message.Tips{Revision: message.Revision{Number: 1}, Locks: locks}).AppendTo(nil))
			return
		case t == message.HeadersRequestType && headers.Decode(request) == nil && known[headers.Digest] != nil:
			var page message.Headers
			m := known[headers.Digest]
			for ; m != nil && len(page.Headers) < int(headers.Count); m = known[m.header.Parent] {
				if n := len(page.Headers); n > 0 && m.header.Height+1 != page.Headers[n-1].Height {
					break // bodies on another parent
				}
				page.Headers = append(page.Headers, m.header)
			}
			page.More = m != nil && page.Headers[len(page.Headers)-1].Height > 0
			_ = reply(message.HeadersType, page.AppendTo(nil))
			return
		case t == message.PieceRequestType && piece.Decode(request) == nil && known[piece.Digest] != nil:
			_ = reply(message.PieceType, known[piece.Digest].piece(piece.Index).AppendTo(nil))
			return
		}
		_ = reply(message.AbsentType, (&message.Absent{Reason: message.Never}).AppendTo(nil))
	}
}

// schemes is the knowledge of a verifier of evidence: the set of epoch 0.
type schemes struct{ verify.Scheme }

func (s schemes) forEpoch(epoch uint64) (verify.Scheme, bool) { return s.Scheme, epoch == 0 }

type lookup func(epoch uint64) (verify.Scheme, bool)

func (l lookup) Scheme(epoch uint64) (verify.Scheme, bool) { return l(epoch) }

// verified verifies evidence like a process that got its bytes: with the package's verifier, and
// with a slow one, which must agree.
func (c *cluster) verified(encoded []byte) error {
	c.t.Helper()
	known := lookup(schemes{c.set.Scheme}.forEpoch)
	a, err := wire.DecodeActivity(encoded, wire.SameFormat(c.set.Scheme.Format()))
	if err != nil {
		return err
	}
	if !bytes.Equal(a.AppendTo(nil), encoded) {
		c.t.Fatalf("%x is encoded again as %x", encoded, a.AppendTo(nil))
	}
	err = replica.VerifyEvidence(a, namespace, known)
	if slow := slowVerify(a, c.set.Scheme); (slow == nil) != (err == nil) {
		c.t.Fatalf("%T of %d bytes: VerifyEvidence says %v, the slow verifier %v", a, len(encoded), err, slow)
	}
	return err
}

// slowVerify follows the text of docs/protocol.md 4.6, for forks and conflicts of locks in epoch 0.
func slowVerify(a wire.Activity, scheme verify.Scheme) error {
	valid := func(k *wire.Lock) error {
		if k.Epoch != 0 {
			return errors.New("another epoch")
		}
		return verify.VerifyCertificate(scheme, wire.Subject{Chunk: k.Chunk}, k.Certificate)
	}
	if c, ok := a.(*wire.LockConflict); ok {
		if c.First.Chunk.Sequencer != c.Second.Chunk.Sequencer || c.First.Chunk.Height != c.Second.Chunk.Height || c.First.Chunk.Payload == c.Second.Chunk.Payload {
			return errors.New("no conflict")
		}
		return errors.Join(valid(&c.First), valid(&c.Second))
	}
	f, ok := a.(*wire.Fork)
	if !ok || len(f.Headers) == 0 || len(f.Headers) > 1024 {
		return errors.New("no fork")
	}
	if err := valid(&f.Upper); err != nil {
		return err
	}
	expected, height := f.Upper.Chunk.Payload, f.Upper.Chunk.Height
	prefix := append(wire.AppendUvarint(nil, uint64(len(namespace)+len("_PAYLOAD"))), string(namespace)+"_PAYLOAD"...)
	for i, encoded := range f.Headers {
		if sha256.Sum256(append(slices.Clone(prefix), encoded...)) != expected {
			return errors.New("another header")
		}
		var h payload.Header
		if err := h.Decode(encoded, 1<<63); err != nil {
			return err
		}
		if h.Sequencer != f.Upper.Chunk.Sequencer || h.Height != height {
			if f.Lower == nil && i == len(f.Headers)-1 {
				return nil
			}
			return errors.New("of another place")
		}
		expected, height = h.Parent, height-1
	}
	switch {
	case f.Lower == nil:
		return errors.New("every header is of its place")
	case f.Lower.Chunk.Sequencer != f.Upper.Chunk.Sequencer || f.Lower.Chunk.Height != height || f.Lower.Chunk.Payload == expected:
		return errors.New("they do not contradict")
	}
	return valid(f.Lower)
}

// forked runs replica 0 until it was handed the chunk of a height of the lane of process 3, passes
// it a lock of another branch, and waits until it reports a fault.
func (c *cluster) forked(s *stranger, r *process, evidence *told, lower, upper *made) []byte {
	c.t.Helper()
	if err := r.Offer(c.t.Context(), c.lockOf(lower)); err != nil {
		c.t.Fatal(err)
	}
	c.eventually(time.Minute, "the lower branch is handed over", func() bool { return r.chain.next(s.id) == lower.header.Height+1 })
	if err := r.Offer(c.t.Context(), c.lockOf(upper)); err != nil {
		c.t.Fatal(err)
	}
	return c.reported(evidence)
}

// reported waits until replica 0 reports one fault, and returns the encoding that others get.
func (c *cluster) reported(evidence *told) []byte {
	c.t.Helper()
	var all []wire.Activity
	c.eventually(5*time.Minute, "a fault is reported", func() bool { all = append(all, evidence.take()...); return len(all) > 0 })
	if len(all) != 1 {
		c.t.Fatalf("%d faults are reported", len(all))
	}
	return all[0].AppendTo(nil)
}

// docs/protocol.md 4.6: «Fork: two Locks of one lane, heights h < k, and the headers k … h+1: each
// one's digest is the payload above it, and the last one's parent is not the first Lock's payload.
// At most 1,024 headers».
func TestRule4_6_AForkIsReportedWithTheHeadersThatProveIt(t *testing.T) {
	for _, test := range []struct {
		page, distance int
		proven         bool
	}{
		{0, 1, true}, {0, 2, true}, {4, 3, true}, {4, 4, true}, {4, 5, true}, {4, 30, true}, {0, 1023, true}, {0, 1024, true}, {0, 1025, false},
	} {
		t.Run(fmt.Sprintf("%d heights, pages of %d", test.distance, test.page), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 4, lan)
				c.tune = func(_ int, config *replica.Config) {
					if test.page > 0 {
						config.SetPage(test.page)
					}
				}
				evidence := c.tells()
				lane := laneOf(c.ids[3], test.distance+2)
				other := branch(lane, 1, "another")
				r := c.start(0, newChain(c.ids[0], 0, 0))
				s := c.stranger(c.ids[3], serving(nil, lane, other))
				s.awaits(c.ids[0])
				upper := other[test.distance+1]
				encoded := c.forked(s, r, evidence, lane[1], upper)
				err := c.verified(encoded)
				switch a, _ := wire.DecodeActivity(encoded, wire.SameFormat(c.set.Scheme.Format())); a := a.(type) {
				case *wire.Fork:
					if a.Lower == nil || a.Lower.Chunk.Payload != lane[1].digest || a.Upper.Chunk.Payload != upper.digest {
						t.Errorf("reported as %+v", a)
					}
					if test.proven && (err != nil || len(a.Headers) != test.distance) || !test.proven && (!errors.Is(err, engine.ErrNotEvidence) || len(a.Headers) != 0) {
						t.Errorf("reported with %d headers, verified: %v", len(a.Headers), err)
					}
				default:
					t.Errorf("reported as %T", a)
				}
				for what, err := range map[string]error{"Wait": r.Wait(t.Context(), c.lockOf(upper)), "Get": getError(r, s.id, 2)} {
					if !errors.Is(err, replica.ErrFork) {
						t.Errorf("%s returns %v", what, err)
					}
				}
				if _, err := r.Get(t.Context(), s.id, 1); err != nil {
					t.Errorf("Get of what was handed over: %v", err)
				}
				window := 128 // of headers that are walked without a file: see leastWindow
				if test.page > 0 {
					window = test.page / 2
				}
				if far := test.distance > window; far != (c.piles(0) == 1) {
					t.Errorf("%d files of walks are left for the operator", c.piles(0))
				}
				s.stop()
				c.stopAll()
			})
		})
	}
}

func getError(r *process, id wire.PublicKey, height uint64) error {
	_, err := r.Get(context.Background(), id, height)
	return err
}

// After any change to evidence, it does not verify.
func TestEvidenceWithAnyBitChangedIsRefused(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			onePeer(t, nil, func(c *cluster, s *stranger, _ func(string, string) float64) {
				encoded := fault(c, s.id).AppendTo(nil)
				if err := c.verified(encoded); err != nil {
					t.Fatal(err)
				}
				for i := range encoded {
					changed := slices.Clone(encoded)
					changed[i] ^= 1 << (i % 8)
					if err := c.verified(changed); err == nil {
						t.Errorf("byte %d of %d is another one, and the evidence holds", i, len(encoded))
					}
					if err := c.verified(encoded[:i]); err == nil {
						t.Errorf("the first %d of %d bytes hold", i, len(encoded))
					}
				}
				if err := c.verified(append(encoded, 0)); err == nil {
					t.Error("evidence with one byte more holds")
				}
			})
		})
	}
}

// faults make evidence of each kind that a replica finds itself.
var faults = map[string]func(c *cluster, id wire.PublicKey) wire.Activity{
	"conflict of locks": func(c *cluster, id wire.PublicKey) wire.Activity {
		lane := laneOf(id, 3)
		return &wire.LockConflict{First: c.lockOf(lane[2]), Second: c.lockOf(branch(lane, 2, "another")[2])}
	},
	"fork": func(c *cluster, id wire.PublicKey) wire.Activity {
		lane := laneOf(id, 5)
		return fork(c, branch(lane, 1, "another")[2:5], lane[1])
	},
	"fork that ends elsewhere": func(c *cluster, id wire.PublicKey) wire.Activity {
		lane := laneOf(id, 3)
		stray := makeBody(id, 7, lane[0].digest, nil, nil)
		top := makeBody(id, 3, stray.digest, nil, nil)
		return fork(c, []*made{stray, top}, nil)
	},
}

// fork returns evidence with the headers of bodies that descend.
func fork(c *cluster, ascending []*made, lower *made) *wire.Fork {
	f := &wire.Fork{Upper: c.lockOf(ascending[len(ascending)-1])}
	if lower != nil {
		k := c.lockOf(lower)
		f.Lower = &k
	}
	for _, m := range slices.Backward(ascending) {
		f.Headers = append(f.Headers, m.header.AppendTo(nil))
	}
	return f
}

// A fork that proves nothing is refused, and the error says why.
func TestAForkHoldsOnlyIfItsHeadersLeadToAContradiction(t *testing.T) {
	onePeer(t, nil, func(c *cluster, s *stranger, _ func(string, string) float64) {
		known := lookup(schemes{c.set.Scheme}.forEpoch)
		lane := laneOf(s.id, 8)
		other := branch(lane, 3, "another")
		elsewhere := laneOf(c.ids[2], 8)
		good := func() *wire.Fork { return fork(c, other[4:7], lane[3]) }
		for _, test := range []struct {
			name   string
			change func(f *wire.Fork)
			want   error
		}{
			{"as it is", func(*wire.Fork) {}, nil},
			{"the lower lock is the one it stands on", func(f *wire.Fork) { *f.Lower = c.lockOf(other[3]) }, replica.ErrNoFork},
			{"the lower lock is of another height", func(f *wire.Fork) { *f.Lower = c.lockOf(lane[2]) }, replica.ErrNoFork},
			{"the lower lock is of another lane", func(f *wire.Fork) { *f.Lower = c.lockOf(elsewhere[3]) }, wire.ErrNoConflict},
			{"the lower lock is above", func(f *wire.Fork) { *f.Lower = c.lockOf(lane[7]) }, wire.ErrNoConflict},
			{"the locks are of one height", func(f *wire.Fork) { *f.Lower = c.lockOf(lane[6]) }, wire.ErrNoConflict},
			{"no lower lock", func(f *wire.Fork) { f.Lower = nil }, replica.ErrNoFork},
			{"no headers", func(f *wire.Fork) { f.Headers = nil }, engine.ErrNotEvidence},
			{"a header is missing", func(f *wire.Fork) { f.Headers = f.Headers[:2] }, replica.ErrNoFork},
			{"two headers change places", func(f *wire.Fork) { f.Headers[0], f.Headers[1] = f.Headers[1], f.Headers[0] }, replica.ErrNoFork},
			{"a header does not decode", func(f *wire.Fork) { f.Headers[1] = f.Headers[1][1:] }, replica.ErrNoFork},
			{"1,025 headers", func(f *wire.Fork) { f.Lower, f.Headers = nil, make([][]byte, 1025) }, replica.ErrNoFork},
			{"more headers than there are heights", func(f *wire.Fork) { f.Lower, f.Headers = nil, make([][]byte, 8) }, replica.ErrNoFork},
			{"the upper certificate is another's", func(f *wire.Fork) { f.Upper.Certificate = c.lockOf(lane[6]).Certificate }, verify.ErrCertificate},
			{"the lower certificate is another's", func(f *wire.Fork) { f.Lower.Certificate = c.lockOf(lane[2]).Certificate }, verify.ErrCertificate},
			{"the upper epoch is unknown", func(f *wire.Fork) { f.Upper.Epoch = 9 }, wire.ErrUnknownEpoch},
		} {
			f := good()
			test.change(f)
			if err := replica.VerifyEvidence(f, namespace, known); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
		}
		if err := replica.VerifyEvidence(good(), []byte("another network"), known); !errors.Is(err, replica.ErrNoFork) {
			t.Errorf("in another network: %v", err)
		}
		if err := replica.VerifyEvidence(&wire.InvalidNode{}, namespace, known); !errors.Is(err, engine.ErrNotEvidence) {
			t.Errorf("an invalid node: %v", err)
		}
	})
}

// A quorum certified a chunk, and its header or one below it is of another place.
func TestAHeaderOfAnotherPlaceUnderALockStopsTheLaneAndIsReported(t *testing.T) {
	for _, above := range []int{0, 1, 3} {
		reportingPeer(t, func(c *cluster, r *process, s *stranger, evidence *told) {
			bodies := []*made{makeBody(s.id, 70, wire.Digest{1}, []byte("stray"), nil)}
			for i := range above {
				bodies = append(bodies, makeBody(s.id, uint64(6+i), bodies[i].digest, nil, nil))
			}
			s.serves(serving(nil, bodies))
			top := bodies[above]
			k := c.lock(wire.Chunk{Sequencer: s.id, Height: uint64(5 + above), Payload: top.digest})
			if err := r.Offer(c.t.Context(), k); err != nil {
				c.t.Fatal(err)
			}
			encoded := c.reported(evidence)
			if err := c.verified(encoded); err != nil {
				c.t.Errorf("with %d headers above: %v", above, err)
			}
			if err := r.Wait(c.t.Context(), k); !errors.Is(err, replica.ErrFork) {
				c.t.Errorf("Wait returns %v", err)
			}
		})
	}
}

// reportingPeer runs replica 0 and a process without a replica, and keeps the evidence that the
// replica reports.
func reportingPeer(t *testing.T, f func(c *cluster, r *process, s *stranger, evidence *told)) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		evidence := c.tells()
		r := c.start(0, newChain(c.ids[0], 0, 0))
		s := c.stranger(c.ids[3], nil)
		s.awaits(c.ids[0])
		f(c, r, s, evidence)
		s.stop()
		c.stopAll()
	})
}

// docs/protocol.md 7.4: «If two locks that count contradict each other, …, the lane stops and
// LockConflict or Fork (4.6) is reported». One of them may be a lock below the highest that a
// peer's tips show.
func TestRule7_4_ALockInAPeersTipsThatContradictsTheLaneIsReported(t *testing.T) {
	for name, test := range map[string]struct {
		handed, height int
		tag            wire.Tag
	}{
		"at the top":                       {6, 5, wire.TagLockConflict},
		"at the height handed over before": {6, 4, wire.TagFork},
		"further below":                    {6, 1, wire.TagFork},
	} {
		t.Run(name, func(t *testing.T) {
			reportingPeer(t, func(c *cluster, r *process, s *stranger, evidence *told) {
				lane := laneOf(s.id, test.handed)
				other := branch(lane, test.height, "another")
				s.serves(serving(nil, lane, other))
				if err := r.Offer(c.t.Context(), c.lockOf(lane[test.handed-1])); err != nil {
					c.t.Fatal(err)
				}
				c.eventually(time.Minute, "the lane is handed over", func() bool { return r.chain.next(s.id) == uint64(test.handed) })
				s.serves(serving([]wire.Lock{c.lockOf(other[test.height])}, lane, other))
				encoded := c.reported(evidence)
				if err := c.verified(encoded); err != nil || wire.Tag(encoded[0]) != test.tag {
					c.t.Errorf("reported as %v, verified: %v", wire.Tag(encoded[0]), err)
				}
			})
		})
	}
}

// Older locks of a peer stop no lane.
func TestALaggingPeersTipsStopNoLane(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		evidence := c.tells()
		read := c.count()
		r := c.start(0, newChain(c.ids[0], 0, 0))
		lane := laneOf(c.ids[3], 6)
		s := c.stranger(c.ids[3], serving(nil, lane))
		s.awaits(c.ids[0])
		if err := r.Offer(t.Context(), c.lockOf(lane[5])); err != nil {
			t.Fatal(err)
		}
		c.eventually(time.Minute, "the lane is handed over", func() bool { return r.chain.next(s.id) == 6 })
		for _, m := range lane {
			s.serves(serving([]wire.Lock{c.lockOf(m)}, lane))
			time.Sleep(5 * time.Second)
		}
		if n := read(0, "stopped_lanes_total", ""); n != 0 || len(evidence.take()) != 0 {
			t.Error("the lane has stopped")
		}
		s.stop()
		c.stopAll()
	})
}

// A lane that has stopped stays stopped in later runs, which report the evidence again; the others
// go on.
func TestALaneThatHasStoppedStaysStoppedAndItsEvidenceIsToldAgain(t *testing.T) {
	for name, distance := range map[string]int{"conflict of locks": 0, "fork": 2, "fork too far apart to be proven": 1025} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				// Threshold certificates name no signer: no replica takes one for a proof that its
				// journal is old.
				c := newClusterOf(t, testkit.Threshold, 4, lan)
				evidence := c.tells()
				read := c.count()
				apps := make([]*chain, 3)
				for i := range apps {
					apps[i] = newChain(c.ids[i], 1000, 5)
					c.start(i, apps[i])
				}
				lane := laneOf(c.ids[3], distance+2)
				from := 2
				if distance == 0 {
					from = 1
				}
				other := branch(lane, min(from, len(lane)-1), "another")
				if distance > 0 {
					other = branch(lane, 1, "another")
				}
				s := c.stranger(c.ids[3], serving(nil, lane, other))
				s.awaits(c.ids[:3]...)
				first := c.forked(s, c.all[0], evidence, lane[1], other[distance+1])
				for range 2 {
					c.stop(0)
					r := c.start(0, apps[0])
					if again := c.reported(evidence); !bytes.Equal(again, first) {
						t.Errorf("%x was reported, and %x in the next run", first, again)
					}
					if n := read(0, "stopped_lanes_total", ""); n != 1 {
						t.Errorf("%v lanes have stopped", n)
					}
					if err := r.Wait(t.Context(), c.lockOf(other[distance+1])); !errors.Is(err, replica.ErrFork) {
						t.Errorf("Wait returns %v", err)
					}
					if err := getError(r, s.id, 2); !errors.Is(err, replica.ErrFork) {
						t.Errorf("Get returns %v", err)
					}
					if err := r.Restore(t.Context(), c.lockOf(lane[1])); !errors.Is(err, replica.ErrFork) {
						t.Errorf("Restore returns %v", err)
					}
				}
				for i := range apps {
					apps[i].grow(10, 1000)
				}
				c.eventually(time.Minute, "the other lanes go on", func() bool {
					return apps[0].next(c.ids[0]) == 10 && apps[0].next(c.ids[1]) == 10 && apps[0].next(c.ids[2]) == 10
				})
				if n := apps[0].next(s.id); n != 2 {
					t.Errorf("height %d of the lane was handed over after it had stopped", n-1)
				}
				s.stop()
				c.stopAll()
			})
		})
	}
}

// Chunks that were handed over before a restart are compared with those that are certified after
// it, also when the lock of the other branch was learned before, and could not be walked down then.
func TestAForkIsFoundAfterARestart(t *testing.T) {
	for name, test := range map[string]struct {
		before, prune, crash bool
	}{
		"learned after it":             {},
		"learned before it":            {before: true},
		"learned before it, pruned":    {before: true, prune: true},
		"learned before a power loss":  {before: true, crash: true},
		"learned after it, and pruned": {prune: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 4, lan)
				evidence := c.tells()
				app := newChain(c.ids[0], 0, 0)
				r := c.start(0, app)
				lane := laneOf(c.ids[3], 8)
				other := branch(lane, 2, "another")
				s := c.stranger(c.ids[3], serving(nil, lane))
				s.awaits(c.ids[0])
				if err := r.Offer(t.Context(), c.lockOf(lane[4])); err != nil {
					t.Fatal(err)
				}
				c.eventually(time.Minute, "the lane is handed over", func() bool { return app.next(s.id) == 5 })
				if test.prune {
					if err := r.Prune(t.Context(), s.id, 5); err != nil {
						t.Fatal(err)
					}
				}
				if test.before {
					// The journal of replica 0 may lack it.
					k := c.lockBy(1, c.lockOf(other[7]).Chunk)
					if err := r.Offer(t.Context(), k); err != nil {
						t.Fatal(err)
					}
					// The engine tells it again.
					s.Send(c.ids[:1], bridge.Certificate, k.AppendTo(nil))
				}
				time.Sleep(10 * time.Second)
				if test.crash {
					c.crash(0, nil, 0)
				} else {
					c.stop(0)
				}
				if faults := evidence.take(); len(faults) != 0 {
					t.Fatalf("a fault is reported before anybody could find it: %T", faults[0])
				}
				s.serves(serving([]wire.Lock{c.lockOf(other[7])}, lane, other))
				c.start(0, app)
				encoded := c.reported(evidence)
				if err := c.verified(encoded); err != nil {
					t.Error(err)
				}
				if n := app.next(s.id); n != 5 {
					t.Errorf("height %d was handed over", n-1)
				}
				s.stop()
				c.stopAll()
			})
		})
	}
}

// A lane is walked down to the lowest lock first: no chunk that contradicts a known lock is handed
// over.
func TestNothingIsHandedOverBesideALockThatIsKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		// Proven chunks are handed over by pages.
		c.tune = func(_ int, config *replica.Config) { config.SetPage(2) }
		evidence := c.tells()
		r := c.start(0, newChain(c.ids[0], 0, 0))
		lane := laneOf(c.ids[3], 13)
		other := branch(lane, 1, "another")
		s := c.stranger(c.ids[3], serving(nil)) // no peer has a chunk yet
		s.awaits(c.ids[0])
		for _, k := range []wire.Lock{c.lockOf(lane[6]), c.lockOf(other[12])} {
			if err := r.Offer(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		s.serves(serving(nil, lane, other))
		// Delivery of the other branch would have ended the replica.
		if err := c.verified(c.reported(evidence)); err != nil {
			t.Error(err)
		}
		s.stop()
		c.stopAll()
	})
}

// A crash while the file of a lane is written leaves no file, or a whole one. A damaged file stops
// its lane too.
func TestALaneWhoseFileIsDamagedStaysStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		evidence := c.tells()
		app := newChain(c.ids[0], 0, 0)
		r := c.start(0, app)
		lane := laneOf(c.ids[3], 4)
		s := c.stranger(c.ids[3], serving(nil, lane, branch(lane, 1, "another")))
		s.awaits(c.ids[0])
		c.forked(s, r, evidence, lane[1], branch(lane, 1, "another")[3])
		c.stop(0)
		name := filepath.Join("disk", "forks", s.id.String())
		file, err := c.disk[0].Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{0xff}, 20); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		r = c.start(0, app)
		if err := r.Wait(t.Context(), c.lockOf(lane[3])); !errors.Is(err, replica.ErrFork) {
			t.Errorf("Wait returns %v", err)
		}
		time.Sleep(time.Minute)
		if told := evidence.take(); len(told) != 0 {
			t.Errorf("%T was read from a damaged file", told[0])
		}
		s.stop()
		c.stopAll()
	})
}

// A lane that has stopped gets no ack: undelivered bodies would fill the archive of all lanes.
func TestALaneThatHasStoppedGetsNoAck(t *testing.T) {
	reportingPeer(t, func(c *cluster, r *process, s *stranger, evidence *told) {
		lane := laneOf(s.id, 5)
		other := branch(lane, 1, "another")
		s.serves(serving(nil, lane, other))
		c.forked(s, r, evidence, lane[1], other[2])
		good, err := r.VerifyChunk(c.t.Context(), engine.Place{Sequencer: s.id, Height: 3, Parent: lane[2].digest}, lane[3].digest)
		if good || err != nil {
			c.t.Errorf("a chunk above is approved of: %v, %v", good, err)
		}
	})
}

// A reporter that fails ends the replica, as an engine's reporter does.
func TestAReportOfAForkThatFailsEndsTheReplica(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 4, lan)
		failed := errors.New("failed")
		c.tune = func(_ int, config *replica.Config) {
			config.Report = func(_ context.Context, a wire.Activity) error {
				if a.Tag() == wire.TagFork {
					return failed
				}
				return nil
			}
		}
		r := c.start(0, newChain(c.ids[0], 0, 0))
		lane := laneOf(c.ids[3], 5)
		s := c.stranger(c.ids[3], serving(nil, lane, branch(lane, 1, "another")))
		s.awaits(c.ids[0])
		for _, m := range []*made{lane[1], branch(lane, 1, "another")[4]} {
			if err := r.Offer(t.Context(), c.lockOf(m)); err != nil {
				t.Fatal(err)
			}
		}
		<-r.done
		if !errors.Is(r.err, engine.ErrReporter) || !errors.Is(r.err, failed) {
			t.Errorf("Run returned %v", r.err)
		}
		s.stop()
		c.net.Close()
	})
}

// A lock that is learned while a higher one is walked down is compared once that walk has passed
// it.
func TestALockThatAWalkPassesBesideIsReported(t *testing.T) {
	reportingPeer(t, func(c *cluster, r *process, s *stranger, evidence *told) {
		lane := laneOf(s.id, 9)
		other := branch(lane, 1, "another")
		walked := make(chan struct{})
		answer := serving(nil, lane, other)
		s.serves(func(ctx context.Context, from wire.PublicKey, t network.Type, request []byte, reply reply) {
			<-walked
			answer(ctx, from, t, request, reply)
		})
		if err := r.Offer(c.t.Context(), c.lockOf(lane[8])); err != nil {
			c.t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		if err := r.Offer(c.t.Context(), c.lockOf(other[4])); err != nil {
			c.t.Fatal(err)
		}
		close(walked)
		encoded := c.reported(evidence)
		if err := c.verified(encoded); err != nil || wire.Tag(encoded[0]) != wire.TagFork {
			c.t.Errorf("reported as %v, verified: %v", wire.Tag(encoded[0]), err)
		}
	})
}

// docs/protocol.md 7.4: tips are «per lane the highest lock»; 5.10 relies on it. That includes a
// lock that was not walked down yet.
func TestTipsHaveTheHighestLockThoughItWasNotWalkedDownYet(t *testing.T) {
	reportingPeer(t, func(c *cluster, r *process, s *stranger, _ *told) {
		lane := laneOf(s.id, 9)
		s.serves(serving(nil, lane[:3]))
		for _, m := range []*made{lane[2], lane[8]} {
			if err := r.Offer(c.t.Context(), c.lockOf(m)); err != nil {
				c.t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		answer, err := s.Request(c.t.Context(), c.ids[0], message.TipsRequestType, (&message.TipsRequest{Epochs: []uint64{0}}).AppendTo(nil))
		if err != nil {
			c.t.Fatal(err)
		}
		var page message.Tips
		if err := page.Decode(answer.Buffer.Bytes(), wire.SameFormat(c.set.Scheme.Format())); err != nil {
			c.t.Fatal(err)
		}
		if len(page.Locks) != 1 || page.Locks[0].Chunk.Height != 8 {
			c.t.Errorf("told are %d locks: %+v", len(page.Locks), page.Locks)
		}
		answer.Buffer.Release()
	})
}
