package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
	"github.com/lanecast/lanecast/wire"
)

// batchSizes are the sizes of the batches in which received certificates are verified.
var batchSizes = []int{1, 8, 64}

// MeasureReceived measures the verification of received certificates: multisig certificates, each
// of a different random quorum, one by one with blst and in batches of 1, 8 and 64, and threshold
// certificates of one epoch in the same batches. PerAck and Acks of the results count certificates.
// The keys are known beforehand, as points; message hashes and key sums are not.
func MeasureReceived(c Case, atLeast int) ([]Result, error) {
	c.Chunks = slices.Max(batchSizes)
	if err := c.check(); err != nil {
		return nil, err
	}
	w, err := newWorkload(c)
	if err != nil {
		return nil, fmt.Errorf("bench: preparing certificates: %w", err)
	}
	v, err := newVerifier(c.Chunks)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	ways, err := receivedWays(w, v)
	if err != nil {
		return nil, fmt.Errorf("bench: preparing certificates: %w", err)
	}
	return measure(ways, atLeast)
}

// receivedWays are the ways of MeasureReceived.
func receivedWays(w *workload, v *batch.Verifier) ([]way, error) {
	scheme, err := w.scheme(verify.Compressed)
	if err != nil {
		return nil, err
	}
	quorums := w.quorums(rand.New(rand.NewPCG(3, 3)), false)
	certificates := make([][]byte, w.chunks)
	for k, s := range w.statements(scheme, verify.Compressed, quorums) {
		if certificates[k], err = combined(s); err != nil {
			return nil, err
		}
	}
	ways, err := othersReceived(w, quorums, certificates)
	if err != nil {
		return nil, err
	}
	for _, size := range batchSizes {
		ways = append(ways, way{name: fmt.Sprintf("multisig-%d", size), prepare: inBatches(w, v, size, certificates, func() (verify.Scheme, error) {
			return w.scheme(verify.Compressed)
		})})
	}

	set, err := testkit.New(testkit.Threshold, w.variant, verify.Compressed, w.n, namespace, 1)
	if err != nil {
		return nil, err
	}
	ofGroup := make([][]byte, w.chunks)
	for k := range ofGroup {
		s := &verify.Statement{
			Scheme: set.Scheme, Subject: w.subjects[k], Signers: wire.NewSigners(w.n), Slab: make([]byte, w.quorum*w.size),
		}
		for i := range w.quorum {
			vote, err := set.Signers[i].SignAck(context.Background(), s.Subject)
			if err != nil {
				return nil, err
			}
			s.Signers.Add(wire.Participant(i))
			copy(s.Vote(wire.Participant(i)), vote)
		}
		if ofGroup[k], err = combined(s); err != nil {
			return nil, err
		}
	}
	for _, size := range batchSizes {
		ways = append(ways, way{name: fmt.Sprintf("threshold-%d", size), prepare: inBatches(w, v, size, ofGroup, func() (verify.Scheme, error) {
			return verify.NewThreshold(verify.Config{Namespace: namespace, Variant: w.variant},
				set.Scheme.Participants(), set.GroupKey, set.PublicKeys)
		})})
	}
	return ways, nil
}

// combined returns the certificate of the votes of a statement.
func combined(s *verify.Statement) ([]byte, error) {
	c, unreadable := s.Scheme.Combine(s, s.Signers)
	if c == nil || len(unreadable) > 0 {
		return nil, errors.New("the votes do not combine")
	}
	return c.AppendCertificate(nil), nil
}

// inBatches prepares slices of up to eight batches of a size.
func inBatches(w *workload, v *batch.Verifier, size int, certificates [][]byte, fresh func() (verify.Scheme, error)) prepare {
	return func(*rand.Rand) (func() error, int, error) {
		scheme, err := fresh()
		if err != nil {
			return nil, 0, err
		}
		statements := make([]*verify.Statement, min(8*size, len(certificates)))
		for k := range statements {
			statements[k] = &verify.Statement{Scheme: scheme, Subject: w.subjects[k], Certificate: certificates[k]}
		}
		return func() error {
			for group := range slices.Chunk(statements, size) {
				if err := certify(v, group); err != nil {
					return err
				}
			}
			return nil
		}, len(statements), nil
	}
}

// Certificates is the cost of verifying received threshold certificates of one epoch.
type Certificates struct {
	One, Many float64 // ns of one thread: for one certificate, and for Count of them in one batch
	Count     int
}

// MeasureCertificates measures the verification of one received threshold certificate and of count
// of them in one batch, interleaved. No message hash is known beforehand.
func MeasureCertificates(c Case, count, atLeast int) (Certificates, error) {
	if err := c.check(); err != nil {
		return Certificates{}, err
	}
	set, err := testkit.New(testkit.Threshold, c.Variant, verify.Compressed, c.Validators, namespace, 1)
	if err != nil {
		return Certificates{}, fmt.Errorf("bench: preparing threshold certificates: %w", err)
	}
	size := set.Scheme.Format().AckSignature
	quorum := verify.Quorum(c.Validators)
	certificates := make([][]byte, count)
	for k := range certificates {
		s := &verify.Statement{
			Scheme: set.Scheme, Subject: subject(k), Signers: wire.NewSigners(c.Validators), Slab: make([]byte, quorum*size),
		}
		for i := range quorum {
			vote, err := set.Signers[i].SignAck(context.Background(), s.Subject)
			if err != nil {
				return Certificates{}, err
			}
			s.Signers.Add(wire.Participant(i))
			copy(s.Vote(wire.Participant(i)), vote)
		}
		made, unreadable := set.Scheme.Combine(s, s.Signers)
		if made == nil || len(unreadable) > 0 {
			return Certificates{}, fmt.Errorf("bench: the votes do not combine")
		}
		certificates[k] = made.AppendCertificate(nil)
	}
	v, err := newVerifier(max(1, count))
	if err != nil {
		return Certificates{}, err
	}
	defer v.Close()
	// ready prepares a slice: times batches of size certificates each.
	ready := func(times, size int) prepare {
		return func(*rand.Rand) (func() error, int, error) {
			scheme, err := verify.NewThreshold(verify.Config{Namespace: namespace, Variant: c.Variant},
				set.Scheme.Participants(), set.GroupKey, set.PublicKeys)
			if err != nil {
				return nil, 0, err
			}
			statements := make([]*verify.Statement, times*size)
			for k := range statements {
				statements[k] = &verify.Statement{Scheme: scheme, Subject: subject(k), Certificate: certificates[k]}
			}
			return func() error {
				for group := range slices.Chunk(statements, size) {
					if err := certify(v, group); err != nil {
						return err
					}
				}
				return nil
			}, times, nil
		}
	}
	results, err := measure([]way{
		{name: "one certificate", prepare: ready(min(count, 8), 1)},
		{name: "many certificates", prepare: ready(1, count)},
	}, atLeast)
	if err != nil {
		return Certificates{}, err
	}
	return Certificates{One: results[0].PerAck, Many: results[1].PerAck, Count: count}, nil
}
