package assets

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/names"
)

const (
	maxFilenameBytes = 180 // under the 255 of filesystems, with bytes left for what a browser adds
	maxNameRunes     = 200
)

// sameType are other extensions that are right for a type; every other one is replaced.
var sameType = map[string]string{
	".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".jfif": "image/jpeg", ".oga": "audio/ogg", ".opus": "audio/ogg",
	".wave": "audio/wav", ".m4v": "video/mp4", ".mp4": "audio/mp4", ".qt": "video/quicktime", ".webm": "audio/webm",
}

// Filename makes a name that a client gave safe to offer as a download on any system: no folder, no control or
// direction character, no reserved name, the extension of the true type, at most 180 bytes.
func Filename(given, mime string) string {
	given = strings.ReplaceAll(given, `\`, "/")
	base := strings.TrimFunc(
		names.Visible(path.Base(given)),
		func(r rune) bool { return r == '.' || unicode.IsSpace(r) },
	)
	if base == "" || base == "/" {
		kind, _, _ := strings.Cut(mime, "/")
		base = kind
	}
	base = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"/|?*;%`, r) {
			return '_'
		}
		return r
	}, base)
	want := media.Extension(mime)
	ext := strings.ToLower(path.Ext(base))
	stem := base[:len(base)-len(ext)]
	switch {
	case ext == want || sameType[ext] == mime:
		want = ext
	case !looksLikeExtension(ext): // "take 2.5" is a name, not a type
		stem = base
	}
	stem = strings.TrimRight(stem, ". ")
	if stem == "" || reserved(stem) {
		stem = "_" + stem
	}
	for len(stem) > maxFilenameBytes-len(want) {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return stem + want
}

// displayName cleans a name that lists show.
func displayName(s string) string {
	s = names.Clean(s)
	if r := []rune(s); len(r) > maxNameRunes {
		s = strings.TrimSpace(string(r[:maxNameRunes]))
	}
	return s
}

func looksLikeExtension(ext string) bool {
	if len(ext) < 2 || len(ext) > 6 {
		return false
	}
	letter := false
	for _, r := range ext[1:] {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
		letter = letter || unicode.IsLetter(r)
	}
	return letter
}

// reserved are device names of Windows.
func reserved(stem string) bool {
	name, _, _ := strings.Cut(strings.ToUpper(stem), ".")
	switch name {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(name) == 4 && (name[:3] == "COM" || name[:3] == "LPT") && name[3] >= '0' && name[3] <= '9'
}
