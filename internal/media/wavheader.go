package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/apibr/studio/internal/i18n"
)

// demuxer is how ffmpeg is told to read the file.
func demuxer(path string, c container) ([]string, error) {
	if c.demux == "" {
		return nil, nil
	}
	args := []string{"-f", c.demux}
	if c == wav {
		layout, err := wholeWAV(path)
		if err != nil {
			return nil, err
		}
		if layout.open {
			args = append(args, "-ignore_length", "1")
		}
	}
	return args, nil
}

const (
	// longestWAVSlack bounds how many bytes a data chunk may claim too many.
	longestWAVSlack = 4096
	// longestWAVFormat bounds the chunks that describe the samples.
	longestWAVFormat = 4096
)

// wavLayout says where in a WAV file the samples are.
type wavLayout struct {
	format, fact []byte // the chunks that describe them; fact is nil for plain samples
	at, size     int64  // of the samples, in bytes; size is what is there
	open         bool   // the header left their length open
}

// wholeWAV compares the length that the data chunk claims with what is there, which ffmpeg forgives in silence.
//
// Programs that cannot go back to the header write a length that means nothing: the sound goes on to the end of the
// file. A claim of a few bytes too many is a writer's slip (the size of the whole file, a block, a byte of padding)
// and is forgiven; anything more is missing.
func wholeWAV(path string) (wavLayout, error) {
	f, err := os.Open(path)
	if err != nil {
		return wavLayout{}, fmt.Errorf("read WAV: %w", err)
	}
	defer f.Close()
	return readWAVLayout(f)
}

func readWAVLayout(f io.ReadSeeker) (wavLayout, error) {
	var l wavLayout
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return l, fmt.Errorf("read WAV: %w", err)
	}
	var large *uint64 // the length that RF64 can hold
	for at := int64(12); at+8 <= end; {
		var h [24]byte
		if err := readAt(f, at, h[:8]); err != nil {
			return l, readErr(err, "WAV file")
		}
		name, size := string(h[:4]), int64(binary.LittleEndian.Uint32(h[4:]))
		switch name {
		case "ds64":
			if err := readAt(f, at, h[:]); err != nil {
				return l, readErr(err, "WAV file")
			}
			n := binary.LittleEndian.Uint64(h[16:])
			large = &n
		case "fmt ", "fact":
			chunk := make([]byte, min(size, longestWAVFormat))
			if err := readAt(f, at+8, chunk); err != nil {
				return l, readErr(err, "WAV file")
			}
			if name == "fact" {
				l.fact = chunk
			} else {
				l.format = chunk
			}
		case "data":
			l.at = at + 8
			return l, l.judge(size, large, end-l.at)
		}
		at += 8 + size + size&1
	}
	return l, cutShort("WAV file")
}

// judge a data chunk that claims size bytes where there are so many.
func (l *wavLayout) judge(size int64, large *uint64, there int64) error {
	l.open = size == 0 || near(size, 1<<31) || near(size, 1<<32)
	if large != nil && near(size, 1<<32) {
		l.open = *large == 0 || *large >= 1<<62
		size = int64(min(*large, 1<<62))
	}
	l.open = l.open && (size == 0 || size > there)
	switch {
	case there == 0 && l.open:
		return &InputError{ErrEmpty, i18n.Say("the WAV file holds no sound")}
	case !l.open && size > there+max(l.block(), min(l.at, longestWAVSlack)):
		return cutShort("WAV file")
	}
	if l.size = size; l.open || size > there {
		l.size = there - there%l.block()
	}
	return nil
}

// block is the size of one sample of all channels, in bytes.
func (l *wavLayout) block() int64 {
	if len(l.format) < 14 {
		return 1
	}
	return max(1, int64(binary.LittleEndian.Uint16(l.format[12:])))
}

// cleanWAV copies what describes the samples, and the samples, under a header that tells their number.
func cleanWAV(src, dst string) error {
	f, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("read WAV: %w", err)
	}
	defer f.Close()
	l, err := readWAVLayout(f)
	if err != nil {
		return err
	}
	if len(l.format) == 0 {
		return damagedWAV
	}
	if _, err := f.Seek(l.at, io.SeekStart); err != nil {
		return fmt.Errorf("read WAV: %w", err)
	}
	chunks := []wavChunk{{"fmt ", l.format}}
	if l.fact != nil {
		chunks = append(chunks, wavChunk{"fact", l.fact})
	}
	if err := writeWAV(dst, chunks, f, l.size); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			os.Remove(dst)
		}
		return diskError(err)
	}
	return nil
}

var damagedWAV = &InputError{ErrCorrupt, i18n.Say("the %s file could not be read to its end: it is damaged", wav.name)}

// near says whether a length is the largest of its kind of number, less what a header takes or what alignment rounds
// off (7FFFF000, 7FFFFFFF, 80000000, FFFFFFDB, FFFFFFFF).
func near(size, power int64) bool { return size >= power-1<<16 && size <= power }

// streamedFLAC says whether the header leaves the number of samples open, as it does when it was written to a pipe.
func streamedFLAC(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("read FLAC: %w", err)
	}
	defer f.Close()
	var h [26]byte // the marker, a block's head, and STREAMINFO up to the number of samples
	if err := readAt(f, 0, h[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		return false, fmt.Errorf("read FLAC: %w", err)
	}
	return string(h[:4]) == "fLaC" && h[4]&0x7f == 0 && h[21]&0x0f == 0 && binary.BigEndian.Uint32(h[22:]) == 0, nil
}
