package inspect

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/archive"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/payload"
	"github.com/lanecast/lanecast/wire"
)

// filledArchive returns the folder of an archive with a lane of three chunks, of which the last one
// lacks its body, and one pushed above it.
func filledArchive(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "member-0", "archive")
	a, err := archive.Open(archive.Config{Dir: dir, Create: true, Namespace: []byte("_TEST"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	parent := wire.Digest{}
	for h := range uint64(4) {
		body := []byte(strings.Repeat("body", 500+int(h)))
		tree := payload.Build(body)
		b := archive.Body{Tree: tree, Bytes: body, Header: payload.Header{
			Sequencer: wire.PublicKey{9}, Height: h, Parent: parent, BodySize: tree.BodySize(), Root: tree.Root()}}
		parent = payload.Digest([]byte("_TEST"), &b.Header)
		use := archive.ForVote
		if h == 3 {
			use = archive.Pushed
		}
		if h == 2 {
			err = a.PutHeaders([]payload.Header{b.Header}, nil)
		} else {
			err = a.Put(use, b, nil)
		}
		if err == nil {
			err = a.Flush(t.Context())
		}
		if err == nil && h == 1 {
			err = a.PutLock(wire.Lock{Epoch: 5, Chunk: wire.Chunk{Sequencer: wire.PublicKey{9}, Height: 1, Payload: parent}}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

type archiveReport struct {
	Archives []archiveInspection `json:"archives"`
	OK       bool                `json:"ok"`
}

func inspectArchiveJSON(t *testing.T, dir string, status int, flags ...string) archiveInspection {
	t.Helper()
	o := loadgen(t.Context(), append([]string{"archive", "inspect", dir, "--json"}, flags...)...)
	if o.Status != status {
		t.Fatalf("status %d, want %d; %s%s", o.Status, status, o.Stdout, o.Stderr)
	}
	var r archiveReport
	if err := json.Unmarshal([]byte(o.Stdout), &r); err != nil || len(r.Archives) != 1 || r.OK != (status == cli.Good) {
		t.Fatalf("%v in:\n%s", err, o.Stdout)
	}
	return r.Archives[0]
}

func TestInspectingAnArchiveShowsItsLanes(t *testing.T) {
	dir := filledArchive(t)
	for _, d := range []string{dir, filepath.Dir(dir)} {
		i := inspectArchiveJSON(t, d, cli.Good)
		if i.Namespace != "_TEST" || !i.Clean || !i.Read || i.Headers != 3 || i.Bodies != 2 || i.Pushed != 1 || len(i.Lanes) != 1 || len(i.Segments) != 1 ||
			i.Bytes != i.Live+72 {
			t.Fatalf("%+v", i)
		}
		l := i.Lanes[0]
		if l.Top == nil || l.Top.Height != 2 || l.Top.Held || len(l.Locks) != 1 || l.Locks[0].Height != 1 || l.Locks[0].Epoch != 5 || l.Bodies != 2 {
			t.Fatalf("%+v", l)
		}
	}
	o := loadgen(t.Context(), "archive", "inspect", dir)
	for _, want := range []string{"3 headers, 2 bodies, 1 pushed", "top at height 2", "without its body", "lock        height 1, epoch 5", "damage        none"} {
		if !strings.Contains(o.Stdout, want) {
			t.Errorf("%q is not in\n%s", want, o.Stdout)
		}
	}
}

func TestInspectingAnArchiveFindsDamage(t *testing.T) {
	dir := filledArchive(t)
	segment := filepath.Join(dir, "data", "0000000000000001.data")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), b...)
	flipped[1000] ^= 1
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(segment, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(flipped)
	i := inspectArchiveJSON(t, dir, cli.Bad)
	if len(i.Damage) != 1 || i.Damage[0].Offset != 72 || !strings.Contains(i.Damage[0].Reason, "height 0") {
		t.Fatalf("%+v", i)
	}
	if i := inspectArchiveJSON(t, dir, cli.Good, "--index-only"); i.Read {
		t.Fatalf("%+v", i)
	}
	o := loadgen(t.Context(), "archive", "inspect", dir)
	if o.Status != cli.Bad || !strings.Contains(o.Stdout, "DAMAGE") || strings.Contains(o.Stdout, "damage        none") {
		t.Fatalf("%s%s", o.Stdout, o.Stderr)
	}
	write(b[:len(b)-8])
	if i := inspectArchiveJSON(t, dir, cli.Bad, "--index-only"); i.Lost != 1 {
		t.Fatalf("%+v", i)
	}
	write(b)
	index := filepath.Join(dir, "index", "0000000000000001.seg")
	if err := os.Truncate(index, 200); err != nil {
		t.Fatal(err)
	}
	if i := inspectArchiveJSON(t, dir, cli.Bad); len(i.Problems) != 1 {
		t.Fatalf("%+v", i)
	}
}

func TestInspectingAFolderThatIsNoArchiveIsAnErrorOfUse(t *testing.T) {
	for _, args := range [][]string{{"archive"}, {"archive", "inspect"}, {"archive", "inspect", t.TempDir()}, {"archive", "inspect", "/nowhere"}} {
		if o := loadgen(t.Context(), args...); o.Status != cli.Usage || strings.Count(o.Stderr, "\n") != 1 {
			t.Errorf("%v: status %d, %s", args, o.Status, o.Stderr)
		}
	}
}
