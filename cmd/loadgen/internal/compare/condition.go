package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
)

// condition is a change that makes a comparison fail, such as p99>+10%.
type condition struct {
	text    string
	measure string
	more    bool    // the change is above limit, or below if false
	limit   float64 // part of the first result's value: 0.1 for +10%
}

// parseConditions parses conditions on the measures that the results have.
func parseConditions(texts, measurable []string) (all []condition, err error) {
	for _, text := range texts {
		c, err := parseCondition(text, measurable)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func parseCondition(text string, measurable []string) (condition, error) {
	c := condition{text: strings.Join(strings.Fields(text), "")}
	at := strings.IndexAny(c.text, "<>")
	if at < 0 {
		return c, cli.Usagef("--fail-if %q has neither < nor >; write 'p99>+10%%' or 'certificates_per_s<-5%%'", text)
	}
	c.measure, c.more = c.text[:at], c.text[at] == '>'
	if !slices.Contains(measurable, c.measure) {
		return c, cli.Usagef("--fail-if %q: there is no %q; there are %s", text, c.measure, strings.Join(measurable, ", "))
	}
	number, ok := strings.CutSuffix(c.text[at+1:], "%")
	if ok && !strings.HasPrefix(number, "+") && !strings.HasPrefix(number, "-") && number != "0" {
		ok = false
	}
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return c, cli.Usagef("--fail-if %q: %q is no change such as +10%% or -5%%", text, c.text[at+1:])
	}
	c.limit = v / 100
	return c, nil
}

// holds returns a line if the condition holds for a comparison, "" if not. A change within the
// noise does not count.
func (c condition) holds(of comparison) string {
	for _, ch := range of.Changes {
		if ch.Measure != c.measure || ch.Beyond != nil && !*ch.Beyond {
			continue
		}
		delta := math.Inf(1)
		switch {
		case ch.A == ch.B:
			delta = 0
		case ch.A != 0:
			delta = (ch.B - ch.A) / math.Abs(ch.A)
		case ch.B < 0:
			delta = math.Inf(-1)
		}
		if c.more && delta > c.limit || !c.more && delta < c.limit {
			return fmt.Sprintf("%s: %s went from %.5g to %.5g, by %+.1f %%, in %s", c.text, c.measure, ch.A, ch.B, 100*delta, of.File.Name)
		}
	}
	return ""
}
