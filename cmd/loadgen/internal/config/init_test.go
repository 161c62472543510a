package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/bodies"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/verify"
	"github.com/lanecast/lanecast/wire"
)

func TestEveryMemberSignsForTheSchemeThatAllShare(t *testing.T) {
	for _, c := range []struct{ scheme, variant, weights string }{
		{"multisig", "minsig", "zipf"}, {"multisig", "minpk", "equal"}, {"threshold", "minsig", "equal"}, {"threshold", "minpk", "equal"},
		{"ed25519", "minsig", "zipf"}, {"secp256r1", "minsig", "equal"},
	} {
		t.Run(c.scheme+" "+c.variant, func(t *testing.T) {
			dir := network(t, func(p *Plan) {
				p.Scheme, p.Variant, p.Weights, p.Validators, p.Sequencers = c.scheme, c.variant, c.weights, 4, 5
			})
			for i := 1; i <= 5; i++ {
				f, err := Open(filepath.Join(dir, MemberFolder(i)))
				if err != nil {
					t.Fatal(err)
				}
				s, err := f.Network.NewScheme()
				if err != nil {
					t.Fatal(err)
				}
				signer, err := f.AckSigner(s)
				if err != nil {
					t.Fatal(err)
				}
				participant, is := s.Index(f.ID())
				if !is || signer == nil {
					if i <= 4 || is || signer != nil {
						t.Errorf("member %d: participant %v, signer %v", i, is, signer)
					}
					continue
				}
				if int(participant) != i-1 {
					t.Errorf("member %d is participant %d", i, participant)
				}
				subject := wire.Subject{Chunk: wire.Chunk{Sequencer: f.ID(), Height: 3}}
				signature, err := signer.SignAck(t.Context(), subject)
				if err != nil {
					t.Fatal(err)
				}
				ack := wire.Ack{Chunk: subject.Chunk, Participant: participant, Signature: signature}
				if err := verify.VerifyAck(s, &ack); err != nil {
					t.Errorf("member %d: %v", i, err)
				}
				if w := s.Weights().Of(participant); c.weights == "zipf" && w != f.Self().Weight {
					t.Errorf("member %d weighs %d, want %d", i, w, f.Self().Weight)
				}
			}
		})
	}
}

func TestKeysAreForTheirOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permissions there")
	}
	dir := network(t, nil)
	member := filepath.Join(dir, MemberFolder(2))
	for name, want := range map[string]os.FileMode{dir: 0o700, member: 0o700, filepath.Join(member, identityKeyName): 0o600, filepath.Join(member, ackKeyName): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	if err := os.Chmod(filepath.Join(member, ackKeyName), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(member); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	// Only these two files contain a secret.
	secrets := make(map[string]string)
	for i := 1; i <= 4; i++ {
		for _, name := range []string{identityKeyName, ackKeyName} {
			b, err := os.ReadFile(filepath.Join(dir, MemberFolder(i), name))
			if err != nil {
				t.Fatal(err)
			}
			key := strings.TrimSpace(string(b))
			if other, twice := secrets[key]; twice {
				t.Errorf("%s of member %d is that of %s", name, i, other)
			}
			secrets[key] = fmt.Sprint(name, i)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, NetworkName))
	if err != nil {
		t.Fatal(err)
	}
	for key := range secrets {
		if strings.Contains(string(b), key) {
			t.Error("a secret key is in the file that all share")
		}
	}
}

func TestKeysAreNeverOverwritten(t *testing.T) {
	dir := network(t, nil)
	if err := Init(dir, plan(t, nil)); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("%v", err)
	}
}

func TestAMemberWithAnothersKeyIsRefused(t *testing.T) {
	dir := network(t, nil)
	key, err := os.ReadFile(filepath.Join(dir, MemberFolder(1), identityKeyName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, MemberFolder(2), identityKeyName), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, MemberFolder(2))); err == nil || !strings.Contains(err.Error(), "members[1] of the network is") {
		t.Errorf("%v", err)
	}
}

func TestInitNeedsAnAddressForEachMember(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "network")
	run := func(args ...string) clitest.Outcome {
		return clitest.Run(t.Context(), clitest.Root(NewCommand()), append([]string{"init", dir}, args...)...)
	}
	clitest.OneLineError(t, run("--validators", "4", "--address", "a:1,b:2,c:3"), cli.Usage, "--address", "4 for 4 validators", "got 3")
	clitest.OneLineError(t, run("--address", "a:1,b:2,c:3,a:1"), cli.Usage, "members[3].address", "members[0]")
	clitest.OneLineError(t, run("--address", "a:1,b:2,c:3,d"), cli.Usage, "members[3].address", "HOST:PORT")
	clitest.OneLineError(t, run("--address", "a:1,b:2,c:3,d:4", "--start", "noon"), cli.Usage, "run.start")
	clitest.OneLineError(t, run("--address", "a:1,b:2,c:3,d:4", "--bandwidth", "0.5"), cli.Usage, "bandwidth")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a refused command left files: %v", err)
	}
	o := run("--address", "a:1", "--address", "b:2,c:3,[::1]:4", "--seed", "5")
	if o.Status != cli.Good || strings.Count(o.Stdout, "\n") != 4 || !strings.Contains(o.Stdout, "[::1]:4") {
		t.Fatalf("%+v", o)
	}
	for i, want := range []string{":1", ":2", ":3", "[::1]:4"} {
		f, err := Open(filepath.Join(dir, MemberFolder(i+1)))
		if err != nil {
			t.Fatal(err)
		}
		if f.Member.Listen != want {
			t.Errorf("member %d listens at %s, want %s", i+1, f.Member.Listen, want)
		}
	}
}

func TestFollowersComeLastAndOnlyWithBodies(t *testing.T) {
	dir := network(t, func(p *Plan) {
		p.Bodies, p.Keep, p.PerDisk = bodies.Load{Size: 4096, Rate: 2, Follow: 2}, DefaultKeep, 1
	})
	f, err := Open(filepath.Join(dir, MemberFolder(6)))
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Network; !f.Self().Follower || len(n.Followers()) != 2 || n.Validators() != 4 || len(n.Lanes()) != 4 || n.Payload.Size != 4096 || n.Payload.Rate != 2 {
		t.Errorf("%+v", n)
	}
	b, err := os.ReadFile(filepath.Join(dir, NetworkName))
	if err != nil {
		t.Fatal(err)
	}
	for old, c := range map[string]struct{ new, want string }{
		`"size": 4096`:              {`"size": 1`, "payload.size"},
		`"bodies_rate_per_lane": 2`: {`"bodies_rate_per_lane": -2`, "payload.bodies_rate_per_lane"},
		`"keep": "1m0s"`:            {`"keep": "0s"`, "payload.keep"},
		`"members_per_disk": 1`:     {`"members_per_disk": 0`, "payload.members_per_disk"},
		`"follower": true`:          {`"follower": true, "weight": 1`, "members[4]"},
		`"payload": {`:              {`"payload": null, "run": {`, "stands twice"},
	} {
		if !strings.Contains(string(b), old) {
			t.Fatalf("no %s in:\n%s", old, b)
		}
		if _, err := ParseNetwork([]byte(strings.Replace(string(b), old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.new, err)
		}
	}
}
