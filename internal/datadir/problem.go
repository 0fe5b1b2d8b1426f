package datadir

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// FileProblem says why the system refused a file; a reason without a sentence is said in the system's own words.
func FileProblem(err error) i18n.Sentence {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return i18n.Say("there is no such file or folder")
	case errors.Is(err, fs.ErrPermission):
		return i18n.Say("this user may not open it")
	case errors.Is(err, syscall.EISDIR):
		return i18n.Say("it is a folder")
	case errors.Is(err, syscall.ENOTDIR):
		return i18n.Say("a part of the path is not a folder")
	case errors.Is(err, syscall.EROFS):
		return i18n.Say("the disk can only be read")
	case disk.Full(err):
		return disk.ErrFull.Sentence()
	default:
		return i18n.For(err)
	}
}
