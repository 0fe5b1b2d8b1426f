package fetch

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// openData reads a data: URI (RFC 2397). Its media type is not believed: the bytes decide later. White space inside the
// base64 is dropped, since n8n and mail programs break lines, and both alphabets and missing padding are taken.
func openData(uri string, limit int64) (*Body, error) {
	head, payload, ok := strings.Cut(uri[len("data:"):], ",")
	if !ok {
		return nil, &Error{BadURL, "this data: URI has no comma: write data:audio/mpeg;base64,AAAA..."}
	}
	if strings.Contains(payload, "%") {
		text, err := url.PathUnescape(payload)
		if err != nil {
			return nil, &Error{BadURL, "this data: URI is not escaped rightly: use base64"}
		}
		payload = text
	}
	r := io.Reader(strings.NewReader(payload))
	if strings.HasSuffix(strings.ToLower(strings.TrimSpace(head)), ";base64") {
		// Four characters give three bytes: too large is known before anything is decoded.
		if int64(len(payload))/4*3 > limit+limit/10+1024 {
			return nil, dataTooLarge(limit)
		}
		r = base64.NewDecoder(base64.RawStdEncoding, &alphabet{s: payload})
	}
	return &Body{ReadCloser: &dataBody{r: r, left: limit, limit: limit}, Size: -1}, nil
}

func dataTooLarge(limit int64) error {
	return &Error{TooLarge, fmt.Sprintf("the data: URI is larger than %.0f MB: upload the file instead", float64(limit)/1e6)}
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
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it bare
		return n, &Error{BadURL, "the base64 of this data: URI is damaged or cut short"}
	}
	return n, err
}

func (d *dataBody) Close() error { return nil }

// alphabet hands on base64 text without white space and padding, in the standard alphabet.
type alphabet struct{ s string }

func (a *alphabet) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && len(a.s) > 0 {
		c := a.s[0]
		a.s = a.s[1:]
		switch c {
		case ' ', '\t', '\r', '\n', '=':
			continue
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		p[n] = c
		n++
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
