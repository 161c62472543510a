package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/compare"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/inspect"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/sweep"
)

func TestAWrongCommandLineGetsOneLineAndStatus2(t *testing.T) {
	dir, full, letters := t.TempDir(), t.TempDir(), t.TempDir()
	letter := filepath.Join(full, "letter.txt")
	if err := os.WriteFile(letter, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	heavy, light := filepath.Join(letters, "heavy"), filepath.Join(letters, "light")
	for name, text := range map[string]string{heavy: "7\n1\n1\n1\n", light: "1\n9\n9\n9\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	none := filepath.Join(dir, "none", "file")
	for _, c := range []struct{ args, want string }{
		{"--frobnicate", "--frobnicate"},
		{"cluster", `"cluster"`},
		{"nodee", `"nodee", did you mean node?`},
		{"--validator 4", "did you mean --validators?; loadgen --help"},
		{"node --in-fligt 4", "did you mean --in-flight?; loadgen node --help lists the flags"},
		{"sweep 1", "loadgen sweep --help lists the flags"},
		{"journal inspect --jsn dir", "did you mean --json?; loadgen journal inspect --help"},
		{"--loss 100%", "--loss must be from 0 to less than 1, got 1"},
		{"--validators 0", "--validators must be from 1 to 256"},
		{"--validators 2000", "--validators must be from 1 to 256"},
		{"--sequencers 0", "--sequencers must be from 1 to 1000"},
		{"--sequencers 1001", "--sequencers must be from 1 to 1000"},
		{"--scheme rsa", "--scheme must be multisig, threshold, ed25519 or secp256r1"},
		{"--variant g1", "--variant must be minsig or minpk"},
		{"--signatures zipped", "--signatures must be compressed or uncompressed"},
		{"--scheme ed25519 --signatures uncompressed", "--signatures uncompressed is for BLS"},
		{"--scheme secp256r1 --signatures uncompressed", "--signatures uncompressed is for BLS"},
		{"--acks some", "--acks must be all or sequencer"},
		{"--weights " + none, "--weights"},
		{"--weights " + letter, "ends after line 0; there are 4 validators"},
		{"--weights " + dir, "--weights"},
		{"--weights zipf --scheme threshold", "--weights is not for threshold"},
		{"--workers 0", "--workers must be from 1 to 1024"},
		{"--batch-size 0", "--batch-size must be from 1 to 65536"},
		{"--batch-delay 2s", "--batch-delay must be from 0 to 1s"},
		{"--duration 0s", "--duration must be above 0"},
		{"--latency -1s", "--latency must be from 0 to 1m"},
		{"--loss 1", "--loss must be from 0 to less than 1"},
		{"--loss NaN", "--loss"},
		{"--repeat 0", "--repeat must be"},
		{"--live film", "--live must be"},
		{"--tag branch", "--tag \"branch\" is not key=value"},
		{"node --tag =x", "is not key=value"},
		{"--require unfinished<1", `no "unfinished"`},
		{"--report -", "--report needs"},
		{"--json " + dir + "/x --report " + dir + "/./x", "the same file"},
		{"--json " + dir, "name a file that can be written"},
		{"--json " + none, "name a file that can be written"},
		{"--report " + none, "name a file that can be written"},
		{"--cpuprofile " + none, "name a file that can be written"},
		{"--pprof :0 --cpuprofile " + filepath.Join(dir, "p"), "exclude each other"},
		{"--data " + letter, "--data"},
		{"--data " + full, "no manifest.json"},
		{"--metrics 127.0.0.1:99999", "--metrics"},
		{"--metrics " + taken.Addr().String(), "--metrics"},
		{"--metrics " + taken.Addr().String(), "in use"},
		{"--pprof " + taken.Addr().String(), "any free port"},
		{"--rate 5", "--rate goes with --payload-size"},
		{"--follow 1", "--follow goes with --payload-size"},
		{"--away 1s", "--away goes with --payload-size"},
		{"--payload-size some", "is no size such as"},
		{"--payload-size 31", "--payload-size must be 0 or from 32 bytes to 64MiB"},
		{"--payload-size 65MiB", "--payload-size must be"},
		{"--payload-size 1KiB --rate -1", "--rate must be from 0"},
		{"--payload-size 1KiB --rate NaN", "--rate must be from 0"},
		{"--payload-size 1KiB --follow 65", "--follow must be from 0 to 64"},
		{"--payload-size 1KiB --away 2h", "--away must be from 0"},
		{"--payload-size 1KiB --away 2s", "--away needs --rate"},
		{"--payload-size 1KiB --away 60s --rate 5 --duration 60s", "--duration must be at least 1m2s with --away 1m0s"},

		{"node --frobnicate", "--frobnicate"},
		{"node now", `"now"`},
		{"node --validators 1", "--validators must be from 4"},
		{"node --validators 2000", "--validators must be from 1 to 1000"},
		{"node --sequencers 1001", "--sequencers must be from 1 to 1000"},
		{"node --workers 0", "--workers must be"},
		{"node --latency 5ms", "--latency"}, // is cluster mode's
		{"node --rate -1", "--rate must be"},
		{"node --rate NaN", "--rate must be"},
		{"node --rate 5 --load 50%", "leave one out"},
		{"node --load most", "--load"},
		{"node --load 300%", "--load must be"},
		{"node --schedule step --rate 5", "--rate-to"},
		{"node --schedule ramp --rate-to 5", "give both"},
		{"node --schedule step --load 50% --rate-to 5", "give both"},
		{"node --rate 10 --rate-to 5", "--schedule step or ramp"},
		{"node --schedule sine", "--schedule must be"},
		{"node --steps 1", "--steps must be"},
		{"node --steps 3", "--steps goes with"},
		{"node --warmup 2m", "--warmup must be"},
		{"node --duration 2h", "--duration must be"},
		{"node --feeders 0", "--feeders must be"},
		{"node --peer-quota 1", "--peer-quota must be"},
		{"node --invalid 1", "--invalid must be"},
		{"node --silent -0.1", "--silent must be"},
		{"node --late NaN", "--late"},
		{"node --invalid 0.3 --silent 0.3", "certifying takes 67"},
		{"node --colluding", "--colluding needs"},
		{"node --validators 4 --weights " + heavy, "weighs 7 of 10, more than a third"},
		{"node --validators 4 --invalid 0.5 --weights " + light, "leave 10 of 28 of the weight to ack well"},
		{"node --in-flight 2 --rate 5", "--in-flight goes without"},
		{"node --in-flight 2 --find-max 5ms", "--in-flight goes without"},
		{"node --in-flight 101", "--in-flight must be"},
		{"node --find-max 0s", "--find-max must be"},
		{"node --find-max 20ms --rate 5", "leave --rate"},
		{"node --find-max 20ms --load 5%", "leave --rate, --load"},
		{"node --repeat 101", "--repeat must be"},
		{"node --require p99", "neither < nor >"},
		{"node --require p98<1ms", `no "p98"`},
		{"node --require p99<1", "needs a unit"},
		{"node --require acks_per_s>1ms", "is no duration"},
		{"node --require acks_per_s>NaN", "is no number"},
		{"node --report " + dir, "--report"},
		{"node --json " + none, "name a file that can be written"},
		{"node --cpuprofile " + none, "no such file"},
		{"node --pprof 127.0.0.1:99999", "--pprof"},
		{"node --metrics " + taken.Addr().String(), "in use"},
		{"node --data " + none, "--data"},
		{"node --data " + letter, "--data"},
		{"node --duration 1h --rate 1e8 --live none --validators 4 --scheme ed25519", "signing beforehand"},

		{"sweep", "needs several values"},
		{"sweep --workers 1", "needs several values"},
		{"sweep 1,2", `"1,2"`},
		{"sweep --workers 1,1", "twice"},
		{"sweep --workers 1,", "empty value"},
		{"sweep --workers 1,one", "--workers"},
		{"sweep --workers 0,1", "--workers must be"},
		{"sweep --validators 10,2000", "--validators must be"},
		{"sweep --batch-size 8,64 --colluding true", "--colluding needs"},
		{"sweep --acks all,some", "--acks must be"},
		{"sweep --weights equal,none", "--weights"},
		{"sweep --weights equal,zipf --scheme multisig,threshold", "--weights is not for"},
		{"sweep --batch-size 8,64 --rate 5 --load 5%", "leave one out"},
		{"sweep --batch-size 8,64 --find-max 5ms", "--find-max"},
		{"sweep --batch-size 8,64 --p99 0s", "--p99 must be"},
		{"sweep --batch-size 8,64 --confirm -1", "--confirm must be"},
		{"sweep --batch-size 8,64 --report " + dir, "--report"},
		{"sweep --batch-size 8,64 --metrics " + taken.Addr().String(), "in use"},
		{"sweep --batch-size 8,64 --data " + none, "--data"},
		{"sweep --batch-size 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17 --workers 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "256 combinations"},

		{"compare one.json", "two files"},
		{"compare none.json none.json", "none.json"},
		{"compare " + letter + " " + letter, "is no result"},
		{"compare one.json two.json --fail-if p99", "neither < nor >"},
		{"compare one.json two.json --fail-if p98>+1%", `no "p98"`},
		{"compare --frobnicate a b", "--frobnicate"},
		{"journal", "inspect DIR"},
		{"journal dig", "inspect DIR"},
		{"journal inspect", "one folder"},
		{"journal inspect " + dir, "no journal"},
		{"journal inspect " + none, "no such file"},
		{"journal inspect --frobnicate " + dir, "--frobnicate"},
	} {
		t.Run(c.args, func(t *testing.T) {
			o := loadgen(t.Context(), strings.Fields(c.args)...)
			clitest.OneLineError(t, o, cli.Usage, c.want)
			if o.Stdout != "" {
				t.Errorf("standard output: %s", o.Stdout)
			}
		})
	}
	for _, d := range []string{dir, full} {
		left, err := os.ReadDir(d)
		for _, e := range left {
			if e.Name() != "letter.txt" {
				t.Errorf("%s was left behind", e.Name())
			}
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func TestEveryFlagRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		cmd    *cobra.Command
		before string
		after  string
	}{
		{newRootCommand(), "", ""}, {node.NewCommand(), "node", ""}, {sweep.NewCommand(), "sweep --batch-size 8,64", ""},
		{compare.NewCommand(), "compare", "a.json b.json"}, {inspect.NewJournalCommand().Commands()[0], "journal inspect", "folder"},
		{inspect.NewArchiveCommand().Commands()[0], "archive inspect", "folder"},
	} {
		c.cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value := "nonsense"
			if f.Value.Type() == "string" || f.Value.Type() == "stringArray" {
				value = "" // a name or an address can be anything else
			}
			args := append(strings.Fields(c.before), "--"+f.Name+"="+value)
			o := loadgen(t.Context(), append(args, strings.Fields(c.after)...)...)
			clitest.OneLineError(t, o, cli.Usage, "--"+f.Name)
		})
	}
}

func TestHelpListsTheFlagsOnStandardOutput(t *testing.T) {
	outputs := "duration seed data json report live metrics pprof cpuprofile repeat "
	settings := "validators sequencers scheme variant signatures acks weights workers batch-size batch-delay "
	for command, flags := range map[string]string{
		"":      settings + outputs + "require latency loss",
		"node":  settings + outputs + "require rate load schedule rate-to steps find-max invalid colluding silent late warmup in-flight feeders peer-quota",
		"sweep": settings + outputs + "rate load invalid colluding silent late p99 confirm",
	} {
		o := loadgen(t.Context(), append(strings.Fields(command), "--help")...)
		if o.Status != cli.Good || o.Stderr != "" {
			t.Errorf("status %d, standard error %q", o.Status, o.Stderr)
		}
		for flag := range strings.FieldsSeq(flags) {
			if !strings.Contains(o.Stdout, "--"+flag+" ") {
				t.Errorf("help of %q does not name --%s", command, flag)
			}
		}
	}
}

func TestTheVersionAndCompletionsArePrinted(t *testing.T) {
	if o := loadgen(t.Context(), "--version"); o.Status != cli.Good || !strings.HasPrefix(o.Stdout, "loadgen ") || strings.Count(o.Stdout, "\n") != 1 {
		t.Errorf("%+v", o)
	}
	if o := loadgen(t.Context(), "completion", "bash"); o.Status != cli.Good || !strings.Contains(o.Stdout, "__start_loadgen") {
		t.Errorf("status %d, %.200s%s", o.Status, o.Stdout, o.Stderr)
	}
}

func TestARefusedRunLeavesFilesAsTheyWere(t *testing.T) {
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.json"), filepath.Join(dir, "fresh.html")
	if err := os.WriteFile(old, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := loadgen(t.Context(), "--json", old, "--report", fresh, "--metrics", "127.0.0.1:99999")
	clitest.OneLineError(t, o, cli.Usage, "--metrics")
	if b, err := os.ReadFile(old); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(fresh); !os.IsNotExist(err) {
		t.Errorf("an empty file was left: %v", err)
	}
}
