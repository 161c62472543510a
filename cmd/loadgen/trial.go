package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// presignedAtMost bounds the memory of what is signed beforehand.
const presignedAtMost = 3 << 30

// bench is what trials of one population share: keys, the calibration, and where their output goes.
type bench struct {
	settings    *nodeSettings
	set         *presign.Set
	population  *population
	calibration *calibration
	*desk
}

// newBench makes keys and calibrates.
func newBench(ctx context.Context, s *nodeSettings, d *desk) (*bench, error) {
	d.screen.note("making keys of %d validators and calibrating", s.validators)
	p, err := newPopulation(s)
	if err != nil {
		return nil, err
	}
	set, err := presign.New(presign.Options{
		Kind: s.kind(), Variant: s.blsVariant(), Acks: s.ackEncoding(), Validators: s.validators, Namespace: []byte(namespace), Seed: s.seed,
	})
	if err != nil {
		return nil, err
	}
	c, err := newCalibration(ctx, s, set)
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, set: set, population: p, calibration: c, desk: d}
	return b, c.measure(ctx, s.calibrationTime())
}

// calibrationTime is how long calibration takes before and again after a run, at least.
func (s *nodeSettings) calibrationTime() time.Duration {
	return min(500*time.Millisecond, s.duration/10)
}

// trial is one engine under one load.
type trial struct {
	*bench
	duration time.Duration
	warmup   time.Duration
	schedule *schedule // nil: closed
	troubles troubles
	subject  *subject
	gen      *generator
	registry *registry

	mu        sync.Mutex
	whole     *latencies
	phases    []*latencies
	finished  []uint64
	measuring bool
	from      time.Duration // when it began, since gen.began
}

// run measures with a rate, or closed with rate 0, for a duration. An error says that there is no result.
func (b *bench) run(ctx context.Context, stage string, rate float64, duration time.Duration) (*nodeResult, error) {
	s := b.settings
	t := &trial{bench: b, duration: duration, warmup: s.warmup, registry: newRegistry(), whole: newLatencies()}
	phases := 1
	if rate > 0 {
		round := time.Duration(float64(len(b.lanesPlan())*b.population.acksPerRound()) / rate * float64(time.Second))
		if t.warmup > 0 && round > t.warmup { // lanes begin one after another, within a round
			t.warmup = min(round, time.Minute)
		}
		t.schedule = newSchedule(s.schedule, rate, s.rateTo, s.steps, t.warmup, duration)
		phases = len(t.schedule.legs) - 1
	}
	for range phases {
		t.phases = append(t.phases, newLatencies())
	}
	t.finished = make([]uint64, phases)
	lanes, err := t.sign(ctx)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if t.subject, err = newSubject(s, b.set, lanes, b.population, &t.troubles, t.registry, b.log); err != nil {
		return nil, err
	}
	b.serving.show(t.registry)
	t.gen = newGenerator(s, b.set, t.subject, b.population, t.schedule)
	t.gen.certified = t.certified
	runtime.GC() // the signing's garbage is not the engine's
	r, err := t.drive(ctx)
	if stopping := t.subject.stop(); stopping != nil && err == nil {
		t.troubles.fault("the engine failed: %v", stopping)
	}
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	b.screen.note("verifying a sample of the certificates, and calibrating again")
	t.subject.audit.finish()
	if err := b.calibration.measure(context.WithoutCancel(ctx), b.settings.calibrationTime()); err != nil {
		return nil, err
	}
	r.Stage = stage
	t.conclude(r)
	return r, nil
}

// lanesPlan returns the sequencers' keys, by lane.
func (b *bench) lanesPlan() []ed25519.PrivateKey {
	var keys []ed25519.PrivateKey
	for i := range min(b.settings.sequencers, b.settings.validators) {
		keys = append(keys, b.set.Identity(wire.Participant(i)))
	}
	return append(keys, testkit.Identities(max(0, b.settings.sequencers-b.settings.validators), ^b.settings.seed)...)
}

// heights is how many chunks of each lane to sign: what the schedule sends, or what the engine can take at most.
func (t *trial) heights(lanes int) int {
	perLane := float64(t.population.acksPerRound() * lanes)
	if t.schedule != nil {
		return int(t.schedule.total()/perLane) + 2
	}
	cores := float64(min(t.settings.workers, runtime.GOMAXPROCS(0)))
	// The crypto of chunks that batches make cheaper than the calibration's, and all that is sent before the first
	// verdict.
	chunks := 1.3 * cores * (t.warmup + t.duration).Seconds() / (t.calibration.perChunk() / 1e9)
	return int(chunks/float64(lanes)) + 3
}

