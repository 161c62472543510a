package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"strconv"
	"strings"

	"github.com/lanecast/lanecast/.ci/internal/mutation"
)

// mutant is one change of one file.
type mutant struct {
	Package, File string // relative to the root of the repository
	Line, Column  int
	Kind          string
	From, To      int // byte offsets of the replaced text
	Old, New      string
}

func (m *mutant) change() mutation.Change {
	return mutation.Change{File: m.File, From: m.From, To: m.To, New: m.New}
}

// String returns the place, the kind and the change, cut to one line.
func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d:%d  %s: %s → %s", m.File, m.Line, m.Column, m.Kind, oneLine(m.Old), oneLine(m.New))
}

func oneLine(code string) string {
	const most = 70
	code = strings.Join(strings.Fields(code), " ")
	if code == "" {
		return "nothing"
	}
	if runes := []rune(code); len(runes) > most {
		return string(runes[:most]) + " …"
	}
	return code
}

// generator collects the mutants of one file.
type generator struct {
	pkg, file string
	source    []byte
	positions *token.FileSet
	mutants   []mutant
	seen      map[string]bool
	keep      map[ast.Stmt]bool // statements in the head of another one
	elseIf    map[ast.Stmt]bool // if statements in the else of another one
}

// generate returns all mutants of a file's functions, in the order of the text. It skips methods
// that only make text (String, Error, GoString).
func generate(pkg, file string, source []byte) ([]mutant, error) {
	g := &generator{
		pkg: pkg, file: file, source: source, positions: token.NewFileSet(),
		seen: make(map[string]bool), keep: make(map[ast.Stmt]bool), elseIf: make(map[ast.Stmt]bool),
	}
	parsed, err := parser.ParseFile(g.positions, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		switch f.Name.Name {
		case "String", "Error", "GoString":
			continue
		}
		g.function(f.Body, f.Type.Results)
	}
	return g.mutants, nil
}

func (g *generator) offset(p token.Pos) int { return g.positions.Position(p).Offset }

func (g *generator) text(n ast.Node) string {
	return string(g.source[g.offset(n.Pos()):g.offset(n.End())])
}

// replace adds the mutant in which code replaces a node.
func (g *generator) replace(n ast.Node, kind, code string) {
	g.replaceRange(n.Pos(), n.End(), kind, code)
}

func (g *generator) replaceRange(from, to token.Pos, kind, code string) {
	at := g.positions.Position(from)
	m := mutant{
		Package: g.pkg, File: g.file, Line: at.Line, Column: at.Column, Kind: kind,
		From: at.Offset, To: g.offset(to), New: code,
	}
	m.Old = string(g.source[m.From:m.To])
	if id := fmt.Sprint(m.From, " ", m.To, " ", m.New); !g.seen[id] && m.New != m.Old {
		g.seen[id] = true
		g.mutants = append(g.mutants, m)
	}
}

// function adds the mutants of a function's body. Function literals in it have their own results.
func (g *generator) function(body *ast.BlockStmt, list *ast.FieldList) {
	results := g.types(list)
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			g.function(n.Body, n.Type.Results)
			return false
		case ast.Expr:
			g.expression(n)
		case *ast.ReturnStmt:
			g.returned(n, results)
		case ast.Stmt:
			g.statement(n)
		}
		return true
	})
}

// types returns the type of each result of a function, as text.
func (g *generator) types(list *ast.FieldList) (types []string) {
	if list == nil {
		return nil
	}
	for _, field := range list.List {
		var b bytes.Buffer
		if err := printer.Fprint(&b, g.positions, field.Type); err != nil {
			panic(err) // the type has just been parsed
		}
		for range max(1, len(field.Names)) {
			types = append(types, b.String())
		}
	}
	return types
}

var (
	negated = map[token.Token]string{
		token.EQL: "!=", token.NEQ: "==", token.LSS: ">=", token.LEQ: ">", token.GTR: "<=", token.GEQ: "<",
	}
	offByOne   = map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}
	arithmetic = map[token.Token]string{
		token.ADD: "-", token.SUB: "+", token.MUL: "/", token.QUO: "*", token.REM: "*",
	}
)

