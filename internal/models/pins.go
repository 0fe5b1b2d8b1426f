package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// pinsName holds what every file was when it was first installed. It outlives the models: a source that hands out
// something else under the same revision later is noticed.
const pinsName = "pins.json"

type filePin struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func (s *Store) readPins() (map[string]filePin, error) {
	pins := map[string]filePin{}
	content, err := os.ReadFile(filepath.Join(s.dir, pinsName))
	if errors.Is(err, fs.ErrNotExist) {
		return pins, nil
	}
	if err == nil {
		err = json.Unmarshal(content, &pins)
	}
	if err != nil {
		return nil, fmt.Errorf("models: read %s: %w", pinsName, err)
	}
	return pins, nil
}

// pin adds the files to what is pinned. The lock is held.
func (s *Store) pinFiles(files []File) error {
	pins, err := s.readPins()
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Source != "" {
			pins[file.Source] = filePin{file.Size, file.SHA256}
		}
	}
	content, err := json.MarshalIndent(pins, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(s.dir, pinsName), content); err != nil {
		return fmt.Errorf("models: write %s: %w", pinsName, err)
	}
	return nil
}

// replaceFile writes a file as a whole, or not at all.
func replaceFile(name string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(name), ".write-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(content); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

// compare tells of a file that is not what it was when it was first installed.
func (p filePin) compare(name, sha256 string) error {
	if sha256 == "" || p.SHA256 == "" || p.SHA256 == sha256 {
		return nil
	}
	return inputError(
		"%s is not the file that was first installed from its source: if its maker says that it was replaced, "+
			"remove its line from pins.json in models.cache_dir and install again",
		name,
	)
}