// sign makes what will be said, on all processors.
func (t *trial) sign(ctx context.Context) ([]*presign.Lane, error) {
	keys := t.lanesPlan()
	heights := t.heights(len(keys))
	f := t.set.Format()
	if size := heights * len(keys) * (f.Participants + 1) * f.AckSignature; size > presignedAtMost {
		return nil, usagef("signing beforehand would take %.1f GiB, and %d GiB is the limit; choose a lower --duration, --rate, --validators or --sequencers",
			float64(size)/(1<<30), presignedAtMost>>30)
	}
	t.screen.note("signing %d chunks with %d acks each", heights*len(keys), t.population.acksPerRound())
	p := payloads{seed: t.settings.seed, run: uint64(time.Now().UnixNano())}
	lanes := make([]*presign.Lane, len(keys))
	errs := make([]error, len(keys))
	var next sync.Mutex
	at := 0
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= len(keys) {
					return
				}
				lanes[i], errs[i] = t.set.Sign(ctx, presign.Plan{
					Key: keys[i], Heights: heights, Epoch: theEpoch, Nodeless: i == 0, Seed: t.settings.seed + uint64(i), Absent: self,
					Payload: func(h uint64) wire.Digest { return p.digest(chunkPlace(testkit.Identity(keys[i]), h)) },
				})
			}
		})
	}
	group.Wait()
	return lanes, errors.Join(errs...)
}

// certified takes a chunk's latency; see generator. Called by the engine's reporter.
func (t *trial) certified(_ int, _ uint64, due, now time.Duration) {
	if due == 0 {
		return // certified by a parent certificate, before its acks were due
	}
	phase, ok := 0, false
	if t.schedule != nil {
		phase, ok = t.schedule.phaseOf(due)
	} else {
		t.mu.Lock()
		ok = t.measuring && due >= t.from
		t.mu.Unlock()
	}
	if !ok {
		return
	}
	t.whole.record(now - due)
	t.phases[phase].record(now - due)
	t.mu.Lock()
	t.finished[phase]++
	t.mu.Unlock()
}

func (t *trial) moment(withMetrics bool) (moment, error) {
	status, err := t.subject.status()
	generator := t.gen.cpu()
	m := moment{
		at: time.Now(), cpu: processCPU() - generator, generator: generator, certificates: status.Counters.Certificates,
		dropped: t.gen.dropped.Load(), engine: status,
	}
	if withMetrics && err == nil {
		m.metrics, err = t.registry.read()
	}
	return m, err
}

// drive runs the engine under the load and returns the result so far.
func (t *trial) drive(ctx context.Context) (*nodeResult, error) {
	t.subject.start()
	if err := t.subject.waitOpen(ctx); err != nil {
		return nil, err
	}
	t.gen.start()
	defer t.gen.stop()
	if !t.wait(ctx, t.warmup) {
		return nil, errors.Join(ctx.Err(), t.broken())
	}
	profile := t.serving.startProfile()
	t.mu.Lock()
	t.measuring, t.from = true, time.Since(t.gen.began)
	t.mu.Unlock()
	before, err := t.moment(true)
	if err != nil {
		return nil, err
	}
	series, dry := t.watch(ctx, before)
	after, err := t.moment(true)
	t.mu.Lock()
	t.measuring = false
	t.mu.Unlock()
	parts, profileErr := profile.stop()
	if err != nil {
		return nil, errors.Join(err, t.broken())
	}
	if profileErr != nil {
		return nil, profileErr
	}
	t.gen.stop()
	r := t.result(before, after)
	r.Series, r.Parts, r.RanDry, r.Interrupted = series, parts, dry, ctx.Err() != nil
	return r, nil
}

// wait returns after a time, false if the run is over before.
func (t *trial) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d - time.Since(t.gen.began)):
		return true
	case <-ctx.Done():
	case err := <-t.subject.stopped:
		t.subject.stopped <- err
	}
	return false
}

// broken returns why the engine stopped by itself, if it did.
func (t *trial) broken() error {
	select {
	case err := <-t.subject.stopped:
		t.subject.stopped <- err
		return fmt.Errorf("the engine stopped by itself: %w", err)
	default:
		return nil
	}
}

// watch shows how the run goes until it is over. dry reports that it was over early for want of anything to send.
func (t *trial) watch(ctx context.Context, before moment) (series []point, dry bool) {
	const interval = 250 * time.Millisecond
	p := newProgress(before, interval, t.whole)
	dry, err := watch(ctx, interval, t.duration, t.gen.dry, t.subject.stopped, func() {
		now, err := t.moment(false)
		if err != nil {
			return
		}
		f := newFrame(p.add(now), t.duration, now)
		f.batch = t.registry.meanBatch
		f.conflicts, f.errors = t.troubles.counts()
		f.node = &nodeFrame{own: uint64(max(0, t.subject.certified[0].Load())), dropped: now.dropped}
		t.screen.update(f)
	})
	if err != nil {
		t.subject.stopped <- err
		t.troubles.fault("the engine stopped by itself: %v", err)
	}
	return p.series, dry && time.Since(before.at) < t.duration*95/100
}

// chunkPlace names a chunk's.
func chunkPlace(sequencer wire.PublicKey, height uint64) engine.Place {
	return engine.Place{Sequencer: sequencer, Height: height}
}
