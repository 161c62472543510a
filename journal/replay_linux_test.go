package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/segment"
)

// maxReplayMemory is the maximum memory of a process that replays a log of any length.
const maxReplayMemory = 64 << 20

// LANECAST_REPLAY_MIB sets the length of the log.
func TestReplayTakesLittleMemoryHoweverLongTheLogIs(t *testing.T) {
	if dir := os.Getenv("LANECAST_TEST_REPLAY_DIR"); dir != "" {
		replayAlone(t, dir)
		return
	}
	mib := 48
	if s := os.Getenv("LANECAST_REPLAY_MIB"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{Dir: t.TempDir(), SegmentSize: int64(mib) << 20 / 16}
	j, _ := mustOpen(t, c)
	rng := rand.NewChaCha8([32]byte{})
	record := make([]byte, 300)
	for range mib << 20 / segment.FrameSize(len(record)) {
		_, _ = rng.Read(record) // cannot fail
		if _, err := j.Append(record); err != nil {
			t.Fatal(err)
		}
		for j.Pending() > 8<<20 && j.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	mustClose(t, j)

	cmd := exec.Command(os.Args[0], "-test.run=^TestReplayTakesLittleMemoryHoweverLongTheLogIs$", "-test.v")
	cmd.Env = append(os.Environ(), "LANECAST_TEST_REPLAY_DIR="+c.Dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the process that replays: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "MB/s") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

// peakMemory returns the maximum number of bytes that this process has had in memory. (The value of
// getrusage includes the parent at the time of the fork.)
func peakMemory(t *testing.T) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(after, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10
}

// replayAlone opens the log in a process that does nothing else, and measures its memory.
func replayAlone(t *testing.T, dir string) {
	bytes := 0
	j, err := Open(Config{Dir: dir}, func(_ Position, record []byte) error {
		bytes += len(record)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	peak := peakMemory(t)
	r := j.Recovery()
	mustClose(t, j)
	fmt.Printf("%d records, %d MiB in %v: %.0f MB/s; %.1f MiB of memory at most\n",
		r.Records, r.Bytes>>20, r.Duration.Round(time.Millisecond), float64(r.Bytes)/1e6/r.Duration.Seconds(), float64(peak)/(1<<20))
	if bytes == 0 || peak > maxReplayMemory {
		t.Errorf("%d bytes replayed, %d bytes of memory", bytes, peak)
	}
}
