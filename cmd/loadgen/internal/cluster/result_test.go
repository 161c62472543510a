package cluster

import (
	"math"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

func TestASummaryAndAVerdictTellTheFirstProblem(t *testing.T) {
	res := &Result{Summary: report.Summary{Errors: 1, Problems: []string{"the first"}}}
	var b strings.Builder
	res.Print(&b, 0)
	if err := res.Verdict(); err == nil || !strings.Contains(err.Error(), "the first") || !strings.Contains(b.String(), "the first") {
		t.Errorf("verdict %v, summary:\n%s", err, b.String())
	}
}

func TestTheMeasuresOfAnEvenNumberOfRunsAreTheirMedians(t *testing.T) {
	var runs []*Result
	for _, v := range []float64{1840, 2135} {
		r := &Result{}
		r.CertificatesPerSecond, r.LatencyMS.P99, r.OK = v, v/100, true
		runs = append(runs, r)
	}
	r := report.Summarize(runs)
	if r.CertificatesPerSecond != 1987.5 || r.Repeats.Of["certificates_per_s"].Median != 1987.5 || math.Abs(r.LatencyMS.P99-19.875) > 1e-9 {
		t.Errorf("%v certificates/s, median %v, p99 %v", r.CertificatesPerSecond, r.Repeats.Of["certificates_per_s"].Median, r.LatencyMS.P99)
	}
	if runs[0].CertificatesPerSecond != 1840 || runs[1].CertificatesPerSecond != 2135 {
		t.Error("the runs themselves have changed")
	}
}

func TestRepeatsAreSummarizedByTheMedianRun(t *testing.T) {
	var runs []*Result
	for i, v := range []float64{30, 10, 20} {
		r := &Result{}
		r.CertificatesPerSecond, r.OK, r.Validators = v, i != 1, i
		if i == 1 {
			r.Errors, r.Problems = 1, []string{"the second"}
		}
		runs = append(runs, r)
	}
	r := report.Summarize(runs)
	s := r.Repeats.Of["certificates_per_s"]
	if r.Validators != 2 || r.Repeats.N != 3 || s.Min != 10 || s.Median != 20 || s.Max != 30 || s.Values[0] != 30 {
		t.Errorf("%+v", r)
	}
	if r.OK || r.Errors != 1 || len(r.Problems) != 1 || runs[2].Repeats != nil {
		t.Errorf("one bad run does not make it bad: %+v", r)
	}
}
