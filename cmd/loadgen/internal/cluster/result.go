package cluster

import (
	"fmt"
	"io"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Result is the result of a cluster's run.
type Result struct {
	report.Summary
	Latency float64      `json:"link_latency_ms"`
	Loss    float64      `json:"link_loss"`
	Dropped uint64       `json:"dropped"` // messages dropped by full inboxes and outboxes
	Lanes   []LaneResult `json:"lanes"`

	// Set if members are separate processes.
	*Processes
}

// Processes has the further fields of a result whose members are separate processes.
type Processes struct {
	Count     int     `json:"processes"`
	Hosts     int     `json:"hosts"` // number of machines
	Jitter    float64 `json:"link_jitter_ms"`
	Bandwidth float64 `json:"link_bandwidth_mbit_per_s"`
	// NetworkBytes counts the bytes that TCP has sent for all members, without its headers; on
	// systems that do not provide this count, the bytes of messages.
	NetworkBytes  uint64 `json:"network_bytes"`
	Packets       uint64 `json:"network_packets"`
	Retransmitted uint64 `json:"network_retransmitted_bytes"` // part of NetworkBytes
	// Kills is the number of kills by this program; RestartMS is the time from a kill until a
	// process is connected to a quorum again.
	Kills     int               `json:"kills"`
	RestartMS measure.Quantiles `json:"restart_ms"`
	Members   []MemberResult    `json:"members"`
	// Others is the time from a chunk's proposal to its lock at each other member, for members
	// whose clock offset is known, to within OthersError.
	Others        measure.Quantiles `json:"lock_elsewhere_ms"`
	OthersError   float64           `json:"lock_elsewhere_error_ms"`
	OthersSamples int64             `json:"lock_elsewhere_samples"`
	Pairs         []Pair            `json:"lock_elsewhere"`
	LeftOut       int               `json:"lock_elsewhere_left_out"` // pairs without clock offset
}

// MemberResult is one member's part.
type MemberResult struct {
	Number       int               `json:"member"`
	Host         string            `json:"host"`
	Starts       int               `json:"starts"` // number of processes in the run
	Certificates uint64            `json:"certificates"`
	LatencyMS    measure.Quantiles `json:"latency_ms"`
	CPU          float64           `json:"cpu_s"`
	MaxRSS       int64             `json:"max_rss_bytes"`
	SentBytes    uint64            `json:"sent_bytes"`
	Received     uint64            `json:"received_bytes"`
}

// Pair is the latency from one member's proposals to the locks at another.
type Pair struct {
	From    int     `json:"from"`
	To      int     `json:"to"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Samples int64   `json:"samples"`
	// Offset is the mean offset by which the clock of From was ahead of that of To, to within
	// Error; both are 0 for processes of one machine.
	Offset float64 `json:"offset_ms"`
	Error  float64 `json:"error_ms"`
}

// LaneResult holds the heights of a lane; −1 for none.
type LaneResult struct {
	Sequencer string `json:"sequencer"`
	Recovered int64  `json:"recovered"` // highest height that any member had when the run began
	Certified int64  `json:"certified"` // highest height certified in this run
}

// Title implements report.Result.
func (r *Result) Title() string {
	return fmt.Sprintf("loadgen, a cluster of %d validators and %d sequencers", r.Validators, r.Sequencers)
}

// Measures implements report.Result.
func (r *Result) Measures() map[string]float64 {
	m := r.Summary.Measures()
	m["dropped"] = float64(r.Dropped)
	if r.Processes != nil {
		m["kills"], m["network_bytes"] = float64(r.Kills), float64(r.NetworkBytes)
	}
	return m
}

// Parameters implements report.Result.
func (r *Result) Parameters() []report.Parameter {
	p := append(r.Summary.Parameters(), report.Parameter{Name: "link_latency_ms", Value: r.Latency}, report.Parameter{Name: "link_loss", Value: r.Loss})
	if r.Processes != nil {
		p = append(p, report.Parameter{Name: "processes", Value: r.Count}, report.Parameter{Name: "hosts", Value: r.Hosts},
			report.Parameter{Name: "link_jitter_ms", Value: r.Jitter}, report.Parameter{Name: "link_bandwidth_mbit_per_s", Value: r.Bandwidth})
	}
	return p
}

// Print writes the summary for people.
func (r *Result) Print(w io.Writer, whole time.Duration) {
	cli.Say(w, "")
	cli.Field(w, "%d validators, %d sequencers, %s, %s acks%s, seed %d", r.Validators, r.Sequencers, r.Algorithm(), r.Signatures, r.Network(), r.Seed)
	cli.Field(w, "  ran           %.1f s%s (%.1f s with start and audit)", r.Duration, report.InterruptedNote(r.Interrupted), whole.Seconds())
	cli.Field(w, "  certificates  %d (%.1f/s), lanes at %s", r.Certificates, r.CertificatesPerSecond, r.heights())
	r.PrintLatency(w)
	r.PrintBodies(w)
	cli.Field(w, "  received      %d acks (%.0f/s), %d invalid; %d nodes; %d messages dropped", r.AcksReceived, r.AcksPerSecond, r.AcksInvalid, r.NodesReceived, r.Dropped)
	r.PrintMessages(w)
	cli.Field(w, "  used          %.2f s CPU, %.0f µs per certificate; %.0f MiB at most", r.CPU, r.CPUPerCertificate, float64(r.MaxRSS)/(1<<20))
	if r.Processes != nil {
		r.printProcesses(w)
	}
	r.PrintMachine(w)
	r.PrintEnd(w)
}

// printProcesses writes the lines about processes and their connections.
func (r *Result) printProcesses(w io.Writer) {
	machines := ""
	if r.Hosts > 1 {
		machines = fmt.Sprintf(" on %d machines", r.Hosts)
	}
	cli.Field(w, "  processes     %d%s; %.2f MB sent in %d packets, %.2f MB of them again", r.Count, machines, float64(r.NetworkBytes)/1e6, r.Packets, float64(r.Retransmitted)/1e6)
	if r.Kills > 0 {
		cli.Field(w, "  killed        %d times; connected to a quorum again after p50 %.0f ms, at most %.0f ms", r.Kills, r.RestartMS.P50, r.RestartMS.Max)
	}
	if r.OthersSamples > 0 {
		cli.Field(w, "  elsewhere     locks at other members after p50 %.1f ms, p99 %.1f ms, to within %.2f ms", r.Others.P50, r.Others.P99, r.OthersError)
	}
	if r.Bodies != nil && r.OthersError > 0 {
		cli.Field(w, "  clocks        deliveries are timed by two clocks, right to within %.2f ms", r.OthersError)
	}
	if r.LeftOut > 0 {
		cli.Field(w, "  left out      latencies between %s: the offset of their clocks is not known", cli.Counted(r.LeftOut, "pair"))
	}
}

// heights returns the range of the lanes' heights.
func (r *Result) heights() string {
	if len(r.Lanes) == 0 {
		return "none"
	}
	low, high := r.Lanes[0].Certified, r.Lanes[0].Certified
	for _, l := range r.Lanes {
		low, high = min(low, l.Certified), max(high, l.Certified)
	}
	if low == high {
		return fmt.Sprintf("height %d", low)
	}
	return fmt.Sprintf("heights %d to %d", low, high)
}
