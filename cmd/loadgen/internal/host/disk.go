package host

import (
	"os"
	"slices"
	"time"
)

// Disk describes a file system and how long it takes to make a write durable.
type Disk struct {
	FileSystem string  `json:"file_system"` // "" where the system does not tell
	SyncP50    float64 `json:"sync_p50_ms"`
	SyncP99    float64 `json:"sync_p99_ms"`
	Syncs      int     `json:"syncs"` // timed syncs
}

// Limits of the measurement of a disk.
const (
	syncBytes  = 4096
	syncsMost  = 200
	syncsLeast = 5
	syncsTime  = 250 * time.Millisecond // no longer than that, except for the least number of syncs
)

// MeasureDisk times writes that are made durable, one after another, to a file in a folder, which
// it removes.
func MeasureDisk(dir string) (Disk, error) {
	d := Disk{FileSystem: fileSystem(dir)}
	f, err := os.CreateTemp(dir, "lanecast-loadgen-sync-")
	if err != nil {
		return d, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, syncBytes)
	var took []time.Duration
	for began := time.Now(); len(took) < syncsMost && (len(took) < syncsLeast || time.Since(began) < syncsTime); {
		from := time.Now()
		if _, err := f.Write(block); err != nil {
			return d, err
		}
		if err := f.Sync(); err != nil {
			return d, err
		}
		took = append(took, time.Since(from))
	}
	slices.Sort(took)
	at := func(part float64) float64 {
		return float64(took[min(len(took)-1, int(part*float64(len(took))))]) / float64(time.Millisecond)
	}
	d.SyncP50, d.SyncP99, d.Syncs = at(0.5), at(0.99), len(took)
	return d, nil
}
