package profile

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/lanecast/lanecast"

// The prefixes in partNames are strings, which no compiler checks: a renamed function would move
// its CPU time to another part.
func TestThePartsOfAProfileNameFunctionsThatExist(t *testing.T) {
	names := functionsOf(t, filepath.Join("..", "..", "..", ".."))
	for _, p := range partNames {
		if !strings.HasPrefix(p.prefix, modulePath) {
			continue
		}
		if !slices.ContainsFunc(names, func(name string) bool {
			rest, ok := strings.CutPrefix(name, p.prefix)
			return ok && (rest == "" || strings.HasSuffix(p.prefix, ".") || strings.ContainsRune("./[)", rune(rest[0])))
		}) {
			t.Errorf("no function's name begins with %s; correct it in partNames, or its time counts as another part", p.prefix)
		}
	}
}

// functionsOf returns the names of all functions below a folder, for any system and build tags, as
// profiles have them.
func functionsOf(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := path.Join(modulePath, filepath.ToSlash(below))
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				names = append(names, pkg+"."+receiver(f)+f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// receiver returns the part of a method's name before its own, such as "(*T).", or "" for a
// function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	expr := f.Recv.List[0].Type
	star, pointer := expr.(*ast.StarExpr)
	if pointer {
		expr = star.X
	}
	parameters := ""
	switch generic := expr.(type) {
	case *ast.IndexExpr:
		expr, parameters = generic.X, "[...]"
	case *ast.IndexListExpr:
		expr, parameters = generic.X, "[...]"
	}
	name := expr.(*ast.Ident).Name + parameters
	if pointer {
		name = "(*" + name + ")"
	}
	return name + "."
}
