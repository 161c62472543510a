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

// presignedAtMost bounds the memory for presigned messages, in bytes.
const presignedAtMost = 3 << 30

// harness holds what the measurements of one population share: keys, the calibration and the
// output.
type harness struct {
	config      *nodeConfig
	set         *presign.Set
	population  *population
	calibration *calibration
	*output
}

// newHarness makes the keys and calibrates.
func newHarness(ctx context.Context, cfg *nodeConfig, out *output) (*harness, error) {
	out.screen.note("making keys of %d validators and calibrating", cfg.validators)
	p, err := newPopulation(cfg)
	if err != nil {
		return nil, err
	}
	set, err := presign.New(presign.Config{
		Kind: cfg.kind(), Variant: cfg.blsVariant(), Acks: cfg.ackEncoding(), Validators: cfg.validators, Weights: cfg.voting, Namespace: []byte(namespace), Seed: cfg.seed,
	})
	if err != nil {
		return nil, err
	}
	c, err := newCalibration(ctx, cfg, set)
	if err != nil {
		return nil, err
	}
	h := &harness{config: cfg, set: set, population: p, calibration: c, output: out}
	return h, c.measure(ctx, cfg.calibrationTime())
}

// calibrationTime returns the least time for calibration before and again after a run.
func (cfg *nodeConfig) calibrationTime() time.Duration {
	return min(500*time.Millisecond, cfg.duration/10)
}

// measurement is one engine under one load.
type measurement struct {
	*harness
	duration time.Duration
	warmup   time.Duration
	schedule *schedule // nil: closed
	problems problems
	node     *nodeUnderTest
	gen      *generator
	registry *registry

	mu        sync.Mutex
	whole     *latencies
	phases    []*latencies
	finished  []uint64
	measuring bool
	from      time.Duration // start of the measured time, since gen.began
}

// run measures with a rate, or closed with rate 0, for a duration. An error means that there is no
// result.
func (h *harness) run(ctx context.Context, stage string, rate float64, duration time.Duration) (*nodeResult, error) {
	s := h.config
	m := &measurement{harness: h, duration: duration, warmup: s.warmup, registry: newRegistry(), whole: newLatencies()}
	phases := 1
	if rate > 0 {
		round := time.Duration(float64(len(h.lanesPlan())*h.population.acksPerRound()) / rate * float64(time.Second))
		if m.warmup > 0 && round > m.warmup { // lanes begin one after another, within a round
			m.warmup = min(round, time.Minute)
		}
		m.schedule = newSchedule(s.schedule, rate, s.rateTo, s.steps, m.warmup, duration)
		phases = len(m.schedule.legs) - 1
	}
	for range phases {
		m.phases = append(m.phases, newLatencies())
	}
	m.finished = make([]uint64, phases)
	lanes, err := m.sign(ctx)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	if m.node, err = newNodeUnderTest(s, h.set, lanes, h.population, &m.problems, m.registry, h.log); err != nil {
		return nil, err
	}
	h.serving.show(m.registry)
	m.gen = newGenerator(s, h.set, m.node, h.population, m.schedule)
	m.gen.certified = m.certified
	runtime.GC() // the signing's garbage is not the engine's
	r, err := m.drive(ctx)
	if stopping := m.node.stop(); stopping != nil && err == nil {
		m.problems.fault("the engine failed: %v", stopping)
	}
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	h.screen.note("verifying a sample of the certificates, and calibrating again")
	m.node.audit.finish()
	if err := h.calibration.measure(context.WithoutCancel(ctx), h.config.calibrationTime()); err != nil {
		return nil, err
	}
	r.Stage = stage
	m.conclude(r)
	return r, nil
}

// lanesPlan returns the sequencers' keys, by lane.
func (h *harness) lanesPlan() []ed25519.PrivateKey {
	var keys []ed25519.PrivateKey
	for i := range min(h.config.sequencers, h.config.validators) {
		keys = append(keys, h.set.Identity(wire.Participant(i)))
	}
	return append(keys, testkit.Identities(max(0, h.config.sequencers-h.config.validators), ^h.config.seed)...)
}

// heights returns the number of chunks of each lane to presign: what the schedule sends, or the
// most that the engine can take.
func (m *measurement) heights(lanes int) int {
	perLane := float64(m.population.acksPerRound() * lanes)
	if m.schedule != nil {
		return int(m.schedule.total()/perLane) + 2
	}
	cores := float64(min(m.config.workers, runtime.GOMAXPROCS(0)))
	// The factor 1.3 covers chunks that batches make cheaper than in the calibration, and what is
	// sent before the first verdict.
	chunks := 1.3 * cores * (m.warmup + m.duration).Seconds() / (m.calibration.perChunk() / 1e9)
	return int(chunks/float64(lanes)) + 3
}

