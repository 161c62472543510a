package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/verify/batch"
)

// newVerifier makes the engine's verifier, with one worker and batches up to size.
func newVerifier(size int) (*batch.Verifier, error) {
	return batch.New(batch.Config{Workers: 1, BatchSize: size, Chunks: verify.NewChunkVerifier(namespace)})
}

var encodings = []verify.AckEncoding{verify.Compressed, verify.Uncompressed}

// quorumsOf are the selections of the chunks' signers: a random quorum for each chunk, or the same
// quorum for all.
var quorumsOf = []struct {
	suffix string
	equal  bool
}{{"", false}, {"-equal-sets", true}}

// ours returns the ways of Lanecast: all chunks in flight, in batches of v.
func ours(w *workload, v *batch.Verifier) []way {
	var ways []way
	for _, acks := range encodings {
		for _, sets := range quorumsOf {
			ways = append(ways, way{name: acks.String() + sets.suffix, prepare: func(r *rand.Rand) (func() error, int, error) {
				scheme, err := w.scheme(acks) // a new one for each slice: it remembers no hash
				if err != nil {
					return nil, 0, err
				}
				statements := w.statements(scheme, acks, w.quorums(r, sets.equal))
				return func() error { return certify(v, statements) }, len(statements) * w.quorum, nil
			}})
		}
	}
	return ways
}

// certify verifies statements together. It returns an error unless each gets a certificate.
func certify(v *batch.Verifier, statements []*verify.Statement) error {
	verdicts, err := v.Verify(context.Background(), statements)
	if err != nil {
		return err
	}
	for i := range verdicts {
		if d := &verdicts[i]; !d.CertificateValid || len(d.Invalid) > 0 || d.Err != nil {
			return fmt.Errorf("statement %d does not verify: %+v", i, *d)
		}
	}
	return nil
}
