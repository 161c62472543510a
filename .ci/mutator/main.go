// Command mutator changes one expression or statement at a time in a copy of the repository, and
// runs the changed package's own tests. Changes that no test notices show behavior that is not
// tested. It is run by hand, from the root of the repository, on Linux or macOS:
//
//	go run ./.ci/mutator -packages internal/core,aggregate -sample 200 -results ../mutants.jsonl
//	go run ./.ci/mutator -packages internal/core,aggregate -sample 200 -results ../mutants.jsonl -again
//
// Kinds of mutants:
//
//	negated            a comparison or a condition becomes its opposite
//	bound              < becomes <=, > becomes >=, and the other way round
//	and, or            && becomes ||, and the other way round
//	condition dropped  one side of && or || goes
//	statement dropped  a call, an assignment, an increment, a break, a case's or an if's body goes
//	result             a result becomes its type's zero value; a bool, its opposite
//	arithmetic         + becomes −, * becomes /, and the other way round; % becomes *
//	number             an integer literal grows by one
//	min, max           min becomes max, and the other way round
//	loop               continue becomes break
//
// With -files, only files whose names match are changed: for example "(acks|needed)\.go$" after a
// change of these. The sample depends only on the seed, the packages, the files and the code. The
// tests run in short form, up to the first that fails. Mutants in code that no test runs are not
// tried. A package must pass its tests unchanged, within the time limit.
//
// At the end it prints a table by package, and for each mutant that lives its place, kind, old text
// and new text. A developer decides which of them change no behavior (they are equivalent, or
// affect only speed, log lines or impossible cases) and which need a test. A test checks a rule of
// docs/protocol.md or a documented behavior, not one mutant. Faults that should be tried again
// after every change become entries of .ci/mutants/list.txt.
//
// With -results, mutants whose outcome is known are not tried again, so an interrupted run
// continues where it stopped; -again tries those that lived again, after tests have been added.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lanecast/lanecast/.ci/internal/mutation"
)

type options struct {
	packages []string
	files    *regexp.Regexp // matches the files to change
	sample   int
	seed     uint64
	timeout  time.Duration
	results  string
	skip     string
	again    bool
}

func main() {
	var o options
	packages := flag.String("packages", "", "packages whose code is changed, by folder, separated by commas")
	files := flag.String("files", "", "regular expression: of the packages, only files whose names, as internal/core/acks.go, match are changed")
	flag.IntVar(&o.sample, "sample", 100, "number of mutants of all packages together; 0 for all")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the sample")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "time limit for the tests of one mutant")
	flag.StringVar(&o.results, "results", "", "file that keeps the outcomes, outside the repository")
	flag.StringVar(&o.skip, "skip", "", "tests that are not run, as for go test -skip")
	flag.BoolVar(&o.again, "again", false, "try mutants again that lived")
	flag.Parse()
	for _, p := range strings.Split(*packages, ",") {
		if p != "" {
			o.packages = append(o.packages, path.Clean(filepath.ToSlash(p)))
		}
	}
	var err error
	if o.files, err = regexp.Compile(*files); err != nil {
		fmt.Fprintln(os.Stderr, "mutator: -files:", err)
		os.Exit(1)
	}
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "mutator:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	if len(o.packages) == 0 || flag.NArg() > 0 {
		return errors.New("-packages is required: folders of packages, separated by commas")
	}
	if o.timeout <= 0 || o.sample < 0 {
		return fmt.Errorf("-timeout %v, -sample %d: want a time above 0 and a number of at least 0", o.timeout, o.sample)
	}
	all, sources, err := enumerate(o.packages, o.files)
	if err != nil {
		return fmt.Errorf("run it from the root of the repository: %w", err)
	}
	if len(all) == 0 {
		return fmt.Errorf("no code to change: no file of %s matches -files %s", strings.Join(o.packages, ", "), o.files)
	}
	total := make(map[string]int)
	for i := range all {
		total[all[i].Package]++
	}
	chosen := sample(all, o.seed, o.sample)
	known, err := openResults(o.results)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	done, err := tryAll(ctx, o, chosen, sources, known)
	table(os.Stdout, o.packages, total, done)
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return errors.Join(err, known.close())
}