func (g *generator) expression(e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		left, right := g.text(e.X), g.text(e.Y)
		if op, ok := negated[e.Op]; ok {
			g.replace(e, "negated", left+" "+op+" "+right)
		}
		if op, ok := offByOne[e.Op]; ok {
			g.replace(e, "bound", left+" "+op+" "+right)
		}
		if op, ok := arithmetic[e.Op]; ok && !strings.ContainsAny(left+right, "\"`") {
			g.replace(e, "arithmetic", left+" "+op+" "+right)
		}
		if e.Op == token.LAND || e.Op == token.LOR {
			other := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[e.Op]
			g.replace(e, "and, or", "(("+left+") "+other+" ("+right+"))")
			g.replace(e, "condition dropped", left)
			g.replace(e, "condition dropped", right)
		}
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			g.replace(e, "negated", g.text(e.X))
		}
	case *ast.BasicLit:
		if e.Kind == token.INT {
			if v, err := strconv.ParseUint(e.Value, 0, 63); err == nil {
				g.replace(e, "number", fmt.Sprint(v+1))
			}
		}
	case *ast.CallExpr:
		if name, ok := e.Fun.(*ast.Ident); ok && name.Name == "min" {
			g.replace(name, "min, max", "max")
		} else if ok && name.Name == "max" {
			g.replace(name, "min, max", "min")
		}
	}
}

func (g *generator) statement(s ast.Stmt) {
	if g.keep[s] {
		return
	}
	switch s := s.(type) {
	case *ast.ForStmt:
		g.keep[s.Init], g.keep[s.Post] = true, true // without its step a loop does not end
	case *ast.CommClause:
		g.keep[s.Comm] = true
	case *ast.IfStmt:
		if _, ok := s.Cond.(*ast.BinaryExpr); !ok {
			g.replace(s.Cond, "negated", "!("+g.text(s.Cond)+")")
		}
		if s.Else != nil {
			g.elseIf[s.Else] = true
			g.replace(s.Else, "statement dropped", "{}")
		}
		if s.Init == nil && s.Else == nil && !g.elseIf[s] {
			g.replace(s, "statement dropped", "")
		} else {
			g.replace(s.Body, "statement dropped", "{}")
		}
	case *ast.ExprStmt, *ast.DeferStmt, *ast.IncDecStmt, *ast.GoStmt, *ast.SendStmt:
		g.replace(s, "statement dropped", "")
	case *ast.AssignStmt:
		g.assignment(s)
	case *ast.BranchStmt:
		if s.Label == nil && s.Tok == token.CONTINUE {
			g.replace(s, "loop", "break")
		} else if s.Label == nil && s.Tok == token.BREAK {
			g.replace(s, "statement dropped", "")
		}
	case *ast.CaseClause:
		if len(s.Body) == 0 || s.List == nil {
			return
		}
		if _, returns := s.Body[len(s.Body)-1].(*ast.ReturnStmt); !returns {
			g.replaceRange(s.Body[0].Pos(), s.Body[len(s.Body)-1].End(), "statement dropped", "")
		}
	}
}

func (g *generator) assignment(s *ast.AssignStmt) {
	if s.Tok == token.DEFINE {
		return
	}
	var used []string // otherwise the assigned variable could be unused
	for _, r := range s.Rhs {
		if _, call := r.(*ast.CallExpr); !call {
			used = append(used, "_ = "+g.text(r))
		}
	}
	g.replace(s, "statement dropped", strings.Join(used, "; "))
	other := map[token.Token]string{token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+="}
	if op, ok := other[s.Tok]; ok && !strings.ContainsAny(g.text(s), "\"`") {
		g.replace(s, "arithmetic", g.text(s.Lhs[0])+" "+op+" "+g.text(s.Rhs[0]))
	}
}

// returned adds, for each result, the mutant that returns the zero value of its type instead; of a
// bool, its opposite.
func (g *generator) returned(s *ast.ReturnStmt, types []string) {
	if len(s.Results) != len(types) {
		return
	}
	for i, r := range s.Results {
		switch code := g.text(r); {
		case types[i] == "bool" && code == "true":
			g.replace(r, "result", "false")
		case types[i] == "bool" && code == "false":
			g.replace(r, "result", "true")
		case types[i] == "bool":
			if _, binary := r.(*ast.BinaryExpr); !binary { // these are negated anyway
				g.replace(r, "result", "!("+code+")")
			}
		case code != "nil" && code != "0" && code != `""`:
			g.replace(r, "result", "*new("+types[i]+")")
		}
	}
}
