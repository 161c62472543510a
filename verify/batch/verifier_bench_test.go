package batch

import (
	"fmt"
	"testing"

	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

// yes is a scheme without cost, so that the benchmark measures this package.
type yes struct{ *fake }

type yesCombination struct{}

func (yesCombination) AppendCertificate(dst []byte) []byte { return append(dst, 1) }

func (yes) Combine(*verify.Statement, wire.Signers) (verify.Combination, []wire.Participant) {
	return yesCombination{}, nil
}
func (yes) Check([]verify.Combination) bool { return true }

// BenchmarkVerifier/<burst> submits bursts of statements and waits for their verdicts. It measures
// the round trip per statement, with one worker and no cryptography.
func BenchmarkVerifier(b *testing.B) {
	for _, burst := range []int{1, 32} {
		b.Run(fmt.Sprintf("burst=%d", burst), func(b *testing.B) {
			notified := make(chan struct{}, 1)
			v, err := New(Config{Workers: 1, BatchSize: 64, Chunks: chunkVerifier, Notify: func() {
				select {
				case notified <- struct{}{}:
				default:
				}
			}})
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			f := newFake(100, false, 1)
			s := f.votes(1, everyone(100))
			s.Scheme = yes{f}
			var verdicts []verify.Verdict
			b.ReportAllocs()
			for done := 0; done < b.N; {
				n := min(burst, b.N-done)
				for range n {
					v.Submit(s)
				}
				for verdicts = v.Verdicts(verdicts[:0]); len(verdicts) < n; verdicts = v.Verdicts(verdicts) {
					<-notified
				}
				done += n
			}
		})
	}
}