// enumerate returns the mutants of the packages' files whose names match, and these files' digests.
func enumerate(packages []string, files *regexp.Regexp) (all []mutant, sources map[string]string, err error) {
	sources = make(map[string]string)
	for _, p := range packages {
		entries, err := os.ReadDir(filepath.FromSlash(p))
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			if ok, err := build.Default.MatchFile(p, e.Name()); err != nil {
				return nil, nil, err
			} else if !ok {
				continue
			}
			file := p + "/" + e.Name()
			if !files.MatchString(file) {
				continue
			}
			source, err := os.ReadFile(filepath.FromSlash(file))
			if err != nil {
				return nil, nil, err
			}
			mutants, err := generate(p, file, source)
			if err != nil {
				return nil, nil, err
			}
			all = append(all, mutants...)
			sources[file] = fmt.Sprintf("%x", sha256.Sum256(source))[:16]
		}
	}
	return all, sources, nil
}

// sample returns count of the mutants, ordered by package, and within a package in a pseudorandom
// order. A mutant's place in that order depends on the seed and on the mutant.
func sample(all []mutant, seed uint64, count int) []mutant {
	keys := make(map[*mutant][32]byte, len(all))
	order := make([]*mutant, len(all))
	for i := range all {
		m := &all[i]
		order[i] = m
		keys[m] = sha256.Sum256(fmt.Appendf(nil, "%d %s %d %d %s", seed, m.File, m.From, m.To, m.New))
	}
	slices.SortFunc(order, func(a, b *mutant) int {
		x, y := keys[a], keys[b]
		return slices.Compare(x[:], y[:])
	})
	if count > 0 {
		order = order[:min(count, len(order))]
	}
	// One package after another, so that the coverage of each is measured once.
	slices.SortStableFunc(order, func(a, b *mutant) int { return cmp.Compare(a.Package, b.Package) })
	chosen := make([]mutant, len(order))
	for i, m := range order {
		chosen[i] = *m
	}
	return chosen
}

// tryAll returns the results of the mutants, up to an error: the known results, and those of the
// tries.
func tryAll(ctx context.Context, o *options, mutants []mutant, sources map[string]string, known *results) (done []result, err error) {
	module, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	repository, err := mutation.NewCopy(".")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, repository.Remove()) }()
	var flags []string
	if o.skip != "" {
		flags = append(flags, "-test.skip="+o.skip)
	}
	covered := make(map[string]coverage) // by package
	for i := range mutants {
		m := &mutants[i]
		r := result{mutant: *m, Source: sources[m.File]}
		if old, ok := known.byName[name(r.Source, m)]; ok && !(o.again && old.lives()) {
			done = append(done, old)
			continue
		}
		if covered[m.Package] == nil {
			if covered[m.Package], err = measure(ctx, o, repository, strings.TrimSpace(string(module)), m.Package, flags); err != nil {
				return done, err
			}
		}
		if !covered[m.Package].runs(m) {
			r.Outcome = notRun
		} else {
			t, err := repository.Try(ctx, m.change(), m.Package, o.timeout, flags...)
			if err != nil {
				return done, err
			}
			r.Outcome, r.By, r.Seconds = t.Outcome, t.By, t.Took.Seconds()
		}
		fmt.Printf("%4d of %d  %-13s  %v  %s\n", i+1, len(mutants), r.Outcome, m, r.By)
		done = append(done, r)
		if err := known.add(&r); err != nil {
			return done, err
		}
	}
	return done, nil
}

// measure tests an unchanged package, and returns the coverage of its tests.
func measure(ctx context.Context, o *options, c *mutation.Copy, module, pkg string, flags []string) (coverage, error) {
	r, profile, err := c.Cover(ctx, pkg, o.timeout, flags...)
	if err != nil {
		return nil, err
	}
	if r.Outcome != mutation.Survived {
		return nil, fmt.Errorf("the tests of %s, without any mutant: %s\n%s", pkg, r.Outcome, r.Output)
	}
	fmt.Printf("%s passes its tests unchanged, in %.1f s with compiling\n", pkg, r.Took.Seconds())
	return readCoverage(module, profile)
}
