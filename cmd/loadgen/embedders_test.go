package main

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/lanecast/lanecast"

// forThisTool are the dependencies that loadgen brings into the module. Embedders of the engine
// must not get them.
var forThisTool = []string{
	"github.com/spf13/", "github.com/HdrHistogram/", "github.com/google/pprof/", "golang.org/x/perf/", "runtime/pprof", "net/http/pprof", "testing",
}

func TestEmbeddersGetNothingThatOnlyThisToolNeeds(t *testing.T) {
	for _, pkg := range []string{"engine", "network", "network/bridge", "archive", "payload", "journal", "verify", "wire", "replica"} {
		if _, err := os.Stat(folderOf(pkg)); err != nil {
			if pkg == "replica" { // does not exist yet
				continue
			}
			t.Error(err)
		}
		for imported, by := range importsBelow(t, pkg) {
			if imported == "cmd/loadgen" || strings.HasPrefix(imported, "cmd/") {
				t.Errorf("%s depends on %s, by %s", pkg, imported, by)
			}
			for _, name := range forThisTool {
				if strings.HasPrefix(imported, name) {
					t.Errorf("%s depends on %s, by %s", pkg, imported, by)
				}
			}
		}
	}
}

func folderOf(pkg string) string { return filepath.Join("..", "..", filepath.FromSlash(pkg)) }

// importsBelow returns the packages that a package of this module imports, directly or by another
// package of the module, for any system, each with a package that imports it. Names are relative to
// the module.
func importsBelow(t *testing.T, pkg string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for open := []string{pkg}; len(open) > 0; open = open[1:] {
		files, err := filepath.Glob(filepath.Join(folderOf(open[0]), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of %s: %v", open[0], err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			if parsed.Name.Name == "main" { // a generator beside the package
				continue
			}
			for _, spec := range parsed.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				own, ofModule := strings.CutPrefix(name, modulePath+"/")
				if ofModule {
					name = path.Clean(own)
				}
				if _, known := found[name]; !known {
					if found[name] = open[0]; ofModule {
						open = append(open, name)
					}
				}
			}
		}
	}
	return found
}
