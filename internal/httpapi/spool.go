package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// spool reads a JSON body and keeps its long data: URIs out of memory: each goes to a file, and a name for it takes its
// place in the text. The text in memory is bounded by mostText, whatever the size of the body.
type spool struct {
	dir string
	// takes says whether the request takes files. Where it does not, a data: URI is a text like any other.
	takes bool
	// mostText and mostBody bound the text without its data: URIs, and the body, in bytes.
	mostText, mostBody int64

	in   *bufio.Reader
	text bytes.Buffer
	// files by the text that stands for them. Their names on the disk are removed, so that none is left behind.
	files map[string]*os.File
}

// longData is the length in bytes from which a data: URI goes to a file.
const longData = 64 << 10

func (s *spool) close() {
	for _, file := range s.files {
		_ = file.Close()
	}
}

// read the body to its end and return its text.
func (s *spool) read(body io.Reader) ([]byte, error) {
	limited := &io.LimitedReader{R: body, N: s.mostBody + 1}
	s.in, s.files = bufio.NewReaderSize(limited, longData), map[string]*os.File{}
	for {
		err := s.next()
		switch {
		case limited.N <= 0:
			return nil, tooLarge(
				"the JSON body is larger than %d bytes: raise http.max_json_bytes or send files as multipart/form-data",
				s.mostBody,
			)
		case int64(s.text.Len()) > s.mostText:
			return nil, tooLarge(
				"the JSON body is larger than %d bytes, data: URIs not counted: raise http.max_text_bytes "+
					"or send files as multipart/form-data",
				s.mostText,
			)
		case errors.Is(err, io.EOF):
			return s.text.Bytes(), nil
		case err != nil:
			return nil, err
		}
	}
}

func tooLarge(format string, most int64) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "too_large", i18n.Say("The request is too large"),
		i18n.Say(format, most))
}

// next reads the text before a string, and the string.
func (s *spool) next() error {
	switch quoted, err := s.copyToQuote(); {
	case err != nil:
		return err
	case !quoted:
		return nil
	case s.long():
		return s.store()
	}
	for begin := s.text.Len(); ; {
		quoted, err := s.copyToQuote()
		if err != nil || int64(s.text.Len()) > s.mostText || quoted && !escapedQuote(s.text.Bytes()[begin:]) {
			return err
		}
	}
}

// copyToQuote copies up to the next quote, or a part of the text before it.
func (s *spool) copyToQuote() (quoted bool, err error) {
	piece, err := s.in.ReadSlice('"')
	s.text.Write(piece)
	if errors.Is(err, bufio.ErrBufferFull) {
		return false, nil
	}
	return err == nil, err
}

// escapedQuote says whether the quote at the end of a text belongs to it.
func escapedQuote(text []byte) bool {
	body := text[:len(text)-1]
	return (len(body)-len(bytes.TrimRight(body, `\`)))%2 == 1
}

// long says whether a data: URI begins here that is longer than longData.
func (s *spool) long() bool {
	const scheme = "data:"
	if begin, _ := s.in.Peek(len(scheme)); !s.takes || !strings.EqualFold(string(begin), scheme) {
		return false
	}
	window, err := s.in.Peek(longData)
	if err != nil {
		return false // all that is left of the body is in memory
	}
	for i := 0; i < len(window); i++ {
		switch window[i] {
		case '\\':
			i++
		case '"':
			return false
		}
	}
	return true
}

// store puts the string that begins here into a file.
func (s *spool) store() error {
	file, err := os.CreateTemp(s.dir, "data-*")
	if err != nil {
		return diskFull(err)
	}
	name := "data:" + uuid.NewString()
	s.files[name] = file
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("keep a data: URI: %w", err)
	}
	if err := s.unquote(file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep a data: URI: %w", err)
	}
	s.text.WriteString(name + `"`)
	return nil
}

// unquote writes the string that begins here, without its escapes, and reads its last quote.
func (s *spool) unquote(to io.Writer) error {
	for {
		if _, err := s.in.Peek(1); err != nil {
			return err
		}
		window, _ := s.in.Peek(s.in.Buffered())
		end := bytes.IndexAny(window, `"\`)
		plain := window
		if end >= 0 {
			plain = window[:end]
		}
		if _, err := to.Write(plain); err != nil {
			return diskFull(err)
		}
		_, _ = s.in.Discard(len(plain))
		switch {
		case end < 0:
			continue
		case s.ends():
			return nil
		}
		text, err := s.escape()
		if err != nil {
			return err
		}
		if _, err := to.Write(text); err != nil {
			return diskFull(err)
		}
	}
}

// ends reads the quote if one is next.
func (s *spool) ends() bool {
	if next, _ := s.in.Peek(1); string(next) != `"` {
		return false
	}
	_, _ = s.in.Discard(1)
	return true
}

// escape reads the escape that is next and returns its character.
func (s *spool) escape() ([]byte, error) {
	const short, long = 2, 6
	next, err := s.in.Peek(short)
	if err != nil {
		return nil, err
	}
	plain := map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	if c, ok := plain[next[1]]; ok {
		_, _ = s.in.Discard(short)
		return []byte{c}, nil
	}
	if next, err = s.in.Peek(long); err != nil {
		return nil, err
	}
	code, err := strconv.ParseUint(string(next[2:]), 16, 16)
	if next[1] != 'u' || err != nil {
		return nil, badJSON(i18n.Say("a data: URI in the body holds an escape that JSON does not know"))
	}
	_, _ = s.in.Discard(long)
	if utf16.IsSurrogate(rune(code)) {
		code = utf8.RuneError
	}
	return utf8.AppendRune(nil, rune(code)), nil
}

func diskFull(err error) error {
	if disk.Full(err) {
		return blob.ErrDiskFull
	}
	return fmt.Errorf("keep a data: URI: %w", err)
}
