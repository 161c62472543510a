package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWrongCommandLineGetsOneLineAndStatus2(t *testing.T) {
	dir := t.TempDir()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "letter.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want string
	}{
		{"--frobnicate", "--frobnicate"},
		{"cluster", `"cluster"`},
		{"--validators 0", "--validators must be from 1 to 256"},
		{"--validators many", "--validators"},
		{"--validators 257", "257"},
		{"--sequencers 0", "--sequencers must be from 1 to 1000"},
		{"--scheme rsa", "--scheme must be multisig, threshold or ed25519"},
		{"--variant g1", "--variant must be minsig or minpk"},
		{"--signatures zipped", "--signatures must be compressed or uncompressed"},
		{"--scheme ed25519 --signatures uncompressed", "--signatures uncompressed is for BLS"},
		{"--workers 0", "--workers must be from 1 to 1024"},
		{"--batch-size 0", "--batch-size must be from 1 to 65536"},
		{"--batch-delay 2s", "--batch-delay must be from 0 to 1s"},
		{"--duration 0s", "--duration must be above 0"},
		{"--duration soon", "--duration"},
		{"--latency -1s", "--latency must be from 0 to 1m"},
		{"--loss 1", "--loss must be from 0 to less than 1"},
		{"--loss NaN", "--loss"},
		{"--seed -1", "--seed"},
		{"--data=", "--data needs"},
		{"--json=", "--json needs"},
		{"--metrics=", "--metrics needs"},
		{"--json " + dir, "--json"},
		{"--json " + filepath.Join(dir, "none", "result.json"), "no such file"},
		{"--data " + filepath.Join(full, "letter.txt"), "--data"},
		{"--data " + full, "no manifest.json"},
		{"--metrics 127.0.0.1:99999", "--metrics"},
	} {
		t.Run(c.args, func(t *testing.T) {
			o := loadgen(t.Context(), strings.Fields(c.args)...)
			oneLineError(t, o, exitUsage, c.want)
			if o.stdout != "" {
				t.Errorf("standard output: %s", o.stdout)
			}
		})
	}
}

func TestHelpListsTheFlagsOnStandardOutput(t *testing.T) {
	o := loadgen(t.Context(), "--help")
	if o.status != exitGood || o.stderr != "" {
		t.Errorf("status %d, standard error %q", o.status, o.stderr)
	}
	for _, flag := range strings.Fields("validators sequencers scheme variant signatures workers batch-size batch-delay " +
		"duration data latency loss json metrics seed") {
		if !strings.Contains(o.stdout, "--"+flag) {
			t.Errorf("help does not name --%s", flag)
		}
	}
}

func TestAMetricsPortInUseIsRefused(t *testing.T) {
	s, err := serveMetrics(":0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	o := loadgen(t.Context(), "--metrics", s.address(), "--duration", "1s")
	oneLineError(t, o, exitUsage, "--metrics", "in use")
}
