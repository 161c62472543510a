package node

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/audit"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/output"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/wire"
)

// presignedAtMost bounds the memory for presigned messages, in bytes.
const presignedAtMost = 3 << 30

// harness holds the common parts of the measurements of one population: keys, the calibration and
// the output.
type harness struct {
	config      *Config
	set         *presign.Set
	population  *population
	calibration *calibration
	disk        host.Disk // the disk of the journal
	*output.Output
}

// newHarness makes the keys and calibrates.
func newHarness(ctx context.Context, cfg *Config, out *output.Output) (*harness, error) {
	out.Screen.Note("making keys of %d validators and calibrating", cfg.Validators)
	p, err := newPopulation(cfg)
	if err != nil {
		return nil, err
	}
	set, err := presign.New(presign.Config{
		Kind: cfg.Kind(), Variant: cfg.BLSVariant(), Acks: cfg.AckEncoding(), Validators: cfg.Validators, Weights: cfg.Voting, Namespace: []byte(setup.Namespace), Seed: cfg.Seed,
	})
	if err != nil {
		return nil, err
	}
	c, err := newCalibration(ctx, cfg, set)
	if err != nil {
		return nil, err
	}
	h := &harness{config: cfg, set: set, population: p, calibration: c, Output: out}
	if h.disk, err = host.MeasureDisk(cmp.Or(cfg.Data, os.TempDir())); err != nil {
		return nil, cli.Usagef("measuring the disk of the journal: %v", err)
	}
	return h, c.measure(ctx, cfg.calibrationTime())
}

// calibrationTime returns the least time for calibration before and again after a run.
func (cfg *Config) calibrationTime() time.Duration {
	return min(500*time.Millisecond, cfg.Duration/10)
}

// measurement is one engine under one load.
type measurement struct {
	*harness
	stage    string
	duration time.Duration
	warmup   time.Duration
	schedule *schedule // nil: closed
	problems audit.Problems
	node     *nodeUnderTest
	gen      *generator
	registry *measure.Registry

	offers *offers
	recent *measure.Latencies // of chunks as they are locked, for the series

	mu        sync.Mutex
	measuring bool
	from      time.Duration // start of the measured time, since gen.began
}

// run measures with a rate, or closed with rate 0, for a duration. An error means that there is no
// result.
func (h *harness) run(ctx context.Context, stage string, rate float64, duration time.Duration) (*Result, error) {
	s := h.config
	m := &measurement{harness: h, stage: stage, duration: duration, warmup: s.warmup, registry: measure.NewRegistry(), recent: measure.NewLatencies()}
	phases := 1
	if rate > 0 {
		round := time.Duration(float64(len(h.lanesPlan())*h.population.acksPerRound()) / rate * float64(time.Second))
		if m.warmup > 0 && round > m.warmup { // lanes begin one after another, within a round
			m.warmup = min(round, time.Minute)
		}
		m.schedule = newSchedule(s.schedule, rate, s.rateTo, s.steps, m.warmup, duration)
		phases = len(m.schedule.legs) - 1
	}
	lanes, err := m.sign(ctx)
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	if m.node, err = newNodeUnderTest(s, h.set, lanes, h.population, &m.problems, m.registry, h.Log); err != nil {
		return nil, err
	}
	h.Output.Show(m.registry)
	m.gen = newGenerator(s, h.set, m.node, h.population, m.schedule)
	m.offers = newOffers(len(lanes), lanes[0].Heights(), phases, m.phaseOf)
	m.gen.certified = m.certified
	runtime.GC() // the signing's garbage is not the engine's
	r, err := m.drive(ctx)
	if stopping := m.node.stop(); stopping != nil && err == nil {
		m.problems.Fault("the engine failed: %v", stopping)
	}
	if err != nil {
		return nil, cli.Interrupted(ctx, err)
	}
	h.Screen.Note("verifying a sample of the certificates, and calibrating again")
	m.node.audit.Finish()
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
	for i := range min(h.config.Sequencers, h.config.Validators) {
		keys = append(keys, h.set.Identity(wire.Participant(i)))
	}
	return append(keys, testkit.Identities(max(0, h.config.Sequencers-h.config.Validators), ^h.config.Seed)...)
}

