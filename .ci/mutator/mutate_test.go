package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// changes returns the mutants of a function body as «kind: old → new».
func changes(t *testing.T, body string) []string {
	t.Helper()
	source := "package p\n\nfunc f(a, b int, ok bool) (int, bool) {\n" + body + "\n}\n"
	mutants, err := generate("p", "p/p.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range mutants {
		all = append(all, mutants[i].Kind+": "+oneLine(mutants[i].Old)+" → "+oneLine(mutants[i].New))
	}
	return all
}

func TestEachKindOfCodeHasItsMutants(t *testing.T) {
	for _, c := range []struct {
		code string
		want []string
	}{
		{"a = b", []string{"statement dropped: a = b → _ = b"}},
		{"a = g()", []string{"statement dropped: a = g() → nothing"}},
		{"a += b", []string{"statement dropped: a += b → _ = b", "arithmetic: a += b → a -= b"}},
		{"s += \"x\"", []string{"statement dropped: s += \"x\" → _ = \"x\""}},
		{"a++", []string{"statement dropped: a++ → nothing"}},
		{"g()", []string{"statement dropped: g() → nothing"}},
		{"defer g()", []string{"statement dropped: defer g() → nothing"}},
		{"ch <- a", []string{"statement dropped: ch <- a → nothing"}},
		{"x := a < b", []string{"negated: a < b → a >= b", "bound: a < b → a <= b"}},
		{"x := a == b", []string{"negated: a == b → a != b"}},
		{"x := a % b", []string{"arithmetic: a % b → a * b"}},
		{"x := a + 7", []string{"arithmetic: a + 7 → a - 7", "number: 7 → 8"}},
		{"x := min(a, b)", []string{"min, max: min → max"}},
		{"x := ok && g()", []string{
			"and, or: ok && g() → ((ok) || (g()))", "condition dropped: ok && g() → ok", "condition dropped: ok && g() → g()",
		}},
		{"if ok { g() }", []string{
			"negated: ok → !(ok)", "statement dropped: if ok { g() } → nothing", "statement dropped: g() → nothing",
		}},
		{"if !ok { g() } else { h() }", []string{
			"negated: !ok → !(!ok)", "statement dropped: { h() } → {}", "statement dropped: { g() } → {}",
			"negated: !ok → ok", "statement dropped: g() → nothing", "statement dropped: h() → nothing",
		}},
		{"for range a { continue }", []string{"loop: continue → break"}},
		{"for range a { break }", []string{"statement dropped: break → nothing"}},
		{"switch a { case b: g(); h(); default: g() }", []string{
			"statement dropped: g(); h() → nothing", "statement dropped: g() → nothing", "statement dropped: h() → nothing",
			"statement dropped: g() → nothing",
		}},
		{"return a, ok", []string{"result: a → *new(int)", "result: ok → !(ok)"}},
		{"return 0, true", []string{"result: true → false", "number: 0 → 1"}},
		{"return f(a, b, ok)", nil}, // one value for two results
		{"x := func() error { return err }", []string{"result: err → *new(error)"}},
	} {
		if got := changes(t, c.code); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.code, got, c.want)
		}
	}
}

// A mutant that cannot end, or that does not compile, shows nothing about the tests.
func TestTheStepOfALoopAndTheHeadOfASelectCaseStay(t *testing.T) {
	for _, code := range []string{"for ; ; a++ {}", "for a = b; ; {}", "select { case <-ch: }", "select { case ch <- a: }", "select { case a = <-ch: }"} {
		if got := changes(t, code); got != nil {
			t.Errorf("%s: %q", code, got)
		}
	}
}

func TestMethodsThatOnlyMakeTextHaveNoMutants(t *testing.T) {
	mutants, err := generate("p", "p/p.go", []byte("package p\n\nfunc (e E) Error() string { g(); return \"x\" + e.s }\n"))
	if err != nil || mutants != nil {
		t.Error(mutants, err)
	}
}

// Every mutant of this command itself is a Go file that parses, and differs from the original at
// the place that it names.
func TestEveryMutantParses(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mutants, err := generate(".", file, source)
		if err != nil {
			t.Fatal(err)
		}
		for i := range mutants {
			m := &mutants[i]
			code := string(source[:m.From]) + m.New + string(source[m.To:])
			if _, err := parser.ParseFile(token.NewFileSet(), file, code, parser.SkipObjectResolution); err != nil {
				t.Errorf("%v: %v", m, err)
			}
			line := strings.Count(string(source[:m.From]), "\n") + 1
			if code == string(source) || m.Line != line {
				t.Errorf("%v: line %d, or no change", m, line)
			}
			count++
		}
	}
	if count < 200 {
		t.Errorf("only %d mutants", count)
	}
}
