package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/fixture"
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
	screen      screen
	log         io.Writer
	serving     *serving // metrics and profiles; nil fields serve nothing
}

// newBench makes keys and calibrates.
func newBench(ctx context.Context, s *nodeSettings, sc screen, log io.Writer, serving *serving) (*bench, error) {
	sc.note("making keys of %d validators and calibrating", s.validators)
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
	b := &bench{settings: s, set: set, population: p, calibration: c, screen: sc, log: log, serving: serving}
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
func (b *bench) run(ctx context.Context, rate, rateTo float64, duration time.Duration) (*nodeResult, error) {
	s := b.settings
	t := &trial{bench: b, duration: duration, warmup: s.warmup, registry: newRegistry(), whole: newLatencies()}
	phases := 1
	if rate > 0 {
		round := time.Duration(float64(len(b.lanesPlan())*b.population.acksPerRound()) / rate * float64(time.Second))
		if t.warmup > 0 && round > t.warmup { // lanes begin one after another, within a round
			t.warmup = min(round, time.Minute)
		}
		t.schedule = newSchedule(s.schedule, rate, rateTo, s.steps, t.warmup, duration)
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
	t.conclude(r)
	return r, nil
}

// lanesPlan returns the sequencers' keys, by lane.
func (b *bench) lanesPlan() []ed25519.PrivateKey {
	var keys []ed25519.PrivateKey
	for i := range min(b.settings.sequencers, b.settings.validators) {
		keys = append(keys, b.set.Identity(wire.Participant(i)))
	}
	return append(keys, fixture.Identities(max(0, b.settings.sequencers-b.settings.validators), ^b.settings.seed)...)
}

// heights is how many chunks of each lane to sign: what the schedule sends, or what the engine can take at most.
func (t *trial) heights(lanes int) int {
	perLane := float64(t.population.acksPerRound() * lanes)
	if t.schedule != nil {
		return int(t.schedule.total()/perLane) + 2
	}
	cores := float64(min(t.settings.workers, runtime.GOMAXPROCS(0)))
	// The crypto of chunks that batches make cheaper than the calibration's, and all that is sent before the first verdict.
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
					Key: keys[i], Heights: heights, Epoch: theEpoch, Nodeless: i == 0, Seed: t.settings.seed + uint64(i),
					Payload: func(h uint64) wire.Digest { return p.digest(chunkPlace(fixture.Identity(keys[i]), h)) },
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

// moment is where all counters stood at one time.
type moment struct {
	at            time.Time
	process, gen  time.Duration
	sent, dropped uint64
	engine        engine.Status
	metrics       *engineMetrics
}

func (t *trial) moment(withMetrics bool) (moment, error) {
	status, err := t.subject.status()
	m := moment{at: time.Now(), process: processCPU(), gen: t.gen.cpu(), sent: t.gen.sent.Load(), dropped: t.gen.dropped.Load(), engine: status}
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
	parts := profile.stop()
	if err != nil {
		return nil, errors.Join(err, t.broken())
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

// watch samples until the run is over. dry reports that it was over early for want of anything to send.
func (t *trial) watch(ctx context.Context, before moment) (series []point, dry bool) {
	interval := max(250*time.Millisecond, t.duration/240)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	end := time.NewTimer(t.duration)
	defer end.Stop()
	last := before
	for {
		select {
		case <-ticker.C:
			now, err := t.moment(false)
			if err != nil {
				continue
			}
			p := t.point(before, last, now)
			series = append(series, p)
			t.screen.update(t.frame(p, now))
			last = now
		case <-end.C:
			return series, false
		case <-t.gen.dry:
			return series, time.Since(before.at) < t.duration*95/100
		case <-ctx.Done():
			return series, false
		case err := <-t.subject.stopped:
			t.subject.stopped <- err
			t.troubles.fault("the engine stopped by itself: %v", err)
			return series, false
		}
	}
}

func (t *trial) point(before, last, now moment) point {
	seconds := now.at.Sub(last.at).Seconds()
	q := t.whole.turn()
	gen := (now.gen - last.gen).Seconds()
	a, b := &now.engine.Counters, &last.engine.Counters
	return point{
		T: now.at.Sub(before.at).Seconds(), Acks: float64(a.AcksReceived-b.AcksReceived) / seconds,
		Certificates: float64(a.Certificates-b.Certificates) / seconds, Inbox: now.engine.Inbox, Statements: now.engine.Statements,
		P50: q.P50, P99: q.P99, GeneratorCPU: gen / seconds, EngineCPU: max(0, (now.process-last.process).Seconds()-gen) / seconds,
		Dropped: now.dropped - last.dropped,
	}
}

// chunkPlace names a chunk's.
func chunkPlace(sequencer wire.PublicKey, height uint64) engine.Context {
	return engine.Context{Sequencer: sequencer, Height: height}
}
