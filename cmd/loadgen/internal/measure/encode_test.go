package measure

import (
	"testing"
	"time"
)

func TestHistogramsOfTwoProcessesMergeToOne(t *testing.T) {
	a, b, both := NewLatencies(), NewLatencies(), NewLatencies()
	for ms := range 1000 {
		one := a
		if ms%3 == 0 {
			one = b
		}
		one.Record(time.Duration(ms) * time.Millisecond)
		both.Record(time.Duration(ms) * time.Millisecond)
	}
	merged := NewLatencies()
	for _, l := range []*Latencies{a, b} {
		encoded, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := merged.Merge(encoded); err != nil {
			t.Fatal(err)
		}
	}
	if merged.All() != both.All() || merged.Count() != 1000 {
		t.Errorf("%+v of %d, want %+v", merged.All(), merged.Count(), both.All())
	}
	if err := merged.Merge([]byte("no histogram")); err == nil {
		t.Error("no error for bytes that are no histogram")
	}
}
