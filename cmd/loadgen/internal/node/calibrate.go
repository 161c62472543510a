package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/host"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// calibrationChunks is the number of chunks that the calibration verifies at once, the same as in
// bench/.
const calibrationChunks = 32

// calibration measures the CPU time of the cryptography alone, while this process does nothing
// else: the same work as bench/ measures, with the same verifier as the engine's. It is measured
// right before and right after a run, since the speed of machines drifts.
//
// There are two kinds of work: the quorum of acks on each chunk, and the other work per chunk: the
// signature of its node, the own ack, and with acks to the sequencer its certificate.
type calibration struct {
	set    *presign.Set
	lane   *presign.Lane
	random *rand.Rand

	certificates bool    // they come as messages
	assembled    float64 // the part of the chunks whose acks the node gets

	signing time.Duration // of one chunk, on one processor

	chunks        int           // number of each kind of work, in all slices
	acks          int           // verified in them
	votes, others time.Duration // CPU of each kind
}

func newCalibration(ctx context.Context, cfg *Config, set *presign.Set) (*calibration, error) {
	key := set.Identity(1)
	p := setup.Payloads{Seed: cfg.Seed, Run: 1}
	began := time.Now()
	l, err := set.Sign(ctx, presign.Plan{
		Key: key, Heights: calibrationChunks + 1, Epoch: setup.Epoch, Seed: cfg.Seed,
		Payload: func(h uint64) wire.Digest { return p.Digest(setup.ChunkPlace(testkit.Identity(key), h)) },
	})
	if err != nil {
		return nil, err
	}
	c := &calibration{signing: time.Since(began) / (calibrationChunks + 1), set: set, lane: l, random: rand.New(rand.NewPCG(cfg.Seed, 0x63616c)), assembled: 1}
	if c.certificates = cfg.AcksToSequencer(); c.certificates {
		c.assembled = 1 / float64(cfg.Sequencers)
	}
	return c, nil
}

// measure does slices of both kinds of work alternately, for about the time long, but at least two
// of each.
func (c *calibration) measure(ctx context.Context, long time.Duration) error {
	v, err := batch.New(batch.Config{Workers: 1, BatchSize: batch.MaxBatchSize, Chunks: verify.NewChunkVerifier([]byte(setup.Namespace))})
	if err != nil {
		return err
	}
	defer v.Close()
	began := time.Now()
	for i := 0; i < 2 || time.Since(began) < long; i++ {
		votes, err := c.slice(ctx, v, true)
		if err != nil {
			return fmt.Errorf("calibrating: %w", err)
		}
		others, err := c.slice(ctx, v, false)
		if err != nil {
			return fmt.Errorf("calibrating: %w", err)
		}
		c.chunks, c.votes, c.others = c.chunks+calibrationChunks, c.votes+votes, c.others+others
	}
	return nil
}

// slice does one kind of work on each chunk, with a new scheme instance, whose caches are empty,
// and returns the CPU time that it took.
func (c *calibration) slice(ctx context.Context, v *batch.Verifier, votes bool) (time.Duration, error) {
	scheme, err := c.set.Scheme()
	if err != nil {
		return 0, err
	}
	signer, err := c.set.Signer(scheme, self)
	if err != nil {
		return 0, err
	}
	var statements []*verify.Statement
	for h := range uint64(calibrationChunks) {
		s, err := c.statement(scheme, h, votes)
		if err != nil {
			return 0, err
		}
		statements = append(statements, s)
	}
	before := host.ProcessCPU()
	verdicts, err := v.Verify(ctx, statements)
	if err != nil {
		return 0, err
	}
	for h := range uint64(calibrationChunks) {
		if votes {
			break
		}
		if _, err := signer.SignAck(ctx, c.lane.Subject(h)); err != nil {
			return 0, err
		}
	}
	took := host.ProcessCPU() - before
	for i := range verdicts {
		if d := &verdicts[i]; !d.ProposalValid || !d.CertificateValid {
			return 0, errors.New("a statement of the generator's own does not verify")
		}
	}
	return took, nil
}

// statement returns the statement that an engine verifies for a chunk: the votes of a random
// quorum, or the node with the certificate that follows it.
func (c *calibration) statement(scheme verify.Scheme, height uint64, votes bool) (*verify.Statement, error) {
	subject := c.lane.Subject(height)
	if votes {
		quorum := c.set.Quorum(c.random, self)
		c.acks += quorum.Count()
		return &verify.Statement{Scheme: scheme, Subject: subject, Signers: quorum, Slab: c.lane.Votes(height)}, nil
	}
	var n wire.Node
	if err := n.Decode(c.lane.Node(height), wire.SameFormat(scheme.Format())); err != nil {
		return nil, err
	}
	p := n.Proposal()
	s := &verify.Statement{Proposal: &p}
	if c.certificates {
		s.Scheme, s.Subject, s.Certificate = scheme, subject, c.lane.Certificate(height)
	}
	return s, nil
}

// perAck returns the CPU time, in ns, of the cryptography alone for each ack of a quorum. perChunk
// returns that of a whole chunk, on average over all lanes.
func (c *calibration) perAck() float64 { return float64(c.votes) / float64(max(1, c.acks)) }

func (c *calibration) perChunk() float64 {
	return (float64(c.votes)*c.assembled + float64(c.others)) / float64(max(1, c.chunks))
}
