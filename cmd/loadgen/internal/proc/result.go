package proc

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/link"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/member"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
	"github.com/lanecast/lanecast/wire"
)

// Result is the result of one member. Its figures cover this process alone; the counts of processes
// that were killed before it are in the record. «loadgen merge» makes the network's result from the
// results of all members.
type Result struct {
	report.Summary
	Member   int             `json:"member"`
	Identity wire.PublicKey  `json:"identity"`
	Network  *config.Network `json:"network"`
	// NetworkHash is the SHA-256 of the network's file.
	NetworkHash string  `json:"network_hash"`
	Run         Agreed  `json:"run"`
	Starts      int     `json:"starts"` // number of processes of this member so far
	Clock       string  `json:"clock"`  // see host.Clock
	Clocks      []Clock `json:"clocks"` // of the other members
	Record      string  `json:"record"` // name of the file beside this one
	Certified   int64   `json:"certified"`

	Traffic      link.Traffic `json:"traffic"`
	NetworkBytes uint64       `json:"network_bytes"` // sent
}

var _ report.Result = (*Result)(nil)

// Read reads a member's result.
func Read(name string) (*Result, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if r.Mode != "member" || r.Network == nil || r.Member < 1 || r.Member > len(r.Network.Members) || r.Run.Begin >= r.Run.End {
		return nil, fmt.Errorf("%s is not the result of a member", name)
	}
	if err := r.Network.Check(); err != nil {
		return nil, fmt.Errorf("%s: network: %w", name, err)
	}
	if r.Identity != r.Network.Members[r.Member-1].Identity {
		return nil, fmt.Errorf("%s: identity %v is not that of member %d", name, r.Identity, r.Member)
	}
	return r, nil
}

// conclude fills in the fields that are known only at the end.
func (r *Result) conclude(run *member.Run) {
	if n := r.AcksInvalid; n > 0 {
		run.Problems.Fault("%d acks were called invalid, although all members are honest", n)
	}
	if n := r.CertificatesInvalid; n > 0 {
		run.Problems.Fault("%d certificates were called invalid, although all members are honest", n)
	}
	r.AddProblems(&run.Problems)
}

// Title implements report.Result.
func (r *Result) Title() string {
	return fmt.Sprintf("loadgen, member %d of %d", r.Member, len(r.Network.Members))
}

// Print writes the summary for people.
func (r *Result) Print(w io.Writer, whole time.Duration) {
	cli.Say(w, "")
	cli.Field(w, "member %d of %d, %s, %s acks%s", r.Member, len(r.Network.Members), r.Algorithm(), r.Signatures, r.Summary.Network())
	cli.Field(w, "  ran           %.1f s%s (%.1f s in all), process %d of this member", r.Duration, report.InterruptedNote(r.Interrupted), whole.Seconds(), r.Starts)
	cli.Field(w, "  certificates  %d of its own lane (%.1f/s)", r.Certificates, r.CertificatesPerSecond)
	r.PrintLatency(w)
	cli.Field(w, "  received      %d acks (%.0f/s), %d invalid; %d nodes", r.AcksReceived, r.AcksPerSecond, r.AcksInvalid, r.NodesReceived)
	r.PrintBodies(w)
	cli.Field(w, "  network       %.2f MB sent", float64(r.NetworkBytes)/1e6)
	cli.Field(w, "  used          %.2f s CPU; %.0f MiB at most", r.CPU, float64(r.MaxRSS)/(1<<20))
	r.PrintMachine(w)
	for _, p := range r.Problems {
		cli.Field(w, "  problem       %s", p)
	}
}

func defaultWorkers() int { return max(1, runtime.GOMAXPROCS(0)-1) }
