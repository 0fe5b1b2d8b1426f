package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apibr/studio/internal/datadir"
	"github.com/apibr/studio/internal/i18n"
)

// formatNames are other names of the formats: a .opus file is an Ogg file, and our Ogg holds Opus.
var formatNames = map[string]string{"jpeg": "jpg", "opus": "ogg", "oga": "ogg"}

// formatOf returns the format that a name stands for; "" for none.
func formatOf(name string) string {
	name = strings.ToLower(strings.TrimPrefix(name, "."))
	if format, ok := formatNames[name]; ok {
		return format
	}
	return name
}

// chooseFormat decides the file format by --format and the name of the output, before anything is submitted: a result
// of minutes must not end under a name that lies.
func (f *submission) chooseFormat() (string, error) {
	given, list := formatOf(f.format), i18n.Commas(f.formats...)
	if f.format != "" && !slices.Contains(f.formats, given) {
		return "", exitWith(ExitUsage, "--format %s: this command makes %s", f.format, list)
	}
	if f.output == "" {
		return given, nil
	}
	if len(f.formats) == 0 {
		return "", exitWith(ExitUsage, "this command makes a voice and no file: leave out -o")
	}
	free, err := checkTarget(f.output)
	if err != nil || free {
		return given, err
	}
	named := formatOf(filepath.Ext(f.output))
	switch {
	case named == "" && given != "":
		return given, nil
	case !slices.Contains(f.formats, named):
		return "", exitWith(ExitUsage, "-o %s: the name must end in one of: %s", filepath.Base(f.output), list)
	case given != "" && given != named:
		return "", exitWith(ExitUsage, "--format %s and -o %s name two formats: leave one of them out",
			f.format, filepath.Base(f.output))
	}
	return named, nil
}

// checkTarget says whether a file can be written there. free means that its name need not tell the format: it is
// standard output, a pipe or a device.
func checkTarget(path string) (free bool, err error) {
	if path == "-" {
		return true, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(path, string(filepath.Separator)):
		return false, exitWith(ExitUsage, "-o %s is a folder: name a file in it", path)
	case err == nil:
		return !info.Mode().IsRegular(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, exitWith(ExitUsage, "-o %s: %s", path, datadir.FileProblem(err))
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return false, exitWith(ExitUsage, "-o: there is no folder %s", filepath.Dir(path))
	}
	return false, nil
}

// checkName refuses to write a finished result under the name of another format.
func checkName(path, filename string) error {
	free, err := checkTarget(path)
	if err != nil || free {
		return err
	}
	named, real := formatOf(filepath.Ext(path)), formatOf(filepath.Ext(filename))
	if named != "" && real != "" && named != real {
		return exitWith(ExitUsage, "the result is %s: -o %s would name another format", filename, filepath.Base(path))
	}
	return nil
}
