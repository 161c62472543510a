package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/presign"
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
type calibration struct {
	set    *presign.Set
	lane   *presign.Lane
	random *rand.Rand

	slices       int
	acks, chunks time.Duration // CPU of all slices: of votes alone; of votes, nodes and own acks
}

func newCalibration(ctx context.Context, cfg *nodeConfig, set *presign.Set) (*calibration, error) {
	key := set.Identity(1)
	p := payloads{seed: cfg.seed, run: 1}
	l, err := set.Sign(ctx, presign.Plan{
		Key: key, Heights: calibrationChunks + 1, Epoch: theEpoch, Seed: cfg.seed,
		Payload: func(h uint64) wire.Digest { return p.digest(chunkPlace(testkit.Identity(key), h)) },
	})
	if err != nil {
		return nil, err
	}
	return &calibration{set: set, lane: l, random: rand.New(rand.NewPCG(cfg.seed, 0x63616c))}, nil
}

// measure does slices of both kinds of work alternately, for about long but at least two of each.
func (c *calibration) measure(ctx context.Context, long time.Duration) error {
	v, err := batch.New(batch.Config{Workers: 1, BatchSize: batch.MaxBatchSize, Chunks: verify.NewChunkVerifier([]byte(namespace))})
	if err != nil {
		return err
	}
	defer v.Close()
	began := time.Now()
	for i := 0; i < 2 || time.Since(began) < long; i++ {
		acks, err := c.slice(ctx, v, false)
		if err != nil {
			return fmt.Errorf("calibrating: %w", err)
		}
		all, err := c.slice(ctx, v, true)
		if err != nil {
			return fmt.Errorf("calibrating: %w", err)
		}
		c.slices, c.acks, c.chunks = c.slices+1, c.acks+acks, c.chunks+all
	}
	return nil
}

// slice verifies a quorum's votes on each chunk, with a new scheme instance, whose caches are
// empty. With whole it also verifies the node above each chunk and signs an ack for each.
func (c *calibration) slice(ctx context.Context, v *batch.Verifier, whole bool) (time.Duration, error) {
	scheme, err := c.set.Scheme()
	if err != nil {
		return 0, err
	}
	signer, err := c.set.Signer(scheme, self)
	if err != nil {
		return 0, err
	}
	var statements []*verify.Statement
	for h := range calibrationChunks {
		votes, node := presignedStatements(scheme, c.lane, h, c.random)
		if statements = append(statements, votes); whole {
			statements = append(statements, node)
		}
	}
	before := processCPU()
	verdicts, err := v.Verify(ctx, statements)
	if err != nil {
		return 0, err
	}
	for h := range uint64(calibrationChunks) {
		if !whole {
			break
		}
		if _, err := signer.SignAck(ctx, c.lane.Subject(h)); err != nil {
			return 0, err
		}
	}
	took := processCPU() - before
	for i := range verdicts {
		if d := &verdicts[i]; !d.ProposalValid || !d.CertificateValid {
			return 0, errors.New("a statement of the generator's own does not verify")
		}
	}
	return took, nil
}

// perAck returns the CPU time, in ns, of the cryptography alone for each ack of a quorum. perChunk
// returns that of a whole chunk: its quorum of acks, its node with parent certificate, and the
// engine's own ack.
func (c *calibration) perAck() float64 {
	acks := verify.Quorum(c.set.Format().Participants) * calibrationChunks * c.slices
	return float64(c.acks) / float64(max(1, acks))
}

func (c *calibration) perChunk() float64 {
	return float64(c.chunks) / float64(max(1, calibrationChunks*c.slices))
}

// presignedStatements returns the statements that the engine would submit for a chunk: the votes of
// a random quorum, and the node above.
func presignedStatements(scheme verify.Scheme, l *presign.Lane, height int, random *rand.Rand) (votes, node *verify.Statement) {
	n := scheme.Format().Participants
	signers := wire.NewSigners(n)
	for _, i := range random.Perm(n)[:verify.Quorum(n)] {
		signers.Add(wire.Participant(i))
	}
	votes = &verify.Statement{Scheme: scheme, Subject: l.Subject(uint64(height)), Signers: signers, Slab: l.Votes(uint64(height))}
	var above wire.Node
	if err := above.Decode(l.Node(uint64(height)+1), wire.SameFormat(scheme.Format())); err != nil {
		return votes, nil
	}
	p := above.Proposal()
	return votes, &verify.Statement{Proposal: &p, Scheme: scheme, Subject: above.ParentSubject(), Certificate: above.Parent.Certificate}
}
