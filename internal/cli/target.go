package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// formatNames are other names of the formats: a .opus file is an Ogg file, and our Ogg holds Opus.
var formatNames = map[string]string{"jpeg": "jpg", "opus": "ogg", "oga": "ogg"}

// formatOf is the format that a name stands for, "" for none.
func formatOf(name string) string {
	name = strings.ToLower(strings.TrimPrefix(name, "."))
	if format, ok := formatNames[name]; ok {
		return format
	}
	return name
}

// chooseFormat decides the file format by --format and the name of the output, before anything is submitted: a result of
// minutes must not end under a name that lies.
func (f *submission) chooseFormat(lang language) (string, error) {
	given, list := formatOf(f.format), strings.Join(f.formats, ", ")
	if f.format != "" && !slices.Contains(f.formats, given) {
		return "", exitWith(ExitUsage, "%s", lang.text("wrong_format", f.format, list))
	}
	if f.output == "" {
		return given, nil
	}
	if len(f.formats) == 0 {
		return "", exitWith(ExitUsage, "%s", lang.text("no_output"))
	}
	free, err := checkTarget(lang, f.output)
	if err != nil || free {
		return given, err
	}
	named := formatOf(filepath.Ext(f.output))
	switch {
	case named == "" && given != "":
		return given, nil
	case !slices.Contains(f.formats, named):
		return "", exitWith(ExitUsage, "%s", lang.text("wrong_name", filepath.Base(f.output), list))
	case given != "" && given != named:
		return "", exitWith(ExitUsage, "%s", lang.text("two_formats", f.format, filepath.Base(f.output)))
	}
	return named, nil
}

// checkTarget looks whether a file can be written there; free says that its name need not tell a format, as that of
// standard output, a pipe or a device.
func checkTarget(lang language, path string) (free bool, err error) {
	if path == "-" {
		return true, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(path, string(filepath.Separator)):
		return false, exitWith(ExitUsage, "%s", lang.text("output_folder", path))
	case err == nil:
		return !info.Mode().IsRegular(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, exitWith(ExitUsage, "-o: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return false, exitWith(ExitUsage, "%s", lang.text("no_folder", filepath.Dir(path)))
	}
	return false, nil
}

// checkName refuses to write a result that is there under the name of another format.
func checkName(lang language, path, filename string) error {
	free, err := checkTarget(lang, path)
	if err != nil || free {
		return err
	}
	named, real := formatOf(filepath.Ext(path)), formatOf(filepath.Ext(filename))
	if named != "" && real != "" && named != real {
		return exitWith(ExitUsage, "%s", lang.text("other_format", filename, filepath.Base(path)))
	}
	return nil
}
