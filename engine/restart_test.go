package engine_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/journal"
	"github.com/lanecast/lanecast/wire"
)

// kinds of records, as internal/core writes them.
const (
	nodeRecord     = 0x01
	lockRecord     = 0x02
	reportedRecord = 0x07
)

// followed writes the journal of a validator that has followed lanes up to a height: a node and a
// lock for each chunk, and the progress of the reports. One more lane stands still, so that no
// segment is removed. It returns the size of the log in bytes.
func followed(t testing.TB, cfg journal.Config, lanes []wire.PublicKey, heights int) int64 {
	t.Helper()
	j, err := journal.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	add := func(kind byte, body interface{ AppendTo([]byte) []byte }) journal.Position {
		p, err := j.Append(body.AppendTo([]byte{kind}))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	signers := wire.NewSigners(100)
	signers.Add(0)
	certificate := wire.AppendSignersAndAggregate(nil, signers, make([]byte, 48))
	add(nodeRecord, &wire.Node{Chunk: wire.Chunk{Sequencer: wire.PublicKey{1}}})
	last := make(map[wire.PublicKey][2]journal.Position)
	for h := range uint64(heights) {
		for _, l := range lanes {
			n := wire.Node{Chunk: wire.Chunk{Sequencer: l, Height: h, Payload: payloadAt(engine.Place{Sequencer: l, Height: h})}}
			if h > 0 {
				n.Parent = wire.Parent{Payload: payloadAt(engine.Place{Sequencer: l, Height: h - 1}), Certificate: certificate}
			}
			node := add(nodeRecord, &n)
			lock := add(lockRecord, &wire.Lock{Chunk: n.Chunk, Certificate: certificate})
			j.Release(last[l][0])
			j.Release(last[l][1])
			last[l] = [2]journal.Position{node, lock}
		}
		if h%16 == 0 {
			p, err := j.Append(wire.AppendUvarint([]byte{reportedRecord}, uint64(j.Next()-1)))
			if err != nil {
				t.Fatal(err)
			}
			j.Release(last[wire.PublicKey{}][0])
			last[wire.PublicKey{}] = [2]journal.Position{p}
		}
		for j.Pending() > 1<<20 {
			time.Sleep(time.Millisecond)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, size := j.Size()
	return size
}

// heapBytes returns the bytes in use on the heap.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// peakRSS returns the peak resident memory of the process, on systems that report it.
func peakRSS() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if size, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(size)
		}
	}
	return "unknown"
}

// 5.5: Memory is bounded by configuration, however long it runs.
//
// That holds for a restart: nothing is kept of a long journal, whose records are dead except the
// tops of lanes. LANECAST_RESTART is the height of the lanes; with 115000 the log is as long as the
// default settings let it become, and the test logs the peak memory.
func TestRule5_5_ARestartKeepsNothingOfALongJournal(t *testing.T) {
	heights := 6000
	if s := os.Getenv("LANECAST_RESTART"); s != "" {
		var err error
		if heights, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	net, _, members := newCluster(t, newSet(t, testkit.Multisig, 4, 1))
	m := members[0]
	m.config.Sequencer, m.config.Relay = nil, nil
	m.open(t, net) // makes the journal, with its first record
	if err := m.halt(); err != nil {
		t.Fatal(err)
	}
	var lanes []wire.PublicKey
	for _, o := range members {
		lanes = append(lanes, o.id)
	}
	size := followed(t, journal.Config{Dir: m.config.Journal.Dir}, lanes, heights)
	before, peak := heapBytes(), peakRSS()
	began := time.Now()
	m.open(t, net)
	opened := time.Since(began)
	m.start()
	for _, l := range status(t, m.engine).Lanes {
		if l.Sequencer != (wire.PublicKey{1}) && (l.Tip != uint64(heights-1) || l.Certified != l.Tip) {
			t.Errorf("a lane of %d heights is at %d, certified %d", heights, l.Tip, l.Certified)
		}
	}
	answered := time.Since(began)
	eventually(t, "locks are reported", func() bool { return status(t, m.engine).Unreported == 0 })
	kept := heapBytes() - before
	t.Logf("log of %d MiB: opened after %v, answers after %v, keeps %d KiB; peak of the process %s, before that %s",
		size>>20, opened, answered, kept>>10, peakRSS(), peak)
	if kept > 4<<20 {
		t.Errorf("an idle engine with 5 lanes holds %d bytes more than before its start", kept)
	}
	haltAll(t, members[:1])
}
