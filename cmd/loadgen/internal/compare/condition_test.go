package compare

import (
	"slices"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/clitest"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/node"
)

func TestAConditionHoldsForAChangePastItsLimit(t *testing.T) {
	no := false
	for _, c := range []struct {
		text   string
		a, b   float64
		beyond *bool
		holds  bool
	}{
		{"p99>+10%", 100, 111, nil, true},
		{"p99>+10%", 100, 109, nil, false},
		{"p99>+10%", 100, 50, nil, false},
		{"p99 > +10%", 100, 150, &no, false},
		{"p99>0%", 100, 100.1, nil, true},
		{"p99>0%", 100, 100, nil, false},
		{"p99<-5%", 100, 94, nil, true},
		{"p99<-5%", 100, 96, nil, false},
		{"p99<-5%", 100, 200, nil, false},
		{"p99>+10%", 0, 1, nil, true},
		{"p99>+10%", 0, 0, nil, false},
		{"p99>-50%", 100, 60, nil, true},
	} {
		parsed, err := parseCondition(c.text, []string{"p99"})
		if err != nil {
			t.Fatal(err)
		}
		text := parsed.holds(comparison{Changes: []change{{Measure: "p50", A: 1, B: 100}, {Measure: "p99", A: c.a, B: c.b, Beyond: c.beyond}}})
		if (text != "") != c.holds || text != "" && !strings.HasPrefix(text, strings.ReplaceAll(c.text, " ", "")) {
			t.Errorf("%+v: %q", c, text)
		}
	}
}

func TestAConditionThatMakesNoSenseIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"p99": "neither < nor >", "p98>+10%": `no "p98"`, "p99>10": "no change such as", "p99>10%": "no change such as", "p99>+x%": "no change such as",
		"p99>+NaN%": "no change such as", "": "neither", ">+10%": `no ""`,
	} {
		if _, err := parseCondition(text, []string{"p99"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSeveralResultsAreComparedWithTheFirst(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, p99 := range map[string]float64{"a.json": 10, "b.json": 10.5, "c.json": 20} {
		r := &node.Result{}
		r.Mode, r.LatencyMS.P99, r.OK = "node", p99, true
		files = append(files, writeResult(t, dir, name, r))
	}
	slices.Sort(files)
	page := dir + "/page.html"
	o := loadgen(t.Context(), append([]string{"compare", "--fail-if", "p99>+10%", "--report", page}, files...)...)
	if o.Status != cli.Bad || !strings.Contains(o.Stderr, "p99>+10%: p99 went from 10 to 20, by +100.0 %, in "+files[2]) || strings.Count(o.Stderr, "\n") != 1 {
		t.Errorf("status %d, %s", o.Status, o.Stderr)
	}
	for _, want := range []string{"B is " + files[1] + ", A is " + files[0], "B is " + files[2], "failed   p99>+10%"} {
		if !strings.Contains(o.Stdout, want) {
			t.Errorf("no %q in:\n%s", want, o.Stdout)
		}
	}
	if text := readFile(t, page); !strings.Contains(text, `"mode":"compare"`) {
		t.Error("no page")
	}
	o = loadgen(t.Context(), "compare", "--json", "--fail-if", "p99>+10%", files[0], files[1])
	r := clitest.Decode[Result](t, []byte(o.Stdout))
	if o.Status != cli.Good || len(r.Comparisons) != 1 || len(r.Failed) != 0 || len(r.Changes) != len(r.Comparisons[0].Changes) || r.Base.Name != files[0] {
		t.Errorf("status %d, %+v", o.Status, r)
	}
}
