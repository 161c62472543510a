package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestOnlyFilesThatMatchAreChanged(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a/acks.go", "a/needed.go", "a/acks_test.go", "b/acks.go"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("package p\n\nfunc f(a, b int) bool { return a < b }\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		files string
		want  []string
	}{
		{"", []string{"a/acks.go", "a/needed.go", "b/acks.go"}},
		{`/acks\.go$`, []string{"a/acks.go", "b/acks.go"}},
		{`^a/`, []string{"a/acks.go", "a/needed.go"}},
		{`_test`, nil},
	} {
		all, sources, err := enumerate([]string{"a", "b"}, regexp.MustCompile(c.files))
		if err != nil {
			t.Fatal(err)
		}
		var changed []string
		for i := range all {
			if !slices.Contains(changed, all[i].File) {
				changed = append(changed, all[i].File)
			}
		}
		if !slices.Equal(changed, c.want) || len(sources) != len(c.want) {
			t.Errorf("-files %q changes %q and has digests of %d files, %q is wanted", c.files, changed, len(sources), c.want)
		}
	}
}
