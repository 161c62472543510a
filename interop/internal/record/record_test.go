package record

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/wire"
)

func lock(height uint64) Lock {
	l := Lock{At: time.UnixMilli(1_700_000_000_123)}
	l.Chunk = wire.Chunk{Sequencer: wire.PublicKey{1, 2}, Height: height, Payload: wire.Digest{3}}
	l.Epoch, l.Certificate = 7, []byte{0, 0xff}
	return l
}

func TestALockIsReadBackFromItsLine(t *testing.T) {
	want := lock(1 << 63)
	line := string(want.AppendTo(nil))
	got, err := ParseLock(strings.TrimSuffix(line, "\n"))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestALineThatIsNoLockIsRefused(t *testing.T) {
	one := lock(5)
	good := strings.TrimSuffix(string(one.AppendTo(nil)), "\n")
	parts := strings.Split(good, " ")
	for i := range parts {
		for _, bad := range []string{"", "x", parts[i] + "0g"} {
			changed := append([]string(nil), parts...)
			changed[i] = bad
			if i == 4 && bad == "" {
				continue // no certificate: package agreement finds it invalid
			}
			if l, err := ParseLock(strings.Join(changed, " ")); err == nil {
				t.Errorf("field %d as %q: %+v", i, bad, l)
			}
		}
	}
	if _, err := ParseLock(good + " more"); err == nil {
		t.Error("a seventh field is read")
	}
}

func TestATornLastLineIsIgnored(t *testing.T) {
	var text []byte
	for h := range uint64(3) {
		l := lock(h)
		text = l.AppendTo(text)
	}
	for cut := range text {
		var heights []uint64
		if err := ReadLocks(bytes.NewReader(text[:cut]), func(l Lock) { heights = append(heights, l.Chunk.Height) }); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if want := bytes.Count(text[:cut], []byte("\n")); len(heights) != want {
			t.Fatalf("cut at %d: %d locks, want %d", cut, len(heights), want)
		}
	}
	if err := ReadLocks(strings.NewReader("torn\n"), func(Lock) {}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a malformed line: %v", err)
	}
	if err := ReadLocks(strings.NewReader(strings.Repeat("x", 2*maxLine)), func(Lock) {}); err == nil {
		t.Error("a line without end is read")
	}
}

func TestTheLastWholeReportCounts(t *testing.T) {
	text := `{"library":"upstream","validator":2,"ms":1000,"locks":[1,-1],"refused":{}}` + "\n" +
		`{"library":"upstream","validator":2,"ms":2000,"locks":[4,-1],"refused":{"ack: Invalid":3},"latency_ms":{"count":1,"p50":2.5}}` + "\n" +
		`{"library":"upstr`
	r, ok, err := LastReport(strings.NewReader(text))
	if err != nil || !ok || r.MS != 2000 || r.Locks[0] != 4 || r.Refused["ack: Invalid"] != 3 || r.Latency.P50 != 2.5 {
		t.Errorf("%+v, %v, %v", r, ok, err)
	}
	if _, ok, err := LastReport(strings.NewReader("")); ok || err != nil {
		t.Errorf("of nothing: %v, %v", ok, err)
	}
	if _, _, err := LastReport(strings.NewReader("no report\n")); err == nil {
		t.Error("a line that is no report is read")
	}
}
