package proc

import (
	"reflect"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/link"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// filled returns counters with a different value in each field.
func filled(from uint64) Counters {
	n := from
	next := func() uint64 { n++; return n }
	return Counters{
		CPU: int64(next()), RSS: int64(next()), Certificates: next(), Sent: measure.Messages{Nodes: next(), Acks: next(), Certificates: next()},
		BytesIn: next(), BytesOut: next(), Traffic: link.Traffic{Known: true, Sent: next(), Received: next(), Packets: next(), Retransmitted: next()},
		AcksReceived: next(), AcksInvalid: next(), NodesReceived: next(), NodesInvalid: next(), CertificatesReceived: next(), CertificatesInvalid: next(),
		Generator: int64(next()), Bodies: &measure.Bodies{Delivered: next()},
		Faults: next(), Dropped: next(), Inbox: int(next()), Statements: int(next()), Suspects: int(next()),
	}
}

func TestCountersOfProcessesAddUp(t *testing.T) {
	a, b := filled(1000), filled(0)
	for i, v := 0, reflect.ValueOf(a); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; name != "Begins" && v.Field(i).IsZero() {
			t.Errorf("%s is new: is it in filled and in counts?", name)
		}
	}
	difference := a.Minus(b)
	if difference.Certificates != 1000 || difference.CPU != 1000 || difference.Dropped != 1000 || difference.Traffic.Retransmitted != 1000 || difference.Bodies.Delivered != 1000 {
		t.Errorf("%+v", difference)
	}
	if difference.RSS != a.RSS || difference.Inbox != a.Inbox {
		t.Errorf("the gauges are not the current values: %+v", difference)
	}
	if sum := b.Plus(difference); !reflect.DeepEqual(sum, a) {
		t.Errorf("%+v, want %+v", sum, a)
	}
	if below := b.Minus(a); below.Certificates != 0 || below.CPU != 0 {
		t.Errorf("counts below none: %+v", below)
	}
}
