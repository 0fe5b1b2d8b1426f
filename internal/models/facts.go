package models

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/apibr/studio/internal/i18n"
)

// factsName holds what the disk said of each file when its content was known to be right. It lies in the model's
// folder.
const factsName = ".facts.json"

// fact is how a file looks from outside. Whoever writes to a file changes its time of change, which no program can set
// back; so a file that looks the same needs no second reading.
type fact struct {
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"` // Nanoseconds since 1970, as Changed.
	Changed  int64  `json:"changed"`
	Inode    uint64 `json:"inode"`
}

func factOf(info fs.FileInfo) fact {
	f := fact{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Changed, f.Inode = stat.Ctim.Nano(), stat.Ino
	}
	return f
}

// FileError says that an installed model has a file that is not what was installed.
type FileError struct {
	Model, Part string
	File        string // File below the model's folder, with slashes.
	Why         string // Why is missing, size, content or unreadable.
	Bundled     bool   // Bundled says that the model came with the studio.
}

func (e *FileError) Error() string { return e.Sentence().String() }

// Sentence is the error for people.
func (e *FileError) Sentence() i18n.Sentence {
	name, mend := path.Base(e.File), i18n.Say("type `apibr models install %s`, or import the model again", e.Model)
	if e.Bundled {
		mend = i18n.Say("type `make setup` in the studio's folder, or `apibr models install %s`", e.Model)
	}
	switch e.Why {
	case "missing":
		return i18n.Say("%s, the %s of the model %s, is gone: %s", name, e.Part, e.Model, mend)
	case "size":
		return i18n.Say("%s, the %s of the model %s, has another size than the file that was installed: %s",
			name, e.Part, e.Model, mend)
	case "content":
		return i18n.Say("%s, the %s of the model %s, has changed since it was installed: %s",
			name, e.Part, e.Model, mend)
	default:
		return i18n.Say("%s, the %s of the model %s, cannot be read: make it readable, or %s",
			name, e.Part, e.Model, mend)
	}
}

// trust checks the files of a variant's parts, as the record has them: by their looks, and where those have changed by
// their content, which takes a second for each gigabyte or so. Fails with *FileError.
func (s *Store) trust(ctx context.Context, record *Record, variant string) error {
	s.trusting.Lock()
	defer s.trusting.Unlock()
	facts, changed := readFacts(s.factsFile(record)), false
	for _, part := range sortedKeys(record.Variants[variant]) {
		for _, file := range record.filesOf(record.Variants[variant][part]) {
			read, why, err := trusted(ctx, filepath.Join(record.home, filepath.FromSlash(file.Path)), file, facts)
			if err != nil {
				return err
			}
			if why != "" {
				return &FileError{record.Model, part, file.Path, why, record.Bundled()}
			}
			changed = changed || read
		}
	}
	if changed {
		writeFacts(s.factsFile(record), facts)
	}
	return nil
}

// factsFile is where the looks of a model's files are kept: beside them, or in the store's own directory when the model
// came with the studio.
func (s *Store) factsFile(record *Record) string {
	if record.Bundled() {
		return filepath.Join(s.dir, ".bundled-"+record.Model+factsName)
	}
	return filepath.Join(record.home, factsName)
}

// trusted says why a file is not what it was, or notes how it looks now when its content had to be read.
func trusted(ctx context.Context, full string, file File, facts map[string]fact) (read bool, why string, err error) {
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, "missing", nil
	case err != nil || !info.Mode().IsRegular():
		return false, "unreadable", nil
	case info.Size() != file.Size:
		return false, "size", nil
	case facts[file.Path] == factOf(info):
		return false, "", nil
	}
	why, err = compare(ctx, full, file)
	switch {
	case ctx.Err() != nil:
		return true, "", ctx.Err()
	case err != nil:
		return true, "unreadable", nil
	case why == "":
		facts[file.Path] = factOf(info) // of before the reading: a change during it is one after
	}
	return true, why, nil
}

// filesOf are the files of a part, which is one file or a folder of them.
func (r *Record) filesOf(part string) (files []File) {
	for _, file := range r.Files {
		if file.Path == part || strings.HasPrefix(file.Path, part+"/") {
			files = append(files, file)
		}
	}
	return files
}

// noteFacts takes the looks of the files below home as they are, into the file into: they were hashed while they came.
func noteFacts(home, into string, record *Record) {
	facts := map[string]fact{}
	for _, file := range record.Files {
		if info, err := os.Stat(filepath.Join(home, filepath.FromSlash(file.Path))); err == nil &&
			info.Size() == file.Size {
			facts[file.Path] = factOf(info)
		}
	}
	writeFacts(into, facts)
}

// readFacts answers with none when they are missing or not understood: the files are then read.
func readFacts(file string) map[string]fact {
	facts := map[string]fact{}
	if info, err := os.Stat(file); err != nil || info.Size() > maxRecord {
		return facts
	}
	content, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(content, &facts) != nil {
		return map[string]fact{}
	}
	return facts
}

// writeFacts is an economy only: where it fails, the files are read again at the next load.
func writeFacts(file string, facts map[string]fact) {
	if content, err := json.Marshal(facts); err == nil && os.MkdirAll(filepath.Dir(file), 0o700) == nil {
		_ = replaceFile(file, content)
	}
}

func sortedKeys(parts map[string]string) []string {
	keys := make([]string, 0, len(parts))
	for key := range parts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
