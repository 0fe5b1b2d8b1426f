package torchenv

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// watched are the parts of an environment that decide whether it computes, below its folder: which packages are there
// and as which files they came, the libraries of torch, and the Python that runs them.
var watched = []string{
	"pyvenv.cfg", "bin/python", "lib*/python*/site-packages/*", "lib*/python*/site-packages/*.dist-info/RECORD",
	"lib*/python*/site-packages/torch/__init__.py", "lib*/python*/site-packages/torch/lib/*",
}

// Fingerprint names the files of an environment by their sizes and times. It changes when a package is installed,
// removed or replaced, and not by use or by a move of the folder. It reads some hundred entries and no content.
func Fingerprint(venv string) string {
	sum := sha256.New()
	for _, pattern := range watched {
		paths, err := filepath.Glob(filepath.Join(venv, pattern))
		if err != nil {
			continue
		}
		slices.Sort(paths)
		for _, path := range paths {
			addFile(sum, venv, path)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func addFile(sum hash.Hash, venv, path string) {
	name, err := filepath.Rel(venv, path)
	info, err2 := os.Stat(path)
	switch {
	case err != nil || filepath.Base(name) == "__pycache__": // made by use
	case err2 != nil:
		fmt.Fprintf(sum, "%s gone\n", name)
	case info.IsDir(): // its time changes with what use makes in it
		fmt.Fprintf(sum, "%s %v\n", name, fs.ModeDir)
	default:
		fmt.Fprintf(sum, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
}
