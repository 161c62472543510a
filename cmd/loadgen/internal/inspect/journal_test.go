package inspect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cluster"
	"github.com/lanecast/lanecast/journal"
)

// workedFolder returns a --data folder in which a small cluster has run, and the run's result.
func workedFolder(t *testing.T) (string, *cluster.Result) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return dir, clitest.MustRun[cluster.Result](t, cluster.NewCommand(), "--data", dir, "--scheme", "ed25519", "--latency", "3ms", "--duration", clitest.Brief)
}

type inspectReport struct {
	Journals []journalInspection `json:"journals"`
	OK       bool                `json:"ok"`
}

func inspectJSON(t *testing.T, dir string, status int) inspectReport {
	t.Helper()
	o := loadgen(t.Context(), "journal", "inspect", dir, "--json")
	if o.Status != status {
		t.Fatalf("status %d, want %d; %s%s", o.Status, status, o.Stdout, o.Stderr)
	}
	var r inspectReport
	if err := json.Unmarshal([]byte(o.Stdout), &r); err != nil {
		t.Fatalf("%v in:\n%s", err, o.Stdout)
	}
	if r.OK != (status == cli.Good) {
		t.Errorf("ok is %v", r.OK)
	}
	return r
}

// firstSegment returns the file of a member's first segment.
func firstSegment(dir string) string {
	return filepath.Join(dir, "member-0000", "0000000000000001.seg")
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "member-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = string(b)
	}
	return all
}

func TestInspectSaysWhatJournalsHoldAndChangesNothing(t *testing.T) {
	t.Parallel()
	dir, worked := workedFolder(t)
	before := contents(t, dir)
	r := inspectJSON(t, dir, cli.Good)
	if len(r.Journals) != 4 {
		t.Fatalf("%d journals", len(r.Journals))
	}
	for i, j := range r.Journals {
		if len(j.Lanes) != 4 || j.Nodes+j.Certificates+j.Proposals+j.Others != j.Records || j.Proposals == 0 || j.Others == 0 || !j.Clean || j.Segments != 1 || j.Torn != nil || j.Damage != nil {
			t.Errorf("%+v", j)
		}
		if m := j.Watermark; m == nil || m.File != filepath.Base(firstSegment(dir)) || m.Offset != j.Bytes || m.Next != j.Last+1 {
			t.Errorf("watermark %+v of %+v", m, j)
		}
		for _, l := range j.Lanes {
			if l.Tip == nil || l.Certified == nil {
				t.Errorf("journal %d: lane %+v", i, l)
				continue
			}
			// A member that is behind may skip nodes of others, never its own.
			own := l.Sequencer == worked.Lanes[i].Sequencer
			if n := int64(l.Tip.Height) + 1; l.Nodes > n || own && l.Nodes != n || l.Tip.Position > j.Last || l.Certified.Position > j.Last {
				t.Errorf("journal %d: %d nodes, %d certificates, tip %+v, certified %+v", i, l.Nodes, l.Certificates, *l.Tip, *l.Certified)
			}
			if own && int64(l.Certified.Height) < worked.Lanes[i].Certified {
				t.Errorf("journal %d: its own lane was certified up to %d, and is up to %+v", i, worked.Lanes[i].Certified, *l.Certified)
			}
		}
	}
	one := loadgen(t.Context(), "journal", "inspect", filepath.Join(dir, "member-0001"))
	if one.Status != cli.Good || strings.Count(one.Stdout, "  lane ") != 4 || !strings.Contains(one.Stdout, "damage        none") ||
		!strings.Contains(one.Stdout, "  watermark     "+filepath.Base(firstSegment(dir))+" was durable up to byte ") {
		t.Errorf("status %d:\n%s%s", one.Status, one.Stdout, one.Stderr)
	}
	after := contents(t, dir)
	for name, b := range before {
		if after[name] != b || len(after) != len(before) {
			t.Errorf("%s has changed, or files have come or gone", name)
		}
	}
}

func TestInspectTellsATearFromDamage(t *testing.T) {
	t.Parallel()
	dir, _ := workedFolder(t)
	whole, err := os.ReadFile(firstSegment(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(firstSegment(dir), append(whole, "half a frame"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if torn := inspectJSON(t, dir, cli.Good).Journals[0].Torn; torn == nil || torn.Offset != int64(len(whole)) || torn.Bytes != 12 {
		t.Errorf("torn %+v", torn)
	}
	if err := os.WriteFile(firstSegment(dir), whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if d := inspectJSON(t, dir, cli.Bad).Journals[0].Damage; d == nil || !strings.Contains(d.Reason, "WATERMARK shows") {
		t.Errorf("cut by a byte after Close: damage %+v", d)
	}
	whole[len(whole)/2] ^= 1
	if err := os.WriteFile(firstSegment(dir), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	r := inspectJSON(t, dir, cli.Bad)
	d := r.Journals[0].Damage
	if d == nil || d.File != filepath.Base(firstSegment(dir)) || d.Offset > int64(len(whole)/2) || d.Offset < int64(len(whole)/2)-1000 || d.Reason == "" {
		t.Errorf("damage %+v", d)
	}
	if j := r.Journals[0]; j.FileBytes != int64(len(whole)) || j.Bytes != d.Offset || j.Segments != 1 {
		t.Errorf("%d bytes in files, %d read, %d segments", j.FileBytes, j.Bytes, j.Segments)
	}
	if r.Journals[0].Records == 0 || r.Journals[1].Damage != nil {
		t.Errorf("%+v", r.Journals)
	}
	o := loadgen(t.Context(), "journal", "inspect", dir)
	if o.Status != cli.Bad || !strings.Contains(o.Stdout, "DAMAGE        "+d.File) || !strings.Contains(o.Stderr, "1 of 4 journals") {
		t.Errorf("status %d:\n%s%s", o.Status, o.Stdout, o.Stderr)
	}
}

func TestInspectNamesRecordsThatAreNotTheEngines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j, err := journal.Open(journal.Config{Dir: dir, Create: true, First: []byte("not a record")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range maxRecordProblems + 2 {
		if _, err := j.Append([]byte("not a record")); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	p := inspectJSON(t, dir, cli.Bad).Journals[0].Problems
	if len(p) != maxRecordProblems+1 || !strings.Contains(p[0], "0000000000000001.seg at byte 72, position 1") || p[len(p)-1] != "and 3 more" {
		t.Errorf("%q", p)
	}
}

func TestInspectWantsAJournal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"journal"}, {"journal", "inspect"}, {"journal", "inspect", "a", "b"}, {"journal", "inspect", t.TempDir()},
		{"journal", "inspect", filepath.Join(t.TempDir(), "missing")}, {"journal", "inspect", "--nonsense", t.TempDir()},
	} {
		if o := loadgen(t.Context(), args...); o.Status != cli.Usage || o.Stderr == "" || o.Stdout != "" {
			t.Errorf("%q: status %d, %s%s", args, o.Status, o.Stdout, o.Stderr)
		}
	}
}
