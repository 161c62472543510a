package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanecast/lanecast/.ci/internal/mutation"
)

func mutantAt(line int) mutant {
	return mutant{Package: "p", File: "p/p.go", Line: line, Column: 2, Kind: "bound", From: 10 * line, To: 10*line + 5, Old: "a < b", New: "a <= b"}
}

func TestResultsAreFoundAgainForTheSameVersionOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	r, err := openResults(path)
	if err != nil {
		t.Fatal(err)
	}
	m := mutantAt(1)
	for _, o := range []mutation.Outcome{mutation.Survived, mutation.Killed} {
		if err := r.add(&result{mutant: m, Source: "one", Outcome: o}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	r, err = openResults(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if got := r.byName[name("one", &m)]; got.Outcome != mutation.Killed || got.mutant != m {
		t.Errorf("the last result is %+v", got)
	}
	if _, ok := r.byName[name("another", &m)]; ok {
		t.Error("a result of another version of the file is taken")
	}
}

func TestAResultsFileWithinTheRepositoryIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"results", "./sub/../results", filepath.Join("..", filepath.Base(mustAbs(t, ".")), "results")} {
		if r, err := openResults(path); err == nil {
			_ = r.close()
			t.Errorf("%s is accepted", path)
		}
	}
	if _, err := os.Stat("results"); err == nil {
		t.Error("it has been created")
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func TestADamagedResultsFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(path, []byte("{\"Package\":\"p\"}\n{\"Pack"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openResults(path); err == nil {
		t.Error("a torn line is accepted")
	}
}

func TestTheTableCountsOutcomesAndListsMutantsThatLive(t *testing.T) {
	var done []result
	for i, o := range []mutation.Outcome{mutation.Killed, mutation.Killed, mutation.Survived, notRun, mutation.TimedOut} {
		done = append(done, result{mutant: mutantAt(i + 1), Outcome: o})
	}
	var b bytes.Buffer
	table(&b, []string{"p"}, map[string]int{"p": 40}, done)
	lines := strings.Split(b.String(), "\n")
	if got := strings.Join(strings.Fields(lines[1]), " "); got != "p 40 5 2 1 0 1 1" {
		t.Errorf("row %q", got)
	}
	if got := strings.Join(strings.Fields(lines[2]), " "); got != "all 40 5 2 1 0 1 1" {
		t.Errorf("sum %q", got)
	}
	rest := strings.Join(lines[3:], "\n")
	if !strings.Contains(rest, "survived  p/p.go:3:2  bound: a < b → a <= b") || !strings.Contains(rest, "not run   p/p.go:4:2") ||
		strings.Count(rest, "bound") != 2 {
		t.Errorf("those that live:\n%s", rest)
	}
}

func TestCoverageReportsTheCodeThatTestsRun(t *testing.T) {
	c, err := readCoverage("example.com/m", []byte("mode: set\nexample.com/m/p/p.go:3.10,5.4 2 1\nexample.com/m/p/p.go:7.2,9.3 1 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		line, column int
		want         bool
	}{{3, 10, true}, {4, 1, true}, {5, 3, true}, {7, 1, true}, {7, 2, false}, {8, 50, false}, {9, 2, false}, {9, 3, true}} {
		if got := c.runs(&mutant{File: "p/p.go", Line: at.line, Column: at.column}); got != at.want {
			t.Errorf("line %d, column %d: %v", at.line, at.column, got)
		}
	}
	if _, err := readCoverage("m", []byte("mode: set\nnonsense\n")); err == nil {
		t.Error("nonsense is accepted")
	}
}

func TestTheSampleDependsOnTheSeedAndOnTheMutantsAlone(t *testing.T) {
	var all []mutant
	for i := range 50 {
		all = append(all, mutantAt(i))
	}
	first, again := sample(all, 1, 10), sample(all, 1, 10)
	if len(first) != 10 || len(sample(all, 1, 0)) != 50 || len(sample(all, 1, 99)) != 50 {
		t.Fatal("the sample does not have the requested size")
	}
	same := true
	other := sample(all, 2, 10)
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("one seed, two samples: %v, %v", &first[i], &again[i])
		}
		same = same && first[i] == other[i]
	}
	if same {
		t.Error("two seeds, one sample")
	}
}
