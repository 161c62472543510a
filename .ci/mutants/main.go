// Command mutants puts deliberate faults into a copy of the repository, one at a time, and demands that the tests catch
// each.
//
//	go run ./.ci/mutants             all faults of .ci/mutants/list.txt
//	go run ./.ci/mutants quorum      those whose name or file contains one of the words
//	go run ./.ci/mutants -all quorum the same, and each package is tested, not only those up to the first that catches it
//
// It prints a line for each: what caught it, or that it survived. An entry whose place the code has moved on from is
// stale. The exit status is 0 if all were caught. Packages are tested as they are first: they must pass, and how long
// they take says when tests of a fault have no end. The repository itself is never written to: the copy is in a
// temporary folder, and goes with it.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// fault is one entry of the list: in file, old becomes new, and the tests of packages must fail.
type fault struct {
	name, file, old, new string
	packages             []string
}

const patience = 10 * time.Minute // for the tests of one package, whatever they took before

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
	scratch, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := copyTree(scratch); err != nil {
		return err
	}
	sound := make(map[string]time.Duration) // how long the tests of a package take
	caught, survived, stale := 0, 0, 0
	for _, f := range faults {
		named := func(word string) bool { return strings.Contains(f.name+" "+f.file, word) }
		if len(words) > 0 && !slices.ContainsFunc(words, named) {
			continue
		}
		if err := measure(scratch, f, sound); err != nil {
			return err
		}
		began := time.Now()
		by, err := try(scratch, f, all, sound)
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
			return nil, fmt.Errorf("entry %q is not of the form that it should have", name)
		}
		faults = append(faults, fault{name, words[0], old, replacement, words[1:]})
	}
	return faults, nil
}

// copyTree copies the repository, but for its history.
func copyTree(to string) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".git" && d.IsDir():
			return filepath.SkipDir
		case path == ".git": // of a work tree that is not the first one, a file
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), b, 0o644)
	})
}

// measure tests the packages of a fault that have not been tested yet, without it.
func measure(root string, f fault, sound map[string]time.Duration) error {
	for _, p := range f.packages {
		if _, known := sound[p]; known {
			continue
		}
		began := time.Now()
		if out, err := test(root, p, patience); err != nil {
			return fmt.Errorf("%s fails without any fault: %w\n%s", p, err, out)
		}
		sound[p] = time.Since(began)
	}
	return nil
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// try returns the names of tests that catch the fault; none if it survives.
func try(root string, f fault, all bool, sound map[string]time.Duration) (string, error) {
	path := filepath.Join(root, f.file)
	code, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(code, []byte(f.old)); n != 1 {
		return "", fmt.Errorf("%s has its place %d times, once is wanted", f.file, n)
	}
	if err := os.WriteFile(path, bytes.Replace(code, []byte(f.old), []byte(f.new), 1), 0o644); err != nil {
		return "", err
	}
	defer func() { _ = os.WriteFile(path, code, 0o644) }() // it is a copy
	var by []string
	for _, p := range f.packages { // each by itself, so that one that hangs says nothing about the others
		out, err := test(root, p, time.Minute+3*sound[p])
		if err == nil {
			continue
		}
		if bytes.Contains(out, []byte("[build failed]")) {
			return "", fmt.Errorf("it does not build: %s", out)
		}
		name := strings.TrimPrefix(p, "./")
		if m := failed.FindSubmatch(out); m != nil {
			name += ": " + string(m[1])
		} else {
			name += ": panic or no end"
		}
		by = append(by, name)
		if !all {
			break
		}
	}
	return strings.Join(by, ", "), nil
}

func test(root, p string, limit time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+patience) // building included
	defer cancel()
	c := exec.CommandContext(ctx, "go", "test", "-short", "-failfast", "-vet=off", "-timeout", limit.String(), p)
	c.Dir = root
	return c.CombinedOutput()
}
