package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/lanecast/lanecast/.ci/internal/mutation"
)

// notRun is the outcome of a mutant in code that no test of its package runs; such a mutant is not
// tried.
const notRun mutation.Outcome = "not run"

// result is one line of the results file.
type result struct {
	mutant
	Source  string // digest of the unchanged file: a result is valid only for this version of it
	Outcome mutation.Outcome
	By      string  `json:",omitempty"`
	Seconds float64 `json:",omitempty"`
}

// lives reports whether no test noticed the mutant.
func (r *result) lives() bool { return r.Outcome == mutation.Survived || r.Outcome == notRun }

// results holds the results of earlier runs and of this one. The file, if there is one, has them as
// lines of JSON; the last line for a mutant counts.
type results struct {
	file   *os.File
	byName map[string]result
}

func name(source string, m *mutant) string {
	return fmt.Sprint(source, " ", m.File, " ", m.From, " ", m.To, " ", m.New)
}

// openResults reads the results file, which need not exist yet. With an empty path no results are
// kept.
func openResults(path string) (*results, error) {
	r := &results{byName: make(map[string]result)}
	if path == "" {
		return r, nil
	}
	if err := outside(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	r.file = f
	lines := bufio.NewReader(f)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return r, nil
		}
		var one result
		if err == nil {
			err = json.Unmarshal(line, &one)
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("%s: line %d: %w", path, number, err)
		}
		r.byName[name(one.Source, &one.mutant)] = one
	}
}

// outside returns an error for a path within the repository, which is the working directory.
func outside(path string) error {
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	there, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	// For a file that does not exist yet, check its folder.
	if real, err := filepath.EvalSymlinks(filepath.Dir(there)); err == nil {
		there = filepath.Join(real, filepath.Base(there))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if name, err := filepath.Rel(here, there); err == nil && name != ".." && !strings.HasPrefix(name, ".."+string(filepath.Separator)) {
		return fmt.Errorf("-results %s is within the repository: name a file outside", path)
	}
	return nil
}

func (r *results) add(one *result) error {
	r.byName[name(one.Source, &one.mutant)] = *one
	if r.file == nil {
		return nil
	}
	line, err := json.Marshal(one)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

func (r *results) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// outcomes are the columns of the table.
var outcomes = []mutation.Outcome{
	mutation.Killed, mutation.TimedOut, mutation.NotCompiling, mutation.Survived, notRun,
}

// table prints the number of mutants of each outcome for each package, and lists those that live.
func table(w io.Writer, packages []string, total map[string]int, done []result) {
	counts := make(map[string]map[mutation.Outcome]int)
	for i := range done {
		r := &done[i]
		if counts[r.Package] == nil {
			counts[r.Package] = make(map[mutation.Outcome]int)
		}
		counts[r.Package][r.Outcome]++
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "package\tmutants\tsampled\t")
	for _, o := range outcomes {
		fmt.Fprintf(t, "%s\t", o)
	}
	fmt.Fprintln(t)
	row := func(name string, total int, of func(mutation.Outcome) int) {
		sampled := 0
		for _, o := range outcomes {
			sampled += of(o)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t", name, total, sampled)
		for _, o := range outcomes {
			fmt.Fprintf(t, "%d\t", of(o))
		}
		fmt.Fprintln(t)
	}
	all, sum := 0, make(map[mutation.Outcome]int)
	for _, p := range packages {
		row(p, total[p], func(o mutation.Outcome) int { return counts[p][o] })
		all += total[p]
		for o, n := range counts[p] {
			sum[o] += n
		}
	}
	row("all", all, func(o mutation.Outcome) int { return sum[o] })
	_ = t.Flush() // to the terminal; in tests to memory
	for i := range done {
		if done[i].lives() {
			fmt.Fprintf(w, "%-8s  %v\n", done[i].Outcome, &done[i].mutant)
		}
	}
}
