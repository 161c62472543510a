package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
)

// Requirement is a condition on a result that decides the exit status, such as p99<20ms.
type Requirement struct {
	text   string
	metric string
	less   bool // value < limit, or > if false
	equal  bool // or equal
	limit  float64
}

// ParseRequirements parses conditions on the measures that a mode has.
func ParseRequirements(texts, measurable []string) ([]Requirement, error) {
	var all []Requirement
	for _, text := range texts {
		r, err := parseRequirement(text, measurable)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func parseRequirement(text string, measurable []string) (Requirement, error) {
	r := Requirement{text: strings.Join(strings.Fields(text), "")}
	at := strings.IndexAny(r.text, "<>")
	if at < 0 {
		return r, cli.Usagef("--require %q has neither < nor >; write 'p99<20ms' or 'acks_per_s>50000'", text)
	}
	r.metric, r.less = r.text[:at], r.text[at] == '<'
	value := r.text[at+1:]
	value, r.equal = strings.CutPrefix(value, "=")
	if !slices.Contains(measurable, r.metric) {
		return r, cli.Usagef("--require %q: there is no %q; there are %s", text, r.metric, strings.Join(measurable, ", "))
	}
	if d, err := time.ParseDuration(value); err == nil && strings.TrimLeft(value, "0123456789.") != "" {
		if !isLatency(r.metric) {
			return r, cli.Usagef("--require %q: %s is no duration; give a number", text, r.metric)
		}
		r.limit = measure.Milliseconds(d)
		return r, nil
	}
	var err error
	if r.limit, err = strconv.ParseFloat(value, 64); err != nil || math.IsNaN(r.limit) {
		return r, cli.Usagef("--require %q: %q is no number", text, value)
	}
	if isLatency(r.metric) {
		return r, cli.Usagef("--require %q: a latency needs a unit, such as %sms", text, value)
	}
	return r, nil
}

func isLatency(metric string) bool {
	switch metric {
	case "p50", "p90", "p99", "p999", "max", "delivery_p50", "delivery_p90", "delivery_p99", "delivery_max":
		return true
	}
	return false
}

// unmet returns a line for each requirement that a result does not meet; of repeated runs, the
// medians count.
func unmet(all []Requirement, r Result) (lines []string) {
	measured := r.Measures() // of repeated runs, the medians
	for _, q := range all {
		v := measured[q.metric]
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
