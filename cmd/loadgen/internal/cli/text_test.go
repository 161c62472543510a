package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestFoldingKeepsEveryWordAndTheWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(20, 100).Draw(t, "width")
		text := "  label         " + rapid.StringMatching(`([a-zµ]{1,30} ){0,30}[a-z]{1,30}`).Draw(t, "text")
		lines := Fold(text, width, 16)
		for i, l := range lines {
			if n := utf8.RuneCountInString(l); n > width && len(strings.Fields(l)) > 1+len(strings.Fields("label"))*btoi(i == 0) {
				t.Fatalf("%d columns of %d: %q", n, width, l)
			}
			if i > 0 && !strings.HasPrefix(l, strings.Repeat(" ", 16)) {
				t.Fatalf("not indented: %q", l)
			}
		}
		if got, want := strings.Fields(strings.Join(lines, " ")), strings.Fields(text); !slices.Equal(got, want) {
			t.Fatalf("%q became %q", want, got)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAShortLineIsNotFolded(t *testing.T) {
	for _, text := range []string{"", "  ran           1.0 s", strings.Repeat("x", 80)} {
		if lines := Fold(text, 80, 16); len(lines) != 1 || lines[0] != text {
			t.Errorf("%q became %q", text, lines)
		}
	}
}

func TestNumbersHaveCommasBetweenThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 999.4: "999", 999.6: "1,000", 2905: "2,905", 1234567: "1,234,567", -1234: "-1,234", -0.2: "0"} {
		if got := Thousands(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

func TestAPartIsAPercentageOrAFraction(t *testing.T) {
	v := 0.0
	f := Percent(&v)
	for text, want := range map[string]float64{"10%": 0.1, "0.1": 0.1, "150%": 1.5, "0": 0} {
		if err := f.Set(text); err != nil || v != want {
			t.Errorf("%q is %v, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "%", "ten%", "NaN", "10 %x"} {
		if err := f.Set(text); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}

func TestTheEditsBetweenWordsAreCounted(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"validator", "validators", 1}, {"nodee", "node", 1}, {"kitten", "sitting", 3}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("%s to %s: %d", c.a, c.b, got)
		}
	}
}