// sign presigns all messages, on all processors.
func (m *measurement) sign(ctx context.Context) ([]*presign.Lane, error) {
	keys := m.lanesPlan()
	heights := m.heights(len(keys))
	f := m.set.Format()
	acks, certificate := int64((f.Participants+1)*f.AckSignature), int64(f.MaxCertificateSize())
	size := acks * int64(len(keys))
	if m.config.acksToSequencer() {
		size = acks + certificate*int64(len(keys))
	}
	if size *= int64(heights); size > presignedAtMost {
		return nil, usagef("signing beforehand would take %.1f GiB, and %d GiB is the limit; choose a lower --duration, --rate, --validators or --sequencers",
			float64(size)/(1<<30), presignedAtMost>>30)
	}
	m.screen.note("signing %d chunks %s", heights*len(keys), m.signed())
	p := payloads{seed: m.config.seed, run: uint64(time.Now().UnixNano())}
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
				lanes[i], errs[i] = m.set.Sign(ctx, presign.Plan{
					Key: keys[i], Heights: heights, Epoch: theEpoch, Nodeless: i == 0, Ackless: i > 0 && m.config.acksToSequencer(), Seed: m.config.seed + uint64(i), Absent: self,
					Payload: func(h uint64) wire.Digest { return p.digest(chunkPlace(testkit.Identity(keys[i]), h)) },
				})
			}
		})
	}
	group.Wait()
	return lanes, errors.Join(errs...)
}

// signed says what is signed of each chunk.
func (m *measurement) signed() string {
	if m.config.acksToSequencer() {
		return "and their certificates"
	}
	return fmt.Sprintf("with %d acks each", m.population.acksPerRound())
}

// certified records a chunk's latency; see generator. The engine's reporter calls it.
func (m *measurement) certified(_ int, _ uint64, due, now time.Duration) {
	if due == 0 {
		return // certified by a parent certificate, before its acks were due
	}
	phase, ok := 0, false
	if m.schedule != nil {
		phase, ok = m.schedule.phaseOf(due)
	} else {
		m.mu.Lock()
		ok = m.measuring && due >= m.from
		m.mu.Unlock()
	}
	if !ok {
		return
	}
	m.whole.record(now - due)
	m.phases[phase].record(now - due)
	m.mu.Lock()
	m.finished[phase]++
	m.mu.Unlock()
}

func (m *measurement) moment(withMetrics bool) (moment, error) {
	status, err := m.node.status()
	generator := m.gen.cpu()
	now := moment{
		at: time.Now(), cpu: processCPU() - generator, generator: generator,
		certificates: status.Counters.Certificates + status.Counters.CertificatesReceived, sent: m.node.sent.read(),
		dropped: m.gen.dropped.Load(), engine: status,
	}
	if withMetrics && err == nil {
		now.metrics, err = m.registry.read()
	}
	return now, err
}

// drive runs the engine under the load and returns the result so far.
func (m *measurement) drive(ctx context.Context) (*nodeResult, error) {
	m.node.start()
	if err := m.node.waitOpen(ctx); err != nil {
		return nil, err
	}
	m.gen.start()
	defer m.gen.stop()
	if !m.wait(ctx, m.warmup) {
		return nil, errors.Join(ctx.Err(), m.broken())
	}
	profile := m.serving.startProfile()
	m.mu.Lock()
	m.measuring, m.from = true, time.Since(m.gen.began)
	m.mu.Unlock()
	before, err := m.moment(true)
	if err != nil {
		return nil, err
	}
	series, dry := m.watch(ctx, before)
	after, err := m.moment(true)
	m.mu.Lock()
	m.measuring = false
	m.mu.Unlock()
	parts, profileErr := profile.stop()
	if err != nil {
		return nil, errors.Join(err, m.broken())
	}
	if profileErr != nil {
		return nil, profileErr
	}
	m.gen.stop()
	r := m.result(before, after)
	r.Series, r.Parts, r.RanDry, r.Interrupted = series, parts, dry, ctx.Err() != nil
	return r, nil
}

// wait waits until d after the generator began. It returns false if the run ends before.
func (m *measurement) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d - time.Since(m.gen.began)):
		return true
	case <-ctx.Done():
	case err := <-m.node.stopped:
		m.node.stopped <- err
	}
	return false
}

// broken returns an error if the engine stopped by itself.
func (m *measurement) broken() error {
	select {
	case err := <-m.node.stopped:
		m.node.stopped <- err
		return fmt.Errorf("the engine stopped by itself: %w", err)
	default:
		return nil
	}
}

// watch shows the run's progress until it is over. dry reports that it ended early because there
// was nothing left to send.
func (m *measurement) watch(ctx context.Context, before moment) (series []point, dry bool) {
	const interval = 250 * time.Millisecond
	p := newProgress(before, interval, m.whole)
	dry, err := watch(ctx, interval, m.duration, m.gen.dry, m.node.stopped, func() {
		now, err := m.moment(false)
		if err != nil {
			return
		}
		f := newFrame(p.add(now), m.duration, now)
		f.batch = m.registry.meanBatch
		f.conflicts, f.errors = m.problems.counts()
		f.node = &nodeFrame{own: uint64(max(0, m.node.certified[0].Load())), dropped: now.dropped}
		m.screen.update(f)
	})
	if err != nil {
		m.node.stopped <- err
		m.problems.fault("the engine stopped by itself: %v", err)
	}
	return p.series, dry && time.Since(before.at) < m.duration*95/100
}

// chunkPlace returns the place of a chunk.
func chunkPlace(sequencer wire.PublicKey, height uint64) engine.Place {
	return engine.Place{Sequencer: sequencer, Height: height}
}
