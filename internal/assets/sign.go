package assets

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/datadir"
)

// linkGrid is the step of expiry times: links made on one day (UTC) are equal, so that an unchanged job reads the same.
const linkGrid = 24 * time.Hour

const signKeyBytes = 32

// Signer makes and checks links that need no header.
type Signer struct{ key []byte }

// NewSigner reads the key file, or makes it (mode 0600). Anyone with the key can read every asset; deleting the file
// makes every link that was given out invalid at the next start.
func NewSigner(path string) (*Signer, error) {
	key, err := datadir.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, signKeyBytes)
		_, _ = rand.Read(fresh) // never fails: crypto/rand ends the process instead
		if err = datadir.CreateSecret(path, fresh); err == nil {
			key, err = datadir.ReadSecret(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("link signing key: %w", err)
	}
	if len(key) != signKeyBytes {
		return nil, fmt.Errorf(
			"link signing key: the file %s is damaged: delete it, and a new one is made",
			filepath.Base(path),
		)
	}
	return &Signer{key: key}, nil
}

// Link returns the path and query of a signed link to an asset and when it ends: 24 to 48 hours from now.
func (s *Signer) Link(id uuid.UUID, now time.Time) (pathAndQuery string, expires time.Time) {
	expires = time.Unix((GridDay(now)+2)*int64(linkGrid/time.Second), 0).UTC()
	exp := strconv.FormatInt(expires.Unix(), 10)
	return URL(id) + "?exp=" + exp + "&sig=" + s.sign(id, exp), expires
}

// PreviewLink returns the path and query of a signed link to the preview of a running job. It ends as Link's does.
func (s *Signer) PreviewLink(job uuid.UUID, now time.Time) (pathAndQuery string, expires time.Time) {
	expires = time.Unix((GridDay(now)+2)*int64(linkGrid/time.Second), 0).UTC()
	exp := strconv.FormatInt(expires.Unix(), 10)
	return "/api/v1/jobs/" + job.String() + "/preview?exp=" + exp + "&sig=" + s.signFor("preview", job, exp), expires
}

// VerifyPreview is Verify for a link of PreviewLink.
func (s *Signer) VerifyPreview(job uuid.UUID, exp, sig string, now time.Time) error {
	return s.verify("preview", job, exp, sig, now)
}

// SegmentLink returns the path and query of a signed link to a finished segment of a job. It ends as Link's does.
func (s *Signer) SegmentLink(job uuid.UUID, index int, now time.Time) (pathAndQuery string, expires time.Time) {
	expires = time.Unix((GridDay(now)+2)*int64(linkGrid/time.Second), 0).UTC()
	exp := strconv.FormatInt(expires.Unix(), 10)
	number := strconv.Itoa(index)
	return "/api/v1/jobs/" + job.String() + "/segments/" + number + "?exp=" + exp + "&sig=" +
		s.signFor("segment "+number, job, exp), expires
}

// VerifySegment is Verify for a link of SegmentLink; index as it stands in the link.
func (s *Signer) VerifySegment(job uuid.UUID, index, exp, sig string, now time.Time) error {
	return s.verify("segment "+index, job, exp, sig, now)
}

// VoiceLink returns the path and query of a signed link to the recording of a voice. It ends as Link's does.
func (s *Signer) VoiceLink(voice uuid.UUID, now time.Time) (pathAndQuery string, expires time.Time) {
	expires = time.Unix((GridDay(now)+2)*int64(linkGrid/time.Second), 0).UTC()
	exp := strconv.FormatInt(expires.Unix(), 10)
	return "/api/v1/audio/voices/" + voice.String() + "/preview?exp=" + exp + "&sig=" + s.signFor("voice", voice, exp),
		expires
}

// VerifyVoice is Verify for a link of VoiceLink.
func (s *Signer) VerifyVoice(voice uuid.UUID, exp, sig string, now time.Time) error {
	return s.verify("voice", voice, exp, sig, now)
}

// Verify checks the query values of a signed link; ErrBadLink, and ErrForgedLink for one that was never given out.
func (s *Signer) Verify(id uuid.UUID, exp, sig string, now time.Time) error {
	return s.verify("file", id, exp, sig, now)
}

func (s *Signer) verify(what string, id uuid.UUID, exp, sig string, now time.Time) error {
	// The signature first and in constant time: an expiry that we did not write says nothing.
	if !hmac.Equal([]byte(sig), []byte(s.signFor(what, id, exp))) {
		return ErrForgedLink
	}
	at, err := strconv.ParseInt(exp, 10, 64)
	if err != nil || now.Unix() >= at {
		return ErrBadLink
	}
	return nil
}

func (s *Signer) sign(id uuid.UUID, exp string) string { return s.signFor("file", id, exp) }

// signFor binds a link to what it leads to: a link to a file opens no preview.
func (s *Signer) signFor(what string, id uuid.UUID, exp string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte("apibr " + what + " 1\n" + id.String() + "\n" + exp))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// GridDay is the number of the day of the link grid: a part of the ETag of what holds signed links.
func GridDay(now time.Time) int64 { return now.Unix() / int64(linkGrid/time.Second) }

type forgedLink struct{}

func (forgedLink) Error() string { return ErrBadLink.Error() }
func (forgedLink) Unwrap() error { return ErrBadLink }
