package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/lanecast/lanecast/internal/fixture"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// Certificates is what verifying received threshold certificates of one epoch cost.
type Certificates struct {
	One, Many float64 // ns of one thread: for one certificate, and for Count of them in one batch
	Count     int
}

// MeasureCertificates measures the verification of one received threshold certificate and of count of them in one
// batch, interleaved. No message hash is known beforehand.
func MeasureCertificates(c Case, count, atLeast int) (Certificates, error) {
	if err := c.check(); err != nil {
		return Certificates{}, err
	}
	set, err := fixture.New(fixture.Threshold, c.Variant, verify.Compressed, c.Validators, namespace, 1)
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
	// ready readies a slice: times batches of size certificates each.
	ready := func(times, size int) prepare {
		return func(*rand.Rand) (func() error, int, error) {
			scheme, err := verify.NewThreshold(verify.Options{Namespace: namespace, Variant: c.Variant},
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
