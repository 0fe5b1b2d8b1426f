package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Policy says which files a program reaches. Paths that do not exist are passed over. The zero Policy hides nothing and
// lets the program write to devices only.
type Policy struct {
	// Hidden are files and folders that the program can neither read, write nor run: the studio's data directory, files
	// with secrets.
	Hidden []string

	// Read are files and folders below Hidden that it reads and runs all the same.
	Read []string

	// Write are files and folders that it reads, writes and runs, below Hidden or not.
	Write []string

	// WriteOutside lets it write everywhere outside Hidden: a program of the user's own choice keeps its files where it
	// likes.
	WriteOutside bool

	// Off leaves files alone: only no_new_privs and the ban of Unix sockets hold.
	Off bool
}

// access is what a rule grants.
type access int

const (
	list  access = iota // the names in a folder and its subfolders
	read                // names, content, execution
	write               // all of it
)

type rule struct {
	path   string
	access access
}

// mostRules bounds what one start costs. A folder on the way to a hidden path with more entries than this is reachable
// in part only.
const mostRules = 8192

// devices are what a program may write to: null devices, terminals, shared memory and graphics cards; never a disk.
func devices() []string {
	cards, _ := filepath.Glob("/dev/nvidia*") // the pattern is right
	return append(
		cards,
		"/dev/null",
		"/dev/zero",
		"/dev/full",
		"/dev/tty",
		"/dev/ptmx",
		"/dev/pts",
		"/dev/shm",
		"/dev/kfd",
		"/dev/dri",
	)
}

// rules spells the policy out. Landlock only grants, and a grant reaches everything below its path: so each folder on
// the way to a hidden path is replaced by its entries without the hidden one. Files made in such a folder later stay
// out of reach.
func (p *Policy) rules() []rule {
	outside := read
	if p.WriteOutside {
		outside = write
	}
	b := builder{hidden: resolved(p.Hidden), outside: outside}
	b.open("/")
	for _, path := range resolved(p.Read) {
		b.rules = append(b.rules, rule{path, read})
	}
	for _, path := range resolved(slices.Concat(devices(), p.Write)) {
		b.grantWrite(path)
	}
	return b.rules
}

type builder struct {
	hidden  []string
	outside access
	rules   []rule
}

// open grants a folder, or its parts when something hidden lies below it.
func (b *builder) open(path string) {
	b.each(path, func(path string) { b.rules = append(b.rules, rule{path, b.outside}) })
}

// grantWrite grants a path that the policy names. Below a hidden path it is granted whole; on the way to one, in parts.
func (b *builder) grantWrite(path string) {
	if slices.ContainsFunc(b.hidden, func(hidden string) bool { return within(path, hidden) }) {
		b.rules = append(b.rules, rule{path, write})
		return
	}
	b.each(path, func(path string) { b.rules = append(b.rules, rule{path, write}) })
}

func (b *builder) each(path string, grant func(string)) {
	switch {
	case len(b.rules) >= mostRules, slices.Contains(b.hidden, path):
		return
	case !slices.ContainsFunc(b.hidden, func(hidden string) bool { return within(hidden, path) }):
		grant(path)
		return
	}
	b.rules = append(b.rules, rule{path, list})
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		// A symbolic link leads to a path that has a rule of its own, or none because it is hidden.
		if entry.Type()&os.ModeSymlink == 0 {
			b.each(filepath.Join(path, entry.Name()), grant)
		}
	}
}

// within says that path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// resolved are the real paths of those that exist.
func resolved(paths []string) []string {
	var found []string
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			continue
		}
		if real, err := filepath.EvalSymlinks(absolute); err == nil {
			found = append(found, real)
		}
	}
	return found
}
