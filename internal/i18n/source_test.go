package i18n_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is the Go code of a tree, read for the keys of sentences.
type source struct {
	files *token.FileSet
	// packages by folder.
	packages map[string]*sourcePackage
	// wrappers are functions that hand a parameter on as a key, by folder and name, with the parameter's place.
	wrappers map[string]int
}

type sourcePackage struct {
	folder string
	files  []*ast.File
	// constants of the package by name.
	constants map[string]ast.Expr
}

// found is what the source says.
type found struct {
	// keys with the places that say them.
	keys map[string][]string
	// unknown are places whose key is not a constant.
	unknown []string
}

// readSource parses the Go files below root, tests and generated clients left out.
func readSource(t *testing.T, root string) *source {
	t.Helper()
	s := &source{files: token.NewFileSet(), packages: map[string]*sourcePackage{}, wrappers: map[string]int{}}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() &&
			(entry.Name() == "testdata" || entry.Name() == "node_modules" ||
				strings.HasPrefix(entry.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasSuffix(path, ".gen.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return s.add(path, string(text))
	}))
	return s
}

func (s *source) add(path, text string) error {
	file, err := parser.ParseFile(s.files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	folder := filepath.Dir(path)
	p := s.packages[folder]
	if p == nil {
		p = &sourcePackage{folder: folder, constants: map[string]ast.Expr{}}
		s.packages[folder] = p
	}
	p.files = append(p.files, file)
	ast.Inspect(file, func(node ast.Node) bool {
		if group, ok := node.(*ast.GenDecl); ok && group.Tok == token.CONST {
			for _, spec := range group.Specs {
				values := spec.(*ast.ValueSpec)
				for i, name := range values.Names {
					if i < len(values.Values) {
						p.constants[name.Name] = values.Values[i]
					}
				}
			}
		}
		return true
	})
	return nil
}

// find returns all keys. It repeats until no new wrapper is found, since one wrapper may call another.
func (s *source) find() found {
	for {
		before := len(s.wrappers)
		result := s.pass()
		if len(s.wrappers) == before {
			return result
		}
	}
}

func (s *source) pass() found {
	result := found{keys: map[string][]string{}}
	for _, p := range s.packages {
		for _, file := range p.files {
			for _, declaration := range file.Decls {
				function, _ := declaration.(*ast.FuncDecl)
				ast.Inspect(declaration, func(node ast.Node) bool {
					if call, ok := node.(*ast.CallExpr); ok {
						s.call(p, function, call, &result)
					}
					return true
				})
			}
		}
	}
	return result
}

func (s *source) call(p *sourcePackage, function *ast.FuncDecl, call *ast.CallExpr, result *found) {
	place, says := s.keyOf(p, call)
	if !says || place >= len(call.Args) {
		return
	}
	if key, ok := p.constant(call.Args[place]); ok {
		where := s.files.Position(call.Pos())
		result.keys[key] = append(result.keys[key], fmt.Sprintf("%s:%d", where.Filename, where.Line))
		return
	}
	if name, ok := call.Args[place].(*ast.Ident); ok && function != nil {
		if parameter := parameterOf(function, name.Name); parameter >= 0 {
			s.wrappers[p.folder+"."+function.Name.Name] = parameter
			return
		}
	}
	result.unknown = append(result.unknown, s.files.Position(call.Pos()).String())
}

// keyOf says which argument of a call is a key.
func (s *source) keyOf(p *sourcePackage, call *ast.CallExpr) (place int, says bool) {
	function := call.Fun
	if generic, ok := function.(*ast.IndexExpr); ok {
		function = generic.X
	}
	switch f := function.(type) {
	case *ast.Ident:
		if filepath.Base(p.folder) == "i18n" && (f.Name == "Say" || f.Name == "NewError") {
			return 0, true
		}
		place, says = s.wrappers[p.folder+"."+f.Name]
		return place, says
	case *ast.SelectorExpr:
		if of, ok := f.X.(*ast.Ident); ok && of.Name == "i18n" {
			return 0, f.Sel.Name == "Say" || f.Sel.Name == "NewError"
		} else if ok {
			for folder := range s.packages {
				if filepath.Base(folder) == of.Name {
					if place, says = s.wrappers[folder+"."+f.Sel.Name]; says {
						return place, true
					}
				}
			}
		}
		place, says = s.wrappers[p.folder+"."+f.Sel.Name] // a method
		return place, says
	}
	return 0, false
}

// constant is the text of an expression that the compiler knows.
func (p *sourcePackage) constant(expression ast.Expr) (string, bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := p.constant(e.X)
		right, too := p.constant(e.Y)
		return left + right, ok && too && e.Op == token.ADD
	case *ast.ParenExpr:
		return p.constant(e.X)
	case *ast.Ident:
		if value, ok := p.constants[e.Name]; ok {
			return p.constant(value)
		}
	}
	return "", false
}

// parameterOf returns the place of a function's parameter; -1 when it has none of that name.
func parameterOf(function *ast.FuncDecl, name string) int {
	place := 0
	for _, field := range function.Type.Params.List {
		for _, parameter := range field.Names {
			if parameter.Name == name {
				return place
			}
			place++
		}
	}
	return -1
}

func TestTheSourceIsReadForKeys(t *testing.T) {
	s := &source{packages: map[string]*sourcePackage{}, files: token.NewFileSet(), wrappers: map[string]int{}}
	require.NoError(t, s.add("a/a.go", `package a
const shared = "of " + "two"
var ErrGone = i18n.NewError("it is gone")
func direct(n int) { i18n.Say("one %d", n); i18n.Say(shared) }
func (x *T) invalid(field, format string, args ...any) { i18n.Say(format, args...) }
func refuse(format string) { (&T{}).invalid("f", format) }
func use(x *T, text string) { x.invalid("f", "through a method"); refuse("through two"); i18n.Plain(text) }
func Fail(format string) { i18n.Say(format) }
func Bad(list []string) { i18n.Say(list[0]) }
`))
	require.NoError(t, s.add("b/b.go", `package b
func use() { a.Fail("from elsewhere") }
`))
	result := s.find()
	require.Len(t, result.unknown, 1)
	require.Contains(t, result.unknown[0], "a/a.go:9")
	var keys []string
	for key := range result.keys {
		keys = append(keys, key)
	}
	require.ElementsMatch(
		t,
		[]string{"of two", "it is gone", "one %d", "through a method", "through two", "from elsewhere"},
		keys,
	)
}
