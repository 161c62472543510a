package measure

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Encode returns everything recorded as a histogram in HdrHistogram's compressed form, for the
// results of several processes to be merged.
func (l *Latencies) Encode() ([]byte, error) {
	l.turn(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// Merge adds another collection, in its encoded form.
func (l *Latencies) Merge(encoded []byte) error {
	h, err := hdrhistogram.Decode(encoded)
	if err != nil {
		return fmt.Errorf("decoding a histogram: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if dropped := l.total.Merge(h); dropped > 0 {
		return fmt.Errorf("%d values of a histogram are out of range", dropped)
	}
	return nil
}
