package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// patience bounds the wait for an engine's certificates.
const patience = time.Minute

// warmUp is the number of chunks that an engine certifies before the clock starts, of the six times
// DefaultChunks in a slice.
const warmUp = 2 * DefaultChunks

// MeasureEngine measures the same acks with the same quorums through the verifier alone and through
// a whole engine, interleaved: from encoded acks passed to DeliverAck to locks at the reporter,
// with decoding, rules, votes, journal and reports. Both have one worker and batches of
// DefaultChunks. The results have the names of the ways, the engine's with the prefix "engine-".
//
// It measures throughput, in wall-clock time and with GOMAXPROCS unchanged: the engine's loop and
// the goroutine that delivers to it use another core than the worker if there is one. The machine
// should be idle otherwise.
func MeasureEngine(c Case, atLeast int) ([]Result, error) {
	c.Chunks = 6 * DefaultChunks
	if err := c.check(); err != nil {
		return nil, err
	}
	w, err := newWorkload(c)
	if err != nil {
		return nil, fmt.Errorf("bench: preparing %v with %d validators: %w", c.Variant, c.Validators, err)
	}
	v, err := newVerifier(DefaultChunks)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	ways := ours(w, v)
	for _, acks := range encodings {
		for _, sets := range quorumsOf {
			ways = append(ways, throughEngine("engine-"+acks.String()+sets.suffix, w, acks, sets.equal))
		}
	}
	began := time.Now()
	return interleave(ways, atLeast, func() time.Duration { return time.Since(began) })
}

// throughEngine returns the way through an engine. Each slice uses a new engine, which certifies
// warmUp chunks before the measurement.
func throughEngine(name string, w *workload, acks verify.AckEncoding, equal bool) way {
	var e *running
	return way{
		name: name,
		prepare: func(r *rand.Rand) (run func() error, measured int, err error) {
			if e, err = startEngine(w, acks); err != nil {
				return nil, 0, err
			}
			deliveries := w.deliveries(r, acks, w.quorums(r, equal))
			warm := warmUp * w.quorum
			if err := e.certify(deliveries[:warm], warmUp); err != nil {
				return nil, 0, errors.Join(err, e.stop())
			}
			return func() error { return e.certify(deliveries[warm:], w.chunks-warmUp) }, len(deliveries) - warm, nil
		},
		finish: func() error { return e.stop() },
	}
}

// delivery is one encoded ack and its sender.
type delivery struct {
	from int
	ack  []byte
}

// deliveries returns the acks of all quorums in a possible order of arrival: the acks of every
// DefaultChunks chunks are shuffled.
func (w *workload) deliveries(r *rand.Rand, acks verify.AckEncoding, quorums [][]int) []delivery {
	slabs, size := w.compressed, w.size
	if acks == verify.Uncompressed {
		slabs, size = w.uncompressed, 2*w.size
	}
	var out []delivery
	begin := 0
	for k, who := range quorums {
		for _, i := range who {
			a := wire.Ack{Chunk: w.subjects[k].Chunk, Epoch: w.subjects[k].Epoch, Participant: wire.Participant(i), Signature: slabs[k][i*size : (i+1)*size]}
			out = append(out, delivery{i, a.AppendTo(nil)})
		}
		if (k+1)%DefaultChunks == 0 || k == len(quorums)-1 {
			group := out[begin:]
			r.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
			begin = len(out)
		}
	}
	return out
}

// follower is the application and the reporter of an engine that only takes acks.
type follower struct{ locks chan *wire.Certified }

// Propose implements engine.Automaton.
func (*follower) Propose(context.Context, engine.Place) (wire.Digest, error) {
	return wire.Digest{}, engine.ErrDeclined
}

// Verify implements engine.Automaton.
func (*follower) Verify(context.Context, engine.Place, wire.Digest) (bool, error) { return true, nil }

// Report implements engine.Reporter.
func (f *follower) Report(_ context.Context, a wire.Activity) error {
	lock, ok := a.(*wire.Certified)
	if !ok {
		return fmt.Errorf("an activity that is no lock: %T", a)
	}
	f.locks <- lock // there is room for all
	return nil
}

// running is an engine that is running, with a handle for each validator.
type running struct {
	follower *follower
	engine   *engine.Engine
	peers    []*engine.Peer
	dir      string
	cancel   context.CancelFunc
	done     chan error
}

func startEngine(w *workload, acks verify.AckEncoding) (r *running, err error) {
	scheme, err := w.scheme(acks)
	if err != nil {
		return nil, err
	}
	var sequencers []wire.PublicKey
	for _, s := range w.subjects {
		sequencers = append(sequencers, s.Chunk.Sequencer)
	}
	sets := engine.NewEpochs(w.subjects[0].Epoch)
	if err := sets.Add(w.subjects[0].Epoch, scheme, nil, sequencers); err != nil {
		return nil, err
	}
	f := &follower{locks: make(chan *wire.Certified, w.chunks)}
	dir, err := os.MkdirTemp("", "lanecast-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	e, err := engine.New(engine.Config{
		Namespace: namespace, Schemes: sets, Sequencers: sets, Monitor: sets, Automaton: f, Reporter: f, Sender: testkit.Discard{},
		Journal: engine.JournalConfig{Dir: dir, Create: true}, HeightBound: maxHeight, Workers: 1, BatchSize: DefaultChunks,
		PeerQuota: w.chunks, MaxPeers: w.n,
	})
	if err != nil {
		return nil, err
	}
	r = &running{follower: f, engine: e, dir: dir, done: make(chan error, 1)}
	for i := range w.validators {
		p, err := e.Peer(w.validators[i].Identity)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		r.peers = append(r.peers, p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.done <- e.Run(ctx) }()
	if _, err := e.Status(ctx); err != nil { // it runs, and the loop is idle
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

// certify delivers acks and waits for locks.
func (r *running) certify(deliveries []delivery, locks int) error {
	for _, d := range deliveries {
		if err := r.peers[d.from].DeliverAck(wire.CopyBuffer(d.ack)); err != nil {
			return err
		}
	}
	timeout := time.After(patience)
	for range locks {
		select {
		case <-r.follower.locks:
		case <-timeout:
			return errors.New("not every chunk was certified")
		}
	}
	return nil
}

func (r *running) stop() error {
	r.cancel()
	return errors.Join(<-r.done, os.RemoveAll(r.dir))
}
