package node

import (
	"testing"
	"time"
)

func TestSigningBeforehandLeavesHalfOfTheMemory(t *testing.T) {
	for available, want := range map[int64]int64{
		0:        presignedAtMost, // not known
		1 << 30:  1 << 29,
		6 << 30:  presignedAtMost,
		64 << 30: presignedAtMost,
	} {
		if got, why := presignLimit(available); got != want || (why != "") != (want < presignedAtMost) {
			t.Errorf("%d bytes available: %d%s, want %d", available, got, why, want)
		}
	}
}

func TestSigningThatTakesLongOrMuchSaysSoFirst(t *testing.T) {
	for _, c := range []struct {
		long time.Duration
		size int64
		want string
	}{
		{time.Second, 1 << 20, ""},
		{54321 * time.Millisecond, 1 << 20, ": about 54s and 0.0 GiB"},
		{time.Second, 3 << 29, ": about 1s and 1.5 GiB"},
	} {
		if got := costly(c.long, c.size); got != c.want {
			t.Errorf("%v and %d bytes: %q, want %q", c.long, c.size, got, c.want)
		}
	}
}
