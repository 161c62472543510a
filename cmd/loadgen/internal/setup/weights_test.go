package setup

import (
	"slices"
	"strings"
	"testing"
)

func TestAFileOfWeightsIsReadInParticipantOrder(t *testing.T) {
	for _, text := range []string{"3\n1\n4611686018427387000\n", "3\n1\n4611686018427387000", " 3\r\n1\t\r\n4611686018427387000\r\n"} {
		got, err := readWeights(strings.NewReader(text), 3)
		if err != nil || !slices.Equal(got, []uint64{3, 1, 4611686018427387000}) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestAFileOfWeightsThatDoesNotFitIsRefusedByLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "ends after line 0",
		"1\n2\n":                       "ends after line 2; there are 3 validators",
		"1\n2\n3\n4\n":                 "line 4 is one too many",
		"1\n2\n3\n\n":                  "line 4 is one too many",
		"1\n0\n3\n":                    `line 2 is "0"`,
		"1\n\n2\n3\n":                  `line 2 is ""`,
		"1\n2\n-3\n":                   `line 3 is "-3"`,
		"1.5\n2\n3\n":                  `line 1 is "1.5"`,
		"1 2 3\n":                      `line 1 is "1 2 3"`,
		"0x1\n2\n3\n":                  `line 1 is "0x1"`,
		"1\n4611686018427387905\n3\n":  "line 2",
		"1\n99999999999999999999\n3\n": "line 2",
		"4611686018427387904\n1\n1\n":  "sum",
		strings.Repeat("9", 1<<20):     "line 1",
	} {
		if got, err := readWeights(strings.NewReader(text), 3); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("%.40q is read as %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestZipfWeightsFallWithTheRankAndRanksAreRandom(t *testing.T) {
	a, b := zipf(1000, 1), zipf(1000, 2)
	if slices.Equal(a, b) || !slices.Equal(a, zipf(1000, 1)) {
		t.Error("the ranks do not follow from the seed")
	}
	if slices.IsSortedFunc(a, func(x, y uint64) int { return int(y) - int(x) }) {
		t.Error("participants are in the order of their ranks")
	}
	slices.Sort(a)
	slices.Reverse(a)
	for i, w := range a {
		if exact := float64(a[0]) / float64(i+1); float64(w) < 0.999*exact || float64(w) > 1.001*exact || w < 1 {
			t.Fatalf("rank %d weighs %d, want about %.1f", i+1, w, exact)
		}
	}
}
