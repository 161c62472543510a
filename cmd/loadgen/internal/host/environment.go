package host

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Environment describes the conditions, besides the settings, on which the figures of a run may
// depend.
type Environment struct {
	Version  string `json:"version"` // of this program
	Command  string `json:"command"` // as a shell takes it
	Hostname string `json:"hostname"`
	Kernel   string `json:"kernel"`

	LoadBefore float64 `json:"load_before"`  // load average of a minute; 0 if there is none
	LoadAfter  float64 `json:"load_after"`   // likewise
	Others     float64 `json:"others_cores"` // processors that other processes used, on average
	Stolen     float64 `json:"stolen_cores"` // mean of those the hypervisor gave to others
	Busy       bool    `json:"busy"`         // so busy that the figures are doubtful

	Disk Disk              `json:"disk"` // of the journals
	Tags map[string]string `json:"tags"` // of --tag
}

// Here returns the environment of this process, without the measured fields.
func Here(command string) Environment {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	return Environment{Version: Version(), Command: command, Hostname: name, Kernel: kernel(), Tags: map[string]string{}}
}

// Above these parts of all processors a machine is busy with other things.
const (
	busyOthers = 0.10
	busyStolen = 0.02
)

// Between fills in the machine's usage between two readings.
func (e *Environment) Between(before, after Usage) {
	e.LoadBefore, e.LoadAfter = before.Load, after.Load
	seconds := after.at.Sub(before.at).Seconds()
	if seconds <= 0 || after.processors == 0 {
		return
	}
	own := (after.own - before.own).Seconds()
	e.Others = max(0, (after.busy-before.busy).Seconds()-own) / seconds
	e.Stolen = max(0, (after.stolen-before.stolen).Seconds()) / seconds
	e.Judge(after.processors)
}

// Judge says whether a machine of so many processors was busy with other things.
func (e *Environment) Judge(processors int) {
	n := float64(processors)
	e.Busy = e.Others > busyOthers*n || e.Stolen > busyStolen*n
}

// Usage is the machine's usage up to a moment. It is zero on systems that do not report it.
type Usage struct {
	Load       float64
	at         time.Time
	processors int
	busy       time.Duration // of all processors together, for all processes
	stolen     time.Duration
	own        time.Duration // of this process
}

// ReadUsage reads the usage so far.
func ReadUsage() Usage {
	u := Usage{at: time.Now(), own: ProcessCPU()}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		// 0 if it is no number
		u.Load, _ = strconv.ParseFloat(strings.SplitN(string(b), " ", 2)[0], 64)
	}
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		u.parse(string(b))
	}
	return u
}

// parse reads the lines about processors of Linux's /proc/stat, proc(5).
func (u *Usage) parse(stat string) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go runs on
	for line := range strings.Lines(stat) {
		fields := strings.Fields(line)
		if len(fields) < 9 || !strings.HasPrefix(fields[0], "cpu") {
			continue
		}
		if fields[0] != "cpu" {
			u.processors++
			continue
		}
		ticks := func(i int) time.Duration {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0
			}
			return time.Duration(n) * tick
		}
		// user, nice, system, idle, iowait, irq, softirq, steal
		u.busy = ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7)
		u.stolen = ticks(8)
	}
}

// kernel returns the release of Linux's kernel, "" on other systems.
func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// AvailableMemory returns the bytes of memory that Linux says are available, 0 on other systems.
func AvailableMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemAvailable:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
