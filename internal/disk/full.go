package disk

import (
	"errors"
	"strings"
	"syscall"

	"github.com/apibr/studio/internal/i18n"
)

// ErrFull says that the disk, or this user's quota of it, has nothing left. Full recognises it and the kernel's own
// words.
var ErrFull = i18n.NewError("the disk is full")

// Full says whether err is, or wraps, a write that found no free space.
func Full(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// SaysFull recognises a full disk in what another program printed.
func SaysFull(text string) bool {
	return strings.Contains(text, "No space left on device") || strings.Contains(text, "Disk quota exceeded")
}
