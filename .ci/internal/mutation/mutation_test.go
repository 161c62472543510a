package mutation

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository returns a copy of a small repository: a package whose test calls its only function.
func repository(t *testing.T) *Copy {
	t.Helper()
	from := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":        "module example.com/small\n\ngo 1.25\n",
		".git/HEAD":     "not to be copied",
		"p/p.go":        "package p\n\nfunc Two() int { return 2 }\n",
		"p/p_test.go":   "package p\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif Two() != 2 {\n\t\tt.Fatal()\n\t}\n}\n",
		"none/none.go":  "package none\n",
		"p/sub/keep.md": "kept",
	} {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewCopy(from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// body returns the change of the function's body.
func body(code string) Change {
	const before = "package p\n\nfunc Two() int { "
	return Change{File: "p/p.go", From: len(before), To: len(before + "return 2"), New: code}
}

func TestEachOutcomeOfAChangeIsReported(t *testing.T) {
	t.Setenv("GOFLAGS", "") // may be set for this repository
	c := repository(t)
	for _, one := range []struct {
		name   string
		change Change
		limit  time.Duration
		want   Outcome
		by     string
	}{
		{"none", Change{}, time.Minute, Survived, ""},
		{"the same value", body("return 1 + 1"), time.Minute, Survived, ""},
		{"another value", body("return 3"), time.Minute, Killed, "TestTwo"},
		{"a panic", body("panic(2)"), time.Minute, Killed, "TestTwo"},
		{"a panic elsewhere", body("go func() { panic(2) }(); select {}"), time.Minute, Killed, ""},
		{"no end", body("for {}"), 100 * time.Millisecond, TimedOut, ""},
		{"no code", body("return"), time.Minute, NotCompiling, ""},
	} {
		r, err := c.Try(context.Background(), one.change, "p", one.limit)
		if err != nil {
			t.Fatalf("%s: %v", one.name, err)
		}
		if r.Outcome != one.want || one.want == Killed && r.By != one.by {
			t.Errorf("%s: %s by %q\n%s", one.name, r.Outcome, r.By, r.Output)
		}
	}
	// No part of a change remains for the next.
	if r, err := c.Try(context.Background(), Change{}, "p", time.Minute); err != nil || r.Outcome != Survived {
		t.Errorf("unchanged, at the end: %s, %v", r.Outcome, err)
	}
}

func TestAPackageWithoutTestsIsNotTestedWithAnothersBinary(t *testing.T) {
	t.Setenv("GOFLAGS", "")
	c := repository(t)
	for _, p := range []string{"p", "none"} {
		r, err := c.Try(context.Background(), Change{}, p, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]Outcome{"p": Survived, "none": Killed}[p]; r.Outcome != want {
			t.Errorf("%s: %s\n%s", p, r.Outcome, r.Output)
		}
	}
}

func TestAChangeOutsideOfItsFileIsAnError(t *testing.T) {
	c := repository(t)
	for _, change := range []Change{{File: "p/p.go", From: 5, To: 4}, {File: "p/p.go", To: 1000}, {File: "p/p.go", From: -1}, {File: "p/none.go"}} {
		if _, err := c.Try(context.Background(), change, "p", time.Minute); err == nil {
			t.Errorf("%+v is accepted", change)
		}
	}
}

func TestACopyLeavesOutTheHistory(t *testing.T) {
	c := repository(t)
	if _, err := os.Stat(c.Path(".git")); err == nil {
		t.Error("the history is copied")
	}
	if b, err := os.ReadFile(c.Path("p/sub/keep.md")); err != nil || string(b) != "kept" {
		t.Error(string(b), err)
	}
}

func TestTheProfileOfCoverageNamesTheFilesOfThePackage(t *testing.T) {
	t.Setenv("GOFLAGS", "")
	c := repository(t)
	r, profile, err := c.Cover(context.Background(), "p", time.Minute)
	if err != nil || r.Outcome != Survived {
		t.Fatalf("%s, %v\n%s", r.Outcome, err, r.Output)
	}
	if !strings.Contains(string(profile), "example.com/small/p/p.go:3.") {
		t.Errorf("profile %q", profile)
	}
}
