package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apibr/studio/internal/i18n"
)

// Got is a file that has arrived whole.
type Got struct {
	Size   int64
	SHA256 string // SHA256 of what arrived, in hexadecimal digits; where the hub stated one it is the same.
}

// Download brings a file to dest, which must not exist, in a directory that does. While it comes it is dest.part, with
// what is needed to go on in dest.part.json: after a cut, and after a restart of the program, only the rest is
// fetched.
//
// progress is told how many bytes are there, from this goroutine; nil is allowed. When ctx ends the part stays. Fails
// with *Error: with WrongHash and WrongSize the part has been thrown away, and with DiskFull too if not even the
// reserve was left.
func (c *Client) Download(ctx context.Context, file File, dest string, progress func(done int64)) (Got, error) {
	if progress == nil {
		progress = func(int64) {}
	}
	if file.Size > c.cfg.MaxFile {
		return Got{}, tooLarge(file)
	}
	p, err := c.openPart(ctx, file, dest)
	if err != nil {
		return Got{}, c.disk(p, file, err)
	}
	defer p.close()
	if err := c.freeSpace(p, file); err != nil {
		return Got{}, err
	}
	progress(p.size)
	got, err := c.bring(ctx, p, progress)
	if IsKind(err, WrongHash) && p.inherited {
		// What an earlier run left may have been damaged since, as by a power cut: once more, from the start.
		p.inherited = false
		got, err = c.bring(ctx, p, progress)
	}
	return got, err
}

// bring fetches what is missing, compares and lets the file appear.
func (c *Client) bring(ctx context.Context, p *part, progress func(done int64)) (Got, error) {
	before := p.size
	moved := func() bool {
		ok := p.size > before
		before = max(before, p.size)
		return ok
	}
	err := c.again(ctx, moved, func() error {
		if p.whole() {
			return nil
		}
		return c.transfer(ctx, p, progress)
	})
	if err != nil {
		return Got{}, c.disk(p, p.file, err)
	}
	sum, ok := p.sums.match(p.file)
	if !ok {
		p.discard()
		return Got{}, fail(
			WrongHash,
			"%s is not the file that the hub describes: what arrived was thrown away; install again, "+
				"and check the network if it happens twice",
			p.file.Path,
		)
	}
	if err := p.finish(); err != nil {
		return Got{}, c.disk(p, p.file, err)
	}
	return Got{Size: p.size, SHA256: sum}, nil
}

// freeSpace looks at the disk before anything is asked for.
func (c *Client) freeSpace(p *part, file File) error {
	need := max(file.Size-p.size, 0)
	left, err := c.cfg.Free(filepath.Dir(p.name))
	if err != nil {
		return fmt.Errorf("hub: look at the disk: %w", err)
	}
	if left-c.cfg.Reserve >= need {
		return nil
	}
	return fail(DiskFull,
		"%s needs %s and the disk of models.cache_dir has %s free, of which %s stay free: free some space",
		file.Path, Bytes(need), Bytes(left), Bytes(c.cfg.Reserve))
}

// disk tells a full disk from other failures. The part is given up then, so that the studio's other files have space.
func (c *Client) disk(p *part, file File, err error) error {
	var number syscall.Errno // alone, since what wraps it names a path
	if !errors.As(err, &number) || number != syscall.ENOSPC && number != syscall.EDQUOT {
		return err
	}
	if p != nil {
		p.discard()
	}
	return fail(
		DiskFull,
		"the disk of models.cache_dir is full: %s was thrown away; free some space and install again",
		file.Path,
	).because(number)
}

// Bytes of a file for people, in decimal units.
func Bytes(n int64) i18n.Sentence {
	if n < 1e9 {
		return i18n.Say("%.0f MB", float64(n)/1e6)
	}
	return i18n.Say("%.1f GB", float64(n)/1e9)
}

