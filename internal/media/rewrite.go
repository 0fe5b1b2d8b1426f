package media

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/apibr/studio/internal/i18n"
)

// facts is what a walk through a picture's chunks finds.
type facts struct {
	width, height int // as stored, before the orientation is applied
	orientation   int
	xmp           []byte
	animated      bool

	// ending is the end marker that a picture lacks, "" when it has one; whole is how much of the file comes before it.
	ending string
	whole  int64
}

// rewriter copies a picture from src to dst chunk by chunk. Pixels and colour profile stay byte for byte; every other
// chunk goes, an orientation other than 1 is kept as the only EXIF tag, and xmp (nil: none) is written. It reads the
// picture to its end marker and fails with ErrCorrupt when that does not come; what follows the marker is dropped,
// since phones hide whole videos there.
type rewriter func(src io.ReadSeeker, dst io.Writer, xmp []byte) (facts, error)

var rewriters = map[string]rewriter{
	"image/png":  rewritePNG,
	"image/jpeg": rewriteJPEG,
	"image/webp": rewriteWebP,
}

// rewriteFile is a rewriter over paths; dst "" only walks.
func rewriteFile(mime, src, dst string, xmp []byte) (facts, error) {
	in, err := os.Open(src)
	if err != nil {
		return facts{}, fmt.Errorf("read picture: %w", err)
	}
	defer in.Close()
	if dst == "" {
		return rewriters[mime](in, io.Discard, nil)
	}
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return facts{}, fmt.Errorf("write picture: %w", err)
	}
	buf := bufio.NewWriterSize(out, 64<<10)
	f, err := rewriters[mime](in, buf, xmp)
	if err == nil {
		err = buf.Flush()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(dst)
		return facts{}, err
	}
	return f, nil
}

func cutShort(what string) error {
	return &InputError{
		ErrCorrupt,
		i18n.Say("the %s is cut short: it ends before its last part; send the whole file", what),
	}
}

func damaged(what string) error {
	return &InputError{
		ErrCorrupt,
		i18n.Say("the %s is damaged; open it in an image program, save it again and send that", what),
	}
}

// readErr turns the end of the file in the middle of a chunk into the sentence for users.
func readErr(err error, what string) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // io functions return these bare
		return cutShort(what)
	}
	return err
}
