package main

import (
	"bufio"
	"os"
	"runtime"
	"strings"
)

// machine is what a run was measured on.
type machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Procs int    `json:"gomaxprocs"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Go    string `json:"go"`
}

func thisMachine() machine {
	return machine{
		CPU: cpuName(), Cores: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
	}
}

// cpuName is what Linux calls the processor, "" elsewhere.
func cpuName() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
