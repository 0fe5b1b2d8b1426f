package cli

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	textunicode "golang.org/x/text/encoding/unicode"
)

// maxText is the longest text file that is read, in bytes: many times what a request may hold.
const maxText = 16 << 20

var (
	errEncoding = errors.New("the encoding is unknown")
	errTooLong  = errors.New("the text is too long")
)

// textProblem says why decodeText refused a text; name says which.
func textProblem(name string, err error) error {
	if errors.Is(err, errTooLong) {
		return exitWith(ExitUsage, "%s: the text is longer than %d MiB", name, maxText>>20)
	}
	return exitWith(ExitUsage, "%s: the text's encoding cannot be told; save it as UTF-8 and try again", name)
}

// decodeText reads a text as people's editors save it: UTF-8, UTF-16, and Windows-1252 where nothing else can be
// meant. Anything else is refused with errEncoding, since a wrong guess would be spoken.
func decodeText(content []byte) (string, error) {
	switch {
	case len(content) > maxText:
		return "", errTooLong
	case bytes.HasPrefix(content, []byte("\xef\xbb\xbf")):
		content = content[3:]
	case bytes.HasPrefix(content, []byte("\xff\xfe")), looksLikeUTF16(content, 1):
		return fromUTF16(content, textunicode.LittleEndian)
	case bytes.HasPrefix(content, []byte("\xfe\xff")), looksLikeUTF16(content, 0):
		return fromUTF16(content, textunicode.BigEndian)
	}
	if utf8.Valid(content) {
		if bytes.IndexByte(content, 0) >= 0 {
			return "", errEncoding
		}
		return string(content), nil
	}
	return fromWindows1252(content)
}

// inUTF8 converts an argument of the command line, since a terminal may write in another encoding. name says which
// argument it is.
func inUTF8(name, argument string) (string, error) {
	if utf8.ValidString(argument) {
		return argument, nil
	}
	text, err := decodeText([]byte(argument))
	if err != nil {
		return "", textProblem(name, err)
	}
	return text, nil
}

// looksLikeUTF16 recognises UTF-16 without a byte order mark: in western text every second byte, beginning with byte
// number zeros, is nearly always zero, and the others never are.
func looksLikeUTF16(content []byte, zeros int) bool {
	if len(content) < 4 || len(content)%2 != 0 {
		return false
	}
	found := 0
	for i, b := range content {
		switch {
		case i%2 == zeros && b == 0:
			found++
		case i%2 != zeros && b == 0:
			return false
		}
	}
	const mostly = 0.9
	return float64(found) >= mostly*float64(len(content)/2)
}

func fromUTF16(content []byte, order textunicode.Endianness) (string, error) {
	if len(content)%2 != 0 {
		return "", errEncoding
	}
	text, err := textunicode.UTF16(order, textunicode.UseBOM).NewDecoder().Bytes(content)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) || bytes.IndexByte(text, 0) >= 0 {
		return "", errEncoding
	}
	return string(text), nil
}

// western are the characters beyond ASCII of texts in the languages of Windows-1252, with their punctuation. A byte
// that stands for any other character comes from another encoding.
const western = "áàâãäåæçéèêëíìîïñóòôõöøœúùûüÿßÁÀÂÃÄÅÇÉÈÊËÍÌÎÏÑÓÒÔÕÖØÚÙÛÜ" +
	"ªº°§€£¿¡«»“”‘’„–—…•·´©®™½¼¾²³±×\u00a0"

func fromWindows1252(content []byte) (string, error) {
	text, err := charmap.Windows1252.NewDecoder().Bytes(content)
	if err != nil {
		return "", errEncoding
	}
	letters, foreign, run := 0, 0, 0
	for _, r := range string(text) {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			run = 0
		case r < ' ' || r == 0x7f:
			return "", errEncoding
		case r < utf8.RuneSelf:
			if run = 0; unicode.IsLetter(r) {
				letters++
			}
		case !strings.ContainsRune(western, r):
			return "", errEncoding
		case unicode.IsLetter(r):
			letters, foreign, run = letters+1, foreign+1, run+1
		}
		const longestRun = 3 // as in "nações": more accented letters in a row are another alphabet
		if run > longestRun {
			return "", errEncoding
		}
	}
	const most = 3 // of so many letters at most one is accented
	if foreign*most > letters || hasUTF8Pairs(content) {
		return "", errEncoding
	}
	return string(text), nil
}

// hasUTF8Pairs says whether a part of the text is UTF-8, as in a file that two programs wrote in two encodings.
func hasUTF8Pairs(content []byte) bool {
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		if r != utf8.RuneError && size > 1 {
			return true
		}
		content = content[size:]
	}
	return false
}
