package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lanecast/lanecast/internal/testkit"
	"github.com/lanecast/lanecast/interop/internal/record"
	"github.com/lanecast/lanecast/wire"
)

// This test binary is also a process of a network, and replaces upstream's program for dealing sets
// and checking certificates: so a whole network of Lanecast's engines runs without Rust.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		do := map[string]func(args []string) error{
			nodeCommand: func(args []string) error { return runNode(context.Background(), args, os.Stdout) },
			"deal":      deal, "check": check,
		}[os.Args[1]]
		if do != nil {
			if err := do(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// deal writes an Ed25519 set of four to the file at the end of the command line.
func deal(args []string) error {
	type entry struct{ Seed, Identity string }
	var f struct {
		Namespace, Scheme string
		Validators        []entry
	}
	f.Namespace, f.Scheme = hex.EncodeToString([]byte("interop")), "ed25519"
	for _, k := range testkit.Identities(4, 1) {
		id := testkit.Identity(k)
		f.Validators = append(f.Validators, entry{hex.EncodeToString(k.Seed()), hex.EncodeToString(id[:])})
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return os.WriteFile(args[len(args)-1], text, 0o644)
}

// check counts the different certificates in the files after the set's arguments.
func check(args []string) error {
	different := map[string]bool{}
	for _, name := range args[6:] {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		err = record.ReadLocks(bytes.NewReader(text), func(l record.Lock) { different[string(l.Lock.AppendTo(nil))] = true })
		if err != nil {
			return err
		}
	}
	_, err := fmt.Printf(`{"valid": %d, "invalid": 0}`, len(different))
	return err
}

// ports returns the first of four consecutive free ports, below the range for outgoing connections.
func ports(t *testing.T) int {
	t.Helper()
	for try := range 100 {
		first := 20000 + (os.Getpid()+try)%2500*4
		free := true
		for i := range 4 {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(first+i)))
			if err != nil {
				free = false
				continue
			}
			_ = l.Close()
		}
		if free {
			return first
		}
	}
	t.Fatal("no four ports in a row are free")
	return 0
}

// quick returns options of a short run with this binary in upstream's place.
func quick(t *testing.T) options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return options{
		scheme: "ed25519", duration: 8 * time.Second, pace: 20 * time.Millisecond, rebroadcast: 200 * time.Millisecond,
		port: ports(t), upstream: self, dir: filepath.Join(t.TempDir(), "run"),
	}
}

func TestANetworkOfProcessesWithAKillAndALateJoinerIsSound(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 8 s")
	}
	o := quick(t)
	o.kill, o.late = []string{"1@1s-2s"}, []string{"3@1s"}
	v, err := run(context.Background(), "LLLL", o)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	v.print(&out)
	if len(v.Problems) > 0 || v.Certificates == 0 || !strings.Contains(out.String(), "sound") {
		t.Error(out.String())
	}
	if len(v.network.all[1]) != 2 || len(v.network.all[3]) != 1 {
		t.Errorf("%d processes of validator 1, %d of 3", len(v.network.all[1]), len(v.network.all[3]))
	}
}

func TestARunThatCannotBeginReportsTheReason(t *testing.T) {
	o := quick(t)
	o.upstream = filepath.Join(t.TempDir(), "nothing")
	if _, err := run(context.Background(), "LLLL", o); err == nil || !strings.Contains(err.Error(), "deal") {
		t.Errorf("%v", err)
	}
	o = quick(t)
	if err := os.Mkdir(o.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := run(context.Background(), "LLLL", o); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a folder that is there: %v", err)
	}
	o = quick(t)
	o.kill = []string{"0@1s-9s"}
	if _, err := run(context.Background(), "LLLL", o); err == nil || !strings.Contains(err.Error(), "time to grow") {
		t.Errorf("%v", err)
	}
}

func TestTheHighestLockOfEachLaneIsAdopted(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i, heights := range [][]uint64{{3, 5, 4}, {6, 2}} {
		var text []byte
		for _, h := range heights {
			for lane := range byte(2) {
				l := record.Lock{At: time.UnixMilli(1)}
				l.Chunk.Sequencer, l.Chunk.Height = wire.PublicKey{lane}, h+uint64(lane)
				text = l.AppendTo(text)
			}
		}
		names = append(names, filepath.Join(dir, fmt.Sprint(i)))
		if err := os.WriteFile(names[i], append(text, "torn"...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	locks, err := highest(names)
	if err != nil || len(locks) != 2 {
		t.Fatalf("%v, %v", locks, err)
	}
	for _, l := range locks {
		if want := 6 + uint64(l.Chunk.Sequencer[0]); l.Chunk.Height != want {
			t.Errorf("%v: height %d, want %d", l.Chunk.Sequencer, l.Chunk.Height, want)
		}
	}
	if _, err := highest([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("no error")
	}
}

func TestAWrongCommandLineIsAnErrorThatNamesTheFault(t *testing.T) {
	for args, says := range map[string]string{
		"":                         "one mix is needed",
		"UU LL":                    "one mix is needed",
		"UULL --scheme rsa":        "--scheme must be",
		"UULL --duration 500ms":    "--duration must be",
		"UULL --pace -1s":          "--pace must be",
		"UULL --loss 1":            "--loss must be",
		"UULL --port 0":            "--port must be",
		"UXLL --upstream x":        "neither U",
		"UULL --upstream x --kill": "needs an argument",
		"node --index 9":           "no such file",
	} {
		err := execute(context.Background(), strings.Fields(args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestEveryScenarioOfTheTableIsAPlan(t *testing.T) {
	for _, mix := range mixes {
		for _, s := range scenarios {
			o := options{duration: time.Second}
			s.change(mix, &o)
			if _, err := o.plan(mix); err != nil {
				t.Errorf("%s, %s: %v", mix, s.what, err)
			}
		}
	}
}
