package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestResultsOfBothSidesAreReadWithTheirBound(t *testing.T) {
	r, err := parseUpstream([]byte(`{"certificates": 20, "certificates_per_s": 18.5, "cpu_us_per_certificate": 55000, "busy_cores": 1.02,
		"ack_us": 800.2, "acks_of_cpu": 0.97, "ran_dry": true, "latency_ms": {"count": 20, "p50": 50, "p99": 90, "max": 95}}`), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"18.5 certificates/s", "55000.0 µs", "p50 50.0 ms", "1.02 cores busy", "97 % of it verifying acks one by one, 800 µs", "ran out"} {
		if !strings.Contains(r.String(), says) {
			t.Errorf("%q does not say %q", r, says)
		}
	}
	r, err = parseLanecast([]byte(`{"certificates": 5000, "certificates_per_s": 1250, "cpu_us_per_certificate": 750, "cpu_s": 3.75, "duration_s": 4,
		"latency_ms": {"p50": 3, "p90": 4, "p99": 9, "max": 10}, "ok": true,
		"cpu_parts": [{"name": "journal", "cpu_s": 1}, {"name": "pairings", "cpu_s": 2.5}, {"name": "inbox", "cpu_s": 0.5}, {"name": "rest", "cpu_s": 0}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"1250.0 certificates/s", "750.0 µs", "p99 9.0 ms", "0.94 cores busy", "62 % of it in pairings, 25 % of it in journal, 12 % of it in inbox"} {
		if !strings.Contains(r.String(), says) {
			t.Errorf("%q does not say %q", r, says)
		}
	}
}

func TestARunThatCertifiedNothingIsNoResult(t *testing.T) {
	for _, text := range []string{"", "{}", `{"certificates": 0}`, `{"certificates": 3, "conflicts": 1}`} {
		if r, err := parseUpstream([]byte(text), false); err == nil {
			t.Errorf("upstream, %q: %v", text, r)
		}
	}
	for _, text := range []string{"", "{}", `{"certificates": 0, "duration_s": 1}`} {
		if r, err := parseLanecast([]byte(text)); err == nil {
			t.Errorf("Lanecast, %q: %v", text, r)
		}
	}
}

func TestEnoughMessagesAreSignedForUpstream(t *testing.T) {
	for _, c := range []struct {
		scheme     string
		validators int
		want       int
	}{{"multisig-minsig", 100, 4}, {"ed25519", 100, 33}, {"threshold-minpk", 10, 252}} {
		if got := heights(c.scheme, c.validators, 8*time.Second); got != c.want {
			t.Errorf("%s, %d validators: %d", c.scheme, c.validators, got)
		}
	}
}

func TestMediansAreComparedBothWays(t *testing.T) {
	of := func(perS ...float64) (rs []result) {
		for _, v := range perS {
			rs = append(rs, result{CertificatesPerS: v, CPUPerCertificate: 1000 / v})
		}
		return rs
	}
	text := compare(of(10, 30, 20), of(100, 500, 90))
	for _, says := range []string{"upstream       20.0 /s, Lanecast      100.0 /s: 5.00 ×", "CPU per certificate    upstream       50.0 µs, Lanecast       10.0 µs: 5.00 ×", "no ratio"} {
		if !strings.Contains(text, says) {
			t.Errorf("%q does not say %q", text, says)
		}
	}
}

func TestAWrongCommandLineIsAnErrorThatNamesTheFault(t *testing.T) {
	for args, says := range map[string]string{
		"--race sprint":         "--race must be",
		"--scheme rsa":          "--scheme must be",
		"--validators 3":        "--validators must be",
		"--rounds 0":            "--rounds must be",
		"--duration 1500ms":     "--duration must be",
		"more":                  "unknown argument",
		"--dir /nowhere/at/all": "no such file",
		"--unknown":             "unknown flag",
	} {
		err := execute(context.Background(), strings.Fields(args), io.Discard, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
