package fetch

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// OpenData reads a data: URI (RFC 2397) as a stream. Its media type is not believed: the bytes decide later. White
// space inside the base64 is dropped, since n8n and mail programs break lines, and both alphabets and missing padding
// are taken.
func (c *Client) OpenData(uri io.Reader) (*Body, error) {
	in := bufio.NewReader(uri)
	head, err := in.ReadString(',') // the URI is bounded by whoever read the request
	if err != nil || len(head) < len("data:,") {
		return nil, &Error{BadURL, i18n.Say("this data: URI has no comma: write data:audio/mpeg;base64,AAAA...")}
	}
	var r io.Reader = &unescaping{in: in}
	head = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(head, ",")))
	if strings.HasSuffix(head, ";base64") {
		r = base64.NewDecoder(base64.RawStdEncoding, &alphabet{in: r})
	}
	limit := c.cfg.MaxBytes
	return &Body{ReadCloser: &dataBody{r: r, left: limit, limit: limit}, Size: -1}, nil
}

// tooLong tells before anything is decoded that base64 is too large: four characters give three bytes.
func tooLong(uri string, limit int64) bool {
	head, payload, _ := strings.Cut(uri, ",")
	const escape = 2 // characters more than what it stands for
	length := int64(len(payload) - escape*strings.Count(payload, "%"))
	return strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") && length/4*3 > limit+limit/10+1024
}

func dataTooLarge(limit int64) error {
	return &Error{
		TooLarge,
		i18n.Say("the data: URI is larger than %.0f MB: upload the file instead", float64(limit)/1e6),
	}
}

type dataBody struct {
	r     io.Reader
	left  int64
	limit int64
}

func (d *dataBody) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if d.left -= int64(n); d.left < 0 {
		return 0, dataTooLarge(d.limit)
	}
	var ours *Error
	if err != nil && err != io.EOF && !errors.As(err, &ours) { //nolint:errorlint // readers return it bare
		return n, &Error{BadURL, i18n.Say("the base64 of this data: URI is damaged or cut short")}
	}
	return n, err
}

func (d *dataBody) Close() error { return nil }

// unescaping hands on text with its percent escapes decoded.
type unescaping struct{ in *bufio.Reader }

func (u *unescaping) Read(p []byte) (int, error) {
	for n := range p {
		c, err := u.in.ReadByte()
		if err != nil {
			return n, err
		}
		if c == '%' {
			digits, err := u.in.Peek(2)
			var value [1]byte
			if err == nil {
				_, err = hex.Decode(value[:], digits)
			}
			if err != nil {
				return n, &Error{BadURL, i18n.Say("this data: URI is not escaped correctly: use base64")}
			}
			_, _ = u.in.Discard(len(digits))
			c = value[0]
		}
		p[n] = c
	}
	return len(p), nil
}

// alphabet hands on base64 text without white space and padding, in the standard alphabet.
type alphabet struct{ in io.Reader }

func (a *alphabet) Read(p []byte) (int, error) {
	for {
		n, err := a.in.Read(p)
		kept := 0
		for _, c := range p[:n] {
			switch c {
			case ' ', '\t', '\r', '\n', '=':
				continue
			case '-':
				c = '+'
			case '_':
				c = '/'
			}
			p[kept] = c
			kept++
		}
		if kept > 0 || err != nil || len(p) == 0 {
			return kept, err
		}
	}
}