// heights returns the number of chunks of each lane to presign: the number that the schedule sends,
// or the most that the engine can take.
func (m *measurement) heights(lanes int) int {
	perLane := float64(m.population.acksPerRound() * lanes)
	if m.schedule != nil {
		return int(m.schedule.total()/perLane) + 2
	}
	cores := float64(min(m.config.Workers, runtime.GOMAXPROCS(0)))
	// The factor 1.3 covers chunks that batches make cheaper than in the calibration, and messages
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
	if m.config.AcksToSequencer() {
		size = acks + certificate*int64(len(keys))
	}
	size *= int64(heights)
	if limit, why := presignLimit(host.AvailableMemory()); size > limit {
		return nil, cli.Usagef("signing beforehand would take %.1f GiB, and %.1f GiB is the limit%s; choose a lower --duration, --rate, --validators or --sequencers",
			float64(size)/(1<<30), float64(limit)/(1<<30), why)
	}
	m.Screen.Note("signing %d chunks %s%s", heights*len(keys), m.signed(), costly(m.signingTime(heights*len(keys)), size))
	p := setup.Payloads{Seed: m.config.Seed, Run: uint64(time.Now().UnixNano())}
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
					Key: keys[i], Heights: heights, Epoch: setup.Epoch, Nodeless: i == 0, Ackless: i > 0 && m.config.AcksToSequencer(), Seed: m.config.Seed + uint64(i), Absent: self,
					Payload: func(h uint64) wire.Digest { return p.Digest(setup.ChunkPlace(testkit.Identity(keys[i]), h)) },
				})
			}
		})
	}
	group.Wait()
	return lanes, errors.Join(errs...)
}

// presignLimit returns the most bytes to sign beforehand, and the reason if it is not
// presignedAtMost. available is the available memory, 0 if unknown: half of it is left to the
// engine.
func presignLimit(available int64) (limit int64, why string) {
	if half := available / 2; available > 0 && half < presignedAtMost {
		return half, ", half of the memory that is available"
	}
	return presignedAtMost, ""
}

// signingTime returns the approximate time to sign that many chunks, at the speed of the
// calibration.
func (m *measurement) signingTime(chunks int) time.Duration {
	return m.calibration.signing * time.Duration(chunks) / time.Duration(runtime.GOMAXPROCS(0))
}

// Above these limits the signing is announced with its time and memory.
const (
	longSigning  = 10 * time.Second
	largeSigning = 512 << 20
)

// costly returns a text about the cost of signing, if it is large.
func costly(long time.Duration, size int64) string {
	if long < longSigning && size < largeSigning {
		return ""
	}
	return fmt.Sprintf(": about %v and %.1f GiB", long.Round(time.Second), float64(size)/(1<<30))
}

// signed returns a text about the signed messages of each chunk.
func (m *measurement) signed() string {
	if m.config.AcksToSequencer() {
		return "and their certificates"
	}
	return fmt.Sprintf("with %d acks each", m.population.acksPerRound())
}

// certified handles the lock of a chunk. The engine's reporter calls it.
func (m *measurement) certified(lane int, height uint64, l locked, doubtful bool) {
	if _, ok := m.phaseOf(l.due); ok {
		m.recent.Record(l.wait())
	}
	m.offers.lock(lane, height, l, doubtful)
}

// phaseOf returns the phase in which a chunk was due, and false outside the measured time.
func (m *measurement) phaseOf(due time.Duration) (int, bool) {
	if m.schedule != nil {
		return m.schedule.phaseOf(due)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return 0, m.measuring && due >= m.from
}

func (m *measurement) moment(withMetrics bool) (measure.Moment, error) {
	status, err := m.node.status()
	generator := m.gen.cpu()
	now := measure.Moment{
		At: time.Now(), CPU: host.ProcessCPU() - generator, Generator: generator,
		Certificates: status.Counters.Certificates + status.Counters.CertificatesReceived, Sent: m.node.sent.Read(),
		Dropped: m.gen.dropped.Load(), Taken: m.gen.taken.Load(), Engine: status,
		BytesIn: m.gen.bytes.Load(), BytesOut: m.node.sent.Bytes(), Host: host.ReadUsage(),
	}
	if withMetrics && err == nil {
		now.Metrics, err = m.registry.Read()
	}
	return now, err
}

// drive runs the engine under the load and returns the result so far.
func (m *measurement) drive(ctx context.Context) (*Result, error) {
	m.node.start()
	if err := m.node.waitOpen(ctx); err != nil {
		return nil, err
	}
	m.gen.start()
	defer m.gen.stop()
	if !m.wait(ctx, m.warmup) {
		return nil, errors.Join(ctx.Err(), m.broken())
	}
	profile := m.StartProfile()
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
	parts, profileErr := profile.Stop()
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
func (m *measurement) watch(ctx context.Context, before measure.Moment) (series []measure.Point, dry bool) {
	const interval = 250 * time.Millisecond
	m.BeginSeries(m.stage)
	p := measure.NewProgress(before, interval, m.recent)
	dry, err := measure.Watch(ctx, interval, m.duration, m.gen.dry, m.node.stopped, func() {
		now, err := m.moment(false)
		if err != nil {
			return
		}
		f := output.NewFrame(p.Add(now), m.duration, now)
		f.Batch = m.registry.MeanBatch
		f.Conflicts, f.Errors = m.problems.Counts()
		f.Node = &output.NodeFrame{Own: uint64(max(0, m.node.certified[0].Load())), Dropped: now.Dropped}
		m.Output.Update(f)
	})
	if err != nil {
		m.node.stopped <- err
		m.problems.Fault("the engine stopped by itself: %v", err)
	}
	return p.Series, dry && time.Since(before.At) < m.duration*95/100
}
