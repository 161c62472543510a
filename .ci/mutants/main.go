// Command mutants puts deliberate faults into a copy of the repository, one at a time, and checks
// that the tests catch each.
//
//	go run ./.ci/mutants             all faults of .ci/mutants/list.txt
//	go run ./.ci/mutants quorum      those whose name or file contains one of the words
//	go run ./.ci/mutants -all quorum the same, with all packages of each, not only those up to the
//	                                 first that catches it
//
// It prints a line for each fault: the tests that caught it, or that it survived. An entry is stale
// if its old text no longer occurs exactly once in its file. The exit status is 0 if all faults
// were caught. Packages are first tested unchanged: they must pass, and their duration determines
// the time limit for tests of a fault. The command never writes to the repository itself. Command
// .ci/mutator generates faults instead.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/.ci/internal/mutation"
)

// fault is one entry of the list: in file, old becomes new, and the tests of packages must fail.
type fault struct {
	name, file, old, new string
	packages             []string
}

const patience = 10 * time.Minute // maximum for the tests of one package

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	all := len(words) > 0 && words[0] == "-all"
	if all {
		words = words[1:]
	}
	list, err := os.ReadFile(".ci/mutants/list.txt")
	if err != nil {
		return fmt.Errorf("run it from the root of the repository: %w", err)
	}
	faults, err := parse(string(list))
	if err != nil {
		return err
	}
	repository, err := mutation.NewCopy(".")
	if err != nil {
		return err
	}
	defer func() { _ = repository.Remove() }() // an error leaves a temporary folder
	sound := make(map[string]time.Duration)    // durations of the packages' tests
	caught, survived, stale := 0, 0, 0
	for _, f := range faults {
		named := func(word string) bool { return strings.Contains(f.name+" "+f.file, word) }
		if len(words) > 0 && !slices.ContainsFunc(words, named) {
			continue
		}
		if err := measure(repository, f, sound); err != nil {
			return err
		}
		began := time.Now()
		by, err := try(repository, f, all, sound)
		switch {
		case err != nil:
			stale++
			by = "STALE: " + err.Error()
		case by == "":
			survived++
			by = "SURVIVED"
		default:
			caught++
		}
		fmt.Printf("%-70s %4.0fs  %s\n", f.name, time.Since(began).Seconds(), by)
	}
	fmt.Printf("%d caught, %d survived, %d stale\n", caught, survived, stale)
	if survived+stale > 0 {
		return errors.New("not all faults are caught")
	}
	return nil
}

// parse reads entries of the form
//
//	== name
//	file packages…
//	-- old
//	…
//	-- new
//	…
func parse(list string) (faults []fault, err error) {
	for _, entry := range strings.Split("\n"+strings.TrimSuffix(list, "\n"), "\n== ")[1:] {
		head, body, ok := strings.Cut(entry, "\n-- old\n")
		old, replacement, ok2 := strings.Cut(body, "\n-- new\n")
		name, where, ok3 := strings.Cut(head, "\n")
		words := strings.Fields(where)
		if !ok || !ok2 || !ok3 || len(words) < 2 {
			return nil, fmt.Errorf("entry %q has a wrong format", name)
		}
		packages := words[1:]
		for i := range packages {
			packages[i] = strings.TrimPrefix(packages[i], "./")
		}
		faults = append(faults, fault{name, words[0], old, replacement, packages})
	}
	return faults, nil
}

// measure tests the packages of a fault without the fault, unless they have been tested already.
func measure(c *mutation.Copy, f fault, sound map[string]time.Duration) error {
	for _, p := range f.packages {
		if _, known := sound[p]; known {
			continue
		}
		r, err := c.Try(context.Background(), mutation.Change{}, p, patience)
		if err != nil {
			return err
		}
		if r.Outcome != mutation.Survived {
			return fmt.Errorf("the tests of %s, without a fault: %s\n%s", p, r.Outcome, r.Output)
		}
		sound[p] = r.Took
	}
	return nil
}

// try returns the names of the tests that catch the fault; none if it survives.
func try(c *mutation.Copy, f fault, all bool, sound map[string]time.Duration) (string, error) {
	code, err := os.ReadFile(c.Path(f.file))
	if err != nil {
		return "", err
	}
	if n := bytes.Count(code, []byte(f.old)); n != 1 {
		return "", fmt.Errorf("%s contains the old text %d times, want once", f.file, n)
	}
	from := bytes.Index(code, []byte(f.old))
	change := mutation.Change{File: f.file, From: from, To: from + len(f.old), New: f.new}
	var by []string
	for _, p := range f.packages { // one by one, so that a hanging one affects no other
		r, err := c.Try(context.Background(), change, p, time.Minute+3*sound[p])
		if err != nil {
			return "", err
		}
		switch {
		case r.Outcome == mutation.NotCompiling:
			return "", fmt.Errorf("it does not build: %s", r.Output)
		case r.Outcome == mutation.Survived:
			continue
		case r.By != "":
			by = append(by, p+": "+r.By)
		default:
			by = append(by, p+": panic or no end")
		}
		if !all {
			break
		}
	}
	return strings.Join(by, ", "), nil
}
