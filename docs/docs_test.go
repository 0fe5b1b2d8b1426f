// Package docs_test holds the pages of this folder to the tree that they describe.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = ".."

var (
	quoted   = regexp.MustCompile("`([^`\\s]+)`")
	source   = regexp.MustCompile(`^[\w./-]+\.(go|py|pyi|sql|sh|ts|mjs|md)$`)
	folder   = regexp.MustCompile(`^(\./)?(cmd|docs|internal|migrations|pyworkers|samples|scripts|web)(/[\w.-]+)*/?$`)
	testName = regexp.MustCompile(`^Test[A-Z]\w+$`)
	link     = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	fences   = regexp.MustCompile("(?s)```.*?```")
)

// pages are the texts that are read, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	require.NoError(t, err)
	texts := map[string]string{}
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		texts[name] = string(text)
	}
	require.Greater(t, len(texts), 5)
	return texts
}

// tree is what the repository holds: a line for each file as in /internal/x/y.go, so that the end of a path can be
// looked for, and a line for each Go test.
func tree(t *testing.T) (files, tests string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	var list, names strings.Builder
	names.WriteString("\n")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "__pycache__") {
				return filepath.SkipDir
			}
			return nil
		}
		list.WriteString(strings.TrimPrefix(filepath.ToSlash(path), "..") + "\n")
		if strings.HasSuffix(name, "_test.go") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
				names.WriteString(found[1] + "\n")
			}
		}
		return nil
	}))
	return list.String(), names.String()
}

// missing lists what a page names and the repository does not have: files, folders and tests in backticks.
func missing(text, files, tests string) (list []string) {
	for _, match := range quoted.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		name, there := match[1], true
		switch {
		case testName.MatchString(name):
			there = strings.Contains(tests, "\n"+name+"\n")
		case source.MatchString(name):
			there = strings.Contains(files, "/"+strings.TrimPrefix(name, "./")+"\n")
		case folder.MatchString(name):
			_, err := os.Stat(filepath.Join(root, name))
			there = err == nil
		}
		if !there {
			list = append(list, name)
		}
	}
	return list
}

func TestFilesAndTestsThatThePagesNameExist(t *testing.T) {
	files, tests := tree(t)
	for page, text := range pages(t) {
		require.Empty(t, missing(text, files, tests), page)
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), match[1]))
			require.NoError(t, err, "a link of %s", page)
		}
	}
	gone := "`internal/gone`, `gone.go`, `runner/gone.go`, `TestThatIsGone`, `docs/docs_test.go`, `internal/i18n`"
	require.Equal(t, []string{"internal/gone", "gone.go", "runner/gone.go", "TestThatIsGone"},
		missing(gone, files, tests))
}

// The table of the architecture has a place for each package, its picture can be taken in at once, and each addition is
// told in five lines.
func TestTheArchitectureListsEveryPackage(t *testing.T) {
	text := pages(t)["architecture.md"]
	packages, err := os.ReadDir(filepath.Join(root, "internal"))
	require.NoError(t, err)
	_, table, found := strings.Cut(text, "## Where things live")
	require.True(t, found)
	for _, entry := range packages {
		require.Contains(t, table, "`internal/"+entry.Name()+"`")
	}
	pictures := fences.FindAllString(text, -1)
	require.Len(t, pictures, 1)
	require.LessOrEqual(t, strings.Count(pictures[0], "\n")-1, 25)
	for _, heading := range []string{"## Adding an engine", "## Adding a request kind", "## Adding a language"} {
		_, section, found := strings.Cut(text, heading+"\n\n")
		require.True(t, found, heading)
		section, _, _ = strings.Cut(section, "\n## ")
		require.Len(t, strings.Split(strings.TrimSpace(section), "\n"), 5, heading)
	}
}