// transfer is one request for what is missing.
func (c *Client) transfer(ctx context.Context, p *part, progress func(done int64)) error {
	watched, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	alarm := time.AfterFunc(c.cfg.Stall, func() { stop(errSlow) })
	defer alarm.Stop()
	req, err := c.request(watched, http.MethodGet, p.file.URL)
	if err != nil {
		return err
	}
	if p.size > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(p.size, 10)+"-")
		if p.state.Validator != "" {
			req.Header.Set("If-Range", p.state.Validator)
		}
	}
	resp, err := c.do(req, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable)
	if err != nil {
		return c.slow(err, req)
	}
	defer resp.Body.Close()
	if err := p.answered(resp); err != nil {
		return err
	}
	for buffer := make([]byte, 1<<20); ; {
		n, readErr := resp.Body.Read(buffer)
		if n > 0 {
			alarm.Reset(c.cfg.Stall)
			if err := c.write(p, buffer[:n]); err != nil {
				return err
			}
			progress(p.size)
		}
		switch {
		case errors.Is(readErr, io.EOF) && p.complete():
			return nil
		case errors.Is(readErr, io.EOF), errors.Is(readErr, io.ErrUnexpectedEOF):
			return fail(Truncated, "%s breaks off before its end each time: try again later", p.file.Path).retryable(0)
		case readErr != nil:
			return c.slow(c.explain(req, readErr), req)
		}
	}
}

// checkEvery so many bytes the disk is looked at again: others write to it too.
const checkEvery = 256 << 20

func (c *Client) write(p *part, data []byte) error {
	after := p.size + int64(len(data))
	if p.total >= 0 && after > p.total || after > c.cfg.MaxFile {
		p.discard()
		return fail(
			WrongSize,
			"%s is longer than its source says: what arrived was thrown away; install again",
			p.file.Path,
		)
	}
	if after/checkEvery != p.size/checkEvery {
		if left, err := c.cfg.Free(filepath.Dir(p.name)); err == nil && left < c.cfg.Reserve/2 {
			return fail(
				DiskFull,
				"the disk of models.cache_dir has only %[2]s left: free some space and install %[1]s again, "+
					"it goes on where it stopped",
				p.file.Path,
				Bytes(left),
			)
		}
	}
	return p.append(data)
}

// answered takes the head of an answer: it may begin the file anew, go on with it, or contradict what is known of it.
func (p *part) answered(resp *http.Response) error {
	start, total := int64(0), resp.ContentLength
	switch resp.StatusCode {
	case http.StatusRequestedRangeNotSatisfiable:
		// The file has become another one, or the part is longer than it.
		if err := p.restart(); err != nil {
			return err
		}
		return fail(Truncated, "%s changed at its source while it was fetched: install again", p.file.Path).retryable(0)
	case http.StatusPartialContent:
		var ok bool
		if start, total, ok = contentRange(resp.Header.Get("Content-Range")); !ok || start != p.size {
			if err := p.restart(); err != nil {
				return err
			}
			return fail(
				BadAnswer,
				"%s answers with another piece of %s than was asked for: try again later",
				resp.Request.URL.Host,
				p.file.Path,
			).retryable(0)
		}
	default:
		if p.size > 0 {
			if err := p.restart(); err != nil {
				return err
			}
		}
	}
	if p.file.Size >= 0 && total >= 0 && total != p.file.Size {
		p.discard()
		return fail(
			WrongSize,
			"%s has %s at its source where the hub's list says %s: install again later",
			p.file.Path,
			Bytes(total),
			Bytes(p.file.Size),
		)
	}
	if p.file.Size < 0 {
		p.total = total
	}
	return p.remember(validator(resp.Header))
}

// validator is what If-Range takes: a strong ETag, else the date.
func validator(header http.Header) string {
	if tag := header.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return header.Get("Last-Modified")
}

// contentRange reads "bytes 10-99/100"; total is -1 for an asterisk.
func contentRange(value string) (start, total int64, ok bool) {
	rest, ok := strings.CutPrefix(value, "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, whole, ok := strings.Cut(rest, "/")
	from, _, ok2 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	if !ok || !ok2 || err != nil || start < 0 {
		return 0, 0, false
	}
	if whole == "*" {
		return start, -1, true
	}
	total, err = strconv.ParseInt(whole, 10, 64)
	return start, total, err == nil && total >= 0
}

// Discard removes what an unfinished download of dest left.
func Discard(dest string) {
	_ = os.Remove(dest + partSuffix)
	_ = os.Remove(dest + stateSuffix)
}
