package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // the hub names small files by git's SHA-1
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/apibr/studio/internal/disk"
)

const (
	partSuffix  = ".part"
	stateSuffix = ".part.json"
)

// state tells what a part is a part of.
type state struct {
	URL     string `json:"url"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256,omitempty"`
	GitSHA1 string `json:"git_sha1,omitempty"`

	// Validator of the answer from which the part came, for If-Range.
	Validator string `json:"validator,omitempty"`
}

// part is an unfinished file.
type part struct {
	file  File
	name  string
	out   PartFile
	size  int64 // bytes written, and hashed
	total int64 // bytes of the whole file; -1 when not known
	sums  *sums
	state state

	inherited bool // an earlier run wrote some of it
	ended     bool // an answer of unknown length has ended
}

// openPart goes on with what an earlier try left if it belongs to the same file, and hashes that again.
func (c *Client) openPart(ctx context.Context, file File, dest string) (*part, error) {
	p := &part{
		file:  file,
		name:  dest,
		total: file.Size,
		state: state{URL: file.URL, Size: file.Size, SHA256: file.SHA256, GitSHA1: file.GitSHA1},
	}
	var err error
	if p.out, err = c.cfg.OpenFile(dest + partSuffix); err != nil {
		return nil, fmt.Errorf("hub: open the part: %w", err)
	}
	p.sums = newSums(file)
	if p.continues() {
		p.size, err = io.CopyBuffer(p.sums, &reader{ctx, p.out}, make([]byte, 1<<20))
		p.inherited = p.size > 0
	}
	if err == nil && (p.size == 0 || p.total >= 0 && p.size > p.total) {
		err = p.restart()
	}
	if err != nil {
		_ = p.out.Close()
		return nil, fmt.Errorf("hub: read the part: %w", err)
	}
	return p, nil
}

// continues says whether the part on the disk is of this file. Without a hash only the server can tell that the file
// is still the same, which takes a validator.
func (p *part) continues() bool {
	content, err := os.ReadFile(p.name + stateSuffix)
	if err != nil {
		return false
	}
	var before state
	if json.Unmarshal(content, &before) != nil {
		return false
	}
	if p.file.SHA256 != "" || p.file.GitSHA1 != "" {
		same := before.SHA256 == p.file.SHA256 && before.GitSHA1 == p.file.GitSHA1 && before.Size == p.file.Size
		if before.URL == p.file.URL {
			p.state.Validator = before.Validator
		}
		return same
	}
	p.state.Validator = before.Validator
	return before.URL == p.file.URL && before.Validator != ""
}

// remember writes the state when it is not yet on the disk.
func (p *part) remember(validator string) error {
	if p.size > 0 && p.state.Validator == validator {
		return nil
	}
	p.state.Validator = validator
	content, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.name+stateSuffix, content, 0o600); err != nil {
		return fmt.Errorf("hub: write the state of the part: %w", err)
	}
	return nil
}

// restart forgets what was written.
func (p *part) restart() error {
	p.size, p.total, p.sums, p.state.Validator, p.ended = 0, p.file.Size, newSums(p.file), "", false
	err := p.out.Truncate(0)
	if err == nil {
		_, err = p.out.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("hub: begin the part anew: %w", err)
	}
	return nil
}

func (p *part) append(data []byte) error {
	n, err := p.out.Write(data)
	_, _ = p.sums.Write(data[:n])
	p.size += int64(n)
	if err != nil {
		return fmt.Errorf("hub: write: %w", err)
	}
	return nil
}

// whole says, before a request, whether nothing is missing.
func (p *part) whole() bool { return p.file.Size >= 0 && p.size == p.file.Size || p.ended }

// complete says, at the end of an answer, whether it was the end of the file.
func (p *part) complete() bool {
	p.ended = p.total < 0 || p.size == p.total
	return p.ended
}

// finish lets the file appear under its name.
func (p *part) finish() error {
	if err := p.out.Sync(); err != nil {
		return fmt.Errorf("hub: write: %w", err)
	}
	if err := os.Rename(p.name+partSuffix, p.name); err != nil {
		return fmt.Errorf("hub: name the file: %w", err)
	}
	_ = os.Remove(p.name + stateSuffix)
	if err := disk.SyncDir(filepath.Dir(p.name)); err != nil {
		return fmt.Errorf("hub: name the file: %w", err)
	}
	return nil
}

// discard throws the part away. It can be filled again, from the start, until it is closed.
func (p *part) discard() {
	if p.out != nil {
		_ = p.restart()
	}
	_ = os.Remove(p.name + stateSuffix)
}

// close lets the file go; an empty one is removed.
func (p *part) close() {
	_ = p.out.Close()
	if p.size == 0 {
		Discard(p.name)
	}
}

// reader ends when its context does.
type reader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	io.Reader
}

func (r *reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// sums are the hashes of what was written: SHA-256 always, and git's where that is what the hub states.
type sums struct {
	sha256, git hash.Hash
}

func newSums(file File) *sums {
	s := &sums{sha256: sha256.New()}
	if file.SHA256 == "" && file.GitSHA1 != "" {
		s.git = sha1.New() //nolint:gosec // see the import
		fmt.Fprintf(s.git, "blob %d\x00", file.Size)
	}
	return s
}

func (s *sums) Write(data []byte) (int, error) {
	if s.git != nil {
		_, _ = s.git.Write(data)
	}
	return s.sha256.Write(data)
}

// match gives the SHA-256 and whether the content is what the source states.
func (s *sums) match(file File) (sum string, ok bool) {
	sum = hex.EncodeToString(s.sha256.Sum(nil))
	switch {
	case file.SHA256 != "":
		return sum, sum == file.SHA256
	case s.git != nil:
		return sum, hex.EncodeToString(s.git.Sum(nil)) == file.GitSHA1
	}
	return sum, true
}
