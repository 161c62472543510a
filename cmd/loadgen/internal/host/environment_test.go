package host

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

// stat is a machine of two processors, after so many ticks of each kind.
const (
	statBefore = "cpu  100 0 50 1000 5 0 0 10 0 0\ncpu0 50 0 25 500 2 0 0 5 0 0\ncpu1 50 0 25 500 3 0 0 5 0 0\nintr 1 2 3\n"
	statAfter  = "cpu  200 20 100 1010 5 3 7 30 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1 1 1\n"
)

func TestAMachineIsBusyIfOtherProcessesUseItsProcessors(t *testing.T) {
	begin := time.Now()
	before, after := Usage{at: begin, Load: 1.5, own: time.Second}, Usage{at: begin.Add(2 * time.Second), Load: 3, own: 2 * time.Second}
	before.parse(statBefore)
	after.parse(statAfter)
	var e Environment
	e.Between(before, after)
	// 180 ticks are 1.8 s, of which this process had 1 s, in 2 s; 20 ticks were stolen.
	if math.Abs(e.Others-0.4) > 1e-9 || math.Abs(e.Stolen-0.1) > 1e-9 || !e.Busy || e.LoadBefore != 1.5 || e.LoadAfter != 3 {
		t.Errorf("%+v", e)
	}
	stolen := after.stolen
	after.stolen = before.stolen
	if e.Between(before, after); !e.Busy || e.Stolen != 0 {
		t.Errorf("others alone: %+v", e)
	}
	after.own, after.stolen = after.own+700*time.Millisecond, stolen
	if e.Between(before, after); !e.Busy {
		t.Errorf("stolen alone: %+v", e)
	}
	after.stolen = before.stolen
	if e.Between(before, after); e.Busy || math.Abs(e.Others-0.05) > 1e-9 {
		t.Errorf("%+v", e)
	}
}

func TestAMachineThatTellsNothingIsNotBusy(t *testing.T) {
	var u Usage
	for _, text := range []string{"", "cpu", "cpu a b c d e f g h i", "cpux 1 2 3"} {
		u.parse(text)
	}
	var e Environment
	e.Between(Usage{}, Usage{at: time.Now()})
	if e.Busy || e.Others != 0 || u.busy != 0 {
		t.Errorf("%+v", e)
	}
}

func TestTheDiskIsMeasuredAndLeftAsItWas(t *testing.T) {
	dir := t.TempDir()
	d, err := MeasureDisk(dir)
	if err != nil || d.Syncs < syncsLeast || d.SyncP50 <= 0 || d.SyncP99 < d.SyncP50 || (d.FileSystem == "") != (runtime.GOOS != "linux") {
		t.Errorf("%+v, %v", d, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := MeasureDisk(dir + "/none"); err == nil {
		t.Error("no error for a folder that does not exist")
	}
}

func TestThisProcessIsDescribed(t *testing.T) {
	e := Here("loadgen node")
	if e.Version == "" || e.Command != "loadgen node" || e.Hostname == "" {
		t.Errorf("%+v", e)
	}
	if runtime.GOOS == "linux" && (e.Kernel == "" || AvailableMemory() < 1<<20) {
		t.Errorf("%+v, %d bytes available", e, AvailableMemory())
	}
}
