// Package names cleans the names that people give to voices, projects, keys and files. A name is one line of visible
// text in Unicode's NFC, so that every way of typing it finds it, every list and log shows it unchanged, and it hides
// nothing.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Clean returns a name in the form in which it is stored and searched: NFC, without control, direction, zero-width and
// private characters and without broken UTF-8. White space, line breaks included, becomes single spaces, and none at
// the ends. Cleaning twice changes nothing more.
func Clean(s string) string { return strings.Join(strings.Fields(Visible(s)), " ") }

// Visible drops characters that cannot be seen or that change how others are seen; a line break or tab becomes a space.
// A zero-width joiner is dropped too: an emoji falls into its parts and stays legible.
func Visible(s string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune("\n\t\r\v\f\u0085\u2028\u2029", r):
			return ' '
		case r == utf8.RuneError,
			unicode.Is(unicode.C, r),
			r == '\u115f',
			r == '\u1160',
			r == '\u3164',
			r == '\uffa0': // the last are blank letters
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return norm.NFC.String(kept)
}
