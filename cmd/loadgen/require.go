package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// requirement is a condition on a result that decides the exit status, such as p99<20ms.
type requirement struct {
	text   string
	metric string
	less   bool // value < limit, or > if false
	equal  bool // or equal
	limit  float64
}

// measures are what requirements can be about: latencies in milliseconds, all else in the unit of its name. The keys
// are those of the JSON result.
var measures = map[string]func(r *nodeResult) float64{
	"p50":                    func(r *nodeResult) float64 { return r.LatencyMS.P50 },
	"p90":                    func(r *nodeResult) float64 { return r.LatencyMS.P90 },
	"p99":                    func(r *nodeResult) float64 { return r.LatencyMS.P99 },
	"p999":                   func(r *nodeResult) float64 { return r.P999 },
	"max":                    func(r *nodeResult) float64 { return r.LatencyMS.Max },
	"acks_per_s":             func(r *nodeResult) float64 { return r.AcksPerSecond },
	"acks_verified_per_s":    func(r *nodeResult) float64 { return r.VerifiedPerSecond },
	"acks_verified_per_core": func(r *nodeResult) float64 { return r.VerifiedPerCore },
	"certificates_per_s":     func(r *nodeResult) float64 { return r.CertificatesPerSecond },
	"certificates_per_core":  func(r *nodeResult) float64 { return r.CertificatesPerCore },
	"cpu_us_per_certificate": func(r *nodeResult) float64 { return r.CPUPerCertificate },
	"sends_dropped":          func(r *nodeResult) float64 { return float64(r.SendsDropped) },
	"unfinished":             func(r *nodeResult) float64 { return float64(r.Unfinished) },
	"errors":                 func(r *nodeResult) float64 { return float64(r.Errors) },
	"share_of_crypto":        func(r *nodeResult) float64 { return r.Crypto.Share },
}

func parseRequirements(texts []string) ([]requirement, error) {
	var all []requirement
	for _, text := range texts {
		r, err := parseRequirement(text)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRequirement(text string) (requirement, error) {
	r := requirement{text: strings.Join(strings.Fields(text), "")}
	at := strings.IndexAny(r.text, "<>")
	if at < 0 {
		return r, usagef("--require %q has neither < nor >; write 'p99<20ms' or 'acks_per_s>50000'", text)
	}
	r.metric, r.less = r.text[:at], r.text[at] == '<'
	value := r.text[at+1:]
	value, r.equal = strings.CutPrefix(value, "=")
	if measures[r.metric] == nil {
		return r, usagef("--require %q: there is no %q; there are %s", text, r.metric, strings.Join(sortedKeys(measures), ", "))
	}
	if d, err := time.ParseDuration(value); err == nil && strings.TrimLeft(value, "0123456789.") != "" {
		if !isLatency(r.metric) {
			return r, usagef("--require %q: %s is no duration", text, r.metric)
		}
		r.limit = float64(d) / float64(time.Millisecond)
		return r, nil
	}
	var err error
	if r.limit, err = strconv.ParseFloat(value, 64); err != nil {
		return r, usagef("--require %q: %q is no number", text, value)
	}
	if isLatency(r.metric) {
		return r, usagef("--require %q: a latency needs a unit, such as %sms", text, value)
	}
	return r, nil
}

func isLatency(metric string) bool {
	switch metric {
	case "p50", "p90", "p99", "p999", "max":
		return true
	}
	return false
}

// unmet returns a line for each requirement that a result does not meet.
func unmet(all []requirement, r *nodeResult) (lines []string) {
	for _, q := range all {
		v := measures[q.metric](r)
		if met := q.less && v < q.limit || !q.less && v > q.limit || q.equal && v == q.limit; !met {
			unit := ""
			if isLatency(q.metric) {
				unit = " ms"
			}
			lines = append(lines, fmt.Sprintf("%s is not met: %s was %.5g%s", q.text, q.metric, v, unit))
		}
	}
	return lines
}
