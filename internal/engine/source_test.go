package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allowed are ids in examples for readers, by file.
var allowed = map[string][]string{
	"internal/cli/pictures.go":     {"flux-dev"},
	"internal/httpapi/models.go":   {"flux-dev"},
	"internal/generation/image.go": {"flux-kontext"},
}

// No Go code names an engine or a model: what the server knows of them is in their manifests.
func TestNoGoCodeNamesAnEngineOrAModel(t *testing.T) {
	c, err := Load("../../pyworkers")
	require.NoError(t, err)
	var ids []string
	for _, m := range c.known {
		ids = append(ids, string(m.ID))
		for _, model := range m.Models {
			ids = append(ids, model.ID)
		}
	}
	found := naming(t, "../..", ids)
	for file, ids := range found {
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(allowed[file], id) })
		if len(ids) > 0 {
			t.Errorf("%s names %v: let a manifest say it", file, ids)
		}
	}
}

// naming finds the ids that literals of the Go files below root are, or that they have in their text where the id is
// not an ordinary word. Tests and generated clients are left out.
func naming(t *testing.T, root string, ids []string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" ||
			name == "testdata" || strings.HasSuffix(name, "test")) { // storetest and its like are parts of tests
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			strings.HasSuffix(name, ".gen.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			for _, id := range ids {
				if strings.Contains(text, id) && mentions(text, id) {
					at, _ := filepath.Rel(root, path)
					found[filepath.ToSlash(at)] = append(found[filepath.ToSlash(at)], id)
				}
			}
			return true
		})
		return nil
	}))
	return found
}

// mentions says whether a literal is the id, or has it as a word where it has a sign that ordinary words do not.
func mentions(text, id string) bool {
	if text == id {
		return true
	}
	return strings.ContainsAny(id, "-.0123456789") &&
		regexp.MustCompile(`(^|[^a-z0-9.-])`+regexp.QuoteMeta(id)+`($|[^a-z0-9-])`).MatchString(text)
}

func TestNamesOfEnginesAreFoundInLiterals(t *testing.T) {
	for text, want := range map[string]bool{
		"flux": true, "flux-dev": true, `example:"flux-dev"`: true, "the model flux-dev.": true,
		"a flux of words": false, "draft-speech-2": false, "my-flux-dev": false,
	} {
		require.Equal(
			t,
			want,
			mentions(text, "flux") || mentions(text, "flux-dev") || mentions(text, "draft-speech"),
			text,
		)
	}
}
