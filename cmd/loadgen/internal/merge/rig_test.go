package merge

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/config"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/proc"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/record"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/setup"
	"github.com/lanecast/lanecast/engine"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestMain(m *testing.M) { clitest.Main(m) }

// rig is a network of four members, which record the entries that a test wants. Their clocks are
// those of four machines.
type rig struct {
	t       *testing.T
	dir     string
	network *config.Network
	scheme  verify.Scheme
	signers []verify.AckSigner
	members []*recorder
	run     proc.Agreed // by the first member's clock
	next    []uint64    // with bodies: final Next of each member in the first lane
}

// bodies returns the final counts of a member, nil without bodies.
func (r *rig) bodies(i int) *measure.Bodies {
	if r.next == nil {
		return nil
	}
	b := &measure.Bodies{Delivered: r.next[i], DeliveredBytes: 1000 * r.next[i], Lanes: []measure.LaneHeights{{Sequencer: r.network.Members[0].Identity, Next: r.next[i]}}}
	if i == 0 {
		b.Made, b.Certified, b.CertifiedBytes, b.Lanes[0].Made = 1, 1, 1000, 1
	}
	return b
}

// recorder is a member's record.
type recorder struct {
	*record.Writer
	dir   string
	run   proc.Agreed
	hash  string
	clock string
}

const runSeconds = 60

// newRig makes a network whose members agreed on a run that began some seconds ago.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "network")}
	plan := &config.Plan{Config: *setup.Default(), Run: config.Run{Duration: config.Duration(runSeconds * time.Second)}}
	plan.Scheme = "ed25519"
	for i := range 4 {
		plan.Addresses = append(plan.Addresses, fmt.Sprintf("10.0.0.%d:7600", i+1))
	}
	if err := plan.Check(); err != nil {
		t.Fatal(err)
	}
	if err := config.Init(r.dir, plan); err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-5 * time.Second).UnixNano()
	r.run = proc.Agreed{ID: 77, Begin: begin, End: begin + int64(runSeconds*time.Second)}
	for i := range 4 {
		f, err := config.Open(filepath.Join(r.dir, config.MemberFolder(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		if r.network == nil {
			r.network = f.Network
			if r.scheme, err = f.Network.NewScheme(); err != nil {
				t.Fatal(err)
			}
		}
		s, err := f.AckSigner(r.scheme)
		if err != nil {
			t.Fatal(err)
		}
		r.signers = append(r.signers, s)
		m := &recorder{dir: f.Dir, run: r.run, hash: fmt.Sprintf("%x", f.Hash), clock: fmt.Sprint("machine ", i)}
		if m.Writer, err = record.Open(filepath.Join(f.Dir, proc.RecordName), nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Writer.Close() })
		m.JSON(record.Start, proc.Started{PID: 1, Clock: m.clock})
		m.JSON(record.Ready, struct{}{})
		m.JSON(record.Run, m.run)
		m.JSON(record.Moment, proc.Counters{Begins: true, CPU: 100, Certificates: 5})
		r.members = append(r.members, m)
	}
	return r
}

// chunk returns a chunk of a member's lane that was proposed this long after the begin of the run.
func (r *rig) chunk(lane int, height uint64, after time.Duration) wire.Chunk {
	id := r.network.Members[lane].Identity
	p := setup.Payloads{Seed: r.network.Seed, Run: uint64(r.members[lane].run.Begin + int64(after))}
	return wire.Chunk{Sequencer: id, Height: height, Payload: p.Digest(engine.Place{Sequencer: id, Height: height})}
}

// lock returns a lock of a chunk, with a certificate from all members.
func (r *rig) lock(c wire.Chunk) *wire.Lock {
	r.t.Helper()
	subject := wire.Subject{Chunk: c, Epoch: setup.Epoch}
	st := &verify.Statement{Scheme: r.scheme, Subject: subject, Signers: wire.NewSigners(len(r.signers))}
	for i, signer := range r.signers {
		vote, err := signer.SignAck(r.t.Context(), subject)
		if err != nil {
			r.t.Fatal(err)
		}
		st.Signers.Add(wire.Participant(i))
		st.Slab = append(st.Slab, vote...)
	}
	combined, unreadable := r.scheme.Combine(st, st.Signers)
	if combined == nil || len(unreadable) > 0 {
		r.t.Fatalf("combining failed: %v", unreadable)
	}
	return &wire.Lock{Chunk: c, Epoch: setup.Epoch, Certificate: combined.AppendCertificate(nil)}
}

// certify notes at all members that the next chunk of each lane was certified.
func (r *rig) certify(height uint64) {
	r.t.Helper()
	for lane := range r.members {
		l := r.lock(r.chunk(lane, height, time.Second))
		for _, m := range r.members {
			m.Lock(l)
		}
	}
}

// finish notes the end of the run at a member, and writes its result.
func (r *rig) finish(i int, change func(*proc.Result)) string {
	r.t.Helper()
	m := r.members[i]
	m.JSON(record.Moment, proc.Counters{CPU: 100 + int64(time.Second), Certificates: 8, Bodies: r.bodies(i)})
	m.JSON(record.End, proc.Ended{Run: m.run.ID, Bodies: r.bodies(i)})
	res := &proc.Result{
		Member: i + 1, Identity: r.network.Members[i].Identity, Network: r.network, NetworkHash: m.hash, Run: m.run,
		Starts: 1, Clock: m.clock, Record: proc.RecordName,
	}
	res.Mode, res.OK, res.Duration = "member", true, runSeconds
	res.BatchSizes = []measure.Bucket{{UpTo: 1, Count: 2}}
	res.MeanBatch = 1
	if change != nil {
		change(res)
	}
	b, err := json.Marshal(res)
	if err != nil {
		r.t.Fatal(err)
	}
	name := filepath.Join(m.dir, proc.ResultName)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return name
}

// finishAll notes the end of the run at all members and merges their results.
func (r *rig) finishAll() *cluster.Result {
	r.t.Helper()
	var names []string
	for i := range r.members {
		names = append(names, r.finish(i, nil))
	}
	res, err := Files(names)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}
