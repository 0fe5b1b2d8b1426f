package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// JPEG markers that the walk tells apart.
const (
	jpegSOI   = 0xD8
	jpegEOI   = 0xD9
	jpegSOS   = 0xDA
	jpegAPP0  = 0xE0
	jpegAPP1  = 0xE1
	jpegAPP2  = 0xE2
	jpegAPP14 = 0xEE
	jpegAPP15 = 0xEF
	jpegCOM   = 0xFE
)

const (
	jpegEXIFHead = "Exif\x00\x00"
	jpegXMPHead  = "http://ns.adobe.com/xap/1.0/\x00"
	jpegICCHead  = "ICC_PROFILE\x00"
)

func rewriteJPEG(src io.ReadSeeker, dst io.Writer, xmp []byte) (facts, error) {
	w := &jpegWalk{r: bufio.NewReaderSize(src, 64<<10), w: dst, xmp: xmp}
	w.f.orientation = 1
	var soi [2]byte
	if _, err := io.ReadFull(w.r, soi[:]); err != nil {
		return w.f, readErr(err, "JPEG")
	}
	if soi[0] != 0xFF || soi[1] != jpegSOI {
		return w.f, damaged("JPEG")
	}
	if _, err := dst.Write(soi[:]); err != nil {
		return w.f, err
	}
	marker, err := w.marker()
	for err == nil {
		switch {
		case marker == jpegEOI:
			if w.f.width == 0 || !w.scanned {
				return w.f, damaged("JPEG")
			}
			_, err = dst.Write([]byte{0xFF, jpegEOI})
			return w.f, err
		case marker >= 0xD0 && marker <= 0xD7, marker == 0x01: // stand alone
			marker, err = w.marker()
		default:
			marker, err = w.segment(marker)
		}
	}
	if errors.Is(err, errNoEOI) {
		if !w.scans.full() {
			return w.f, cutShort("JPEG")
		}
		// Cameras and servers lose the last two bytes; every viewer shows such a picture, if it is all there.
		if w.f.whole, err = src.Seek(0, io.SeekEnd); err != nil {
			return w.f, err
		}
		w.f.ending = "\xFF\xD9"
		_, err = dst.Write([]byte(w.f.ending))
		return w.f, err
	}
	return w.f, readErr(err, "JPEG")
}

// errNoEOI says that the file ended inside coded data, where the end marker may be all that is missing.
var errNoEOI = errors.New("media: no end marker")

type jpegWalk struct {
	r       *bufio.Reader
	w       io.Writer
	f       facts
	xmp     []byte
	begun   bool // past APP0: the place for XMP
	scanned bool
	scans   jpegScans
}

func (j *jpegWalk) marker() (byte, error) {
	b, err := j.r.ReadByte()
	if err != nil {
		return 0, err
	}
	if b != 0xFF {
		return 0, damaged("JPEG")
	}
	for b == 0xFF { // fill bytes
		if b, err = j.r.ReadByte(); err != nil {
			return 0, err
		}
	}
	return b, nil
}

// segment copies or drops one segment, and the entropy-coded data after SOS, and returns the marker that follows.
func (j *jpegWalk) segment(marker byte) (byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(j.r, size[:]); err != nil {
		return 0, err
	}
	n := int(binary.BigEndian.Uint16(size[:])) - 2
	if n < 0 {
		return 0, damaged("JPEG")
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(j.r, data); err != nil {
		return 0, err
	}
	if marker != jpegAPP0 && !j.begun {
		j.begun = true
		if j.xmp != nil {
			if err := j.write(jpegAPP1, append([]byte(jpegXMPHead), j.xmp...)); err != nil {
				return 0, err
			}
		}
	}
	if keep := j.look(marker, data); keep != nil {
		if err := j.write(marker, keep); err != nil {
			return 0, err
		}
	}
	if marker == jpegSOS {
		j.scanned = true
		j.scans.begin(data)
		marker, err := j.entropy()
		if err == io.EOF { //nolint:errorlint // bufio returns it bare
			return 0, errNoEOI
		}
		return marker, err
	}
	return j.marker()
}

// look returns what of a segment is kept, nil for nothing.
func (j *jpegWalk) look(marker byte, data []byte) []byte {
	switch {
	case marker == jpegAPP0 && len(data) >= 14 && bytes.HasPrefix(data, []byte("JFIF\x00")):
		return append(bytes.Clone(data[:12]), 0, 0) // without its thumbnail
	case marker == jpegAPP1 && bytes.HasPrefix(data, []byte(jpegEXIFHead)):
		if o := exifOrientation(data); o != 1 && j.f.orientation == 1 {
			j.f.orientation = o
			return append([]byte(jpegEXIFHead), exifOnlyOrientation(o)...)
		}
		return nil
	case marker == jpegAPP1 && bytes.HasPrefix(data, []byte(jpegXMPHead)):
		j.f.xmp = data[len(jpegXMPHead):]
		return nil
	case marker == jpegAPP2 && bytes.HasPrefix(data, []byte(jpegICCHead)),
		marker == jpegAPP14 && bytes.HasPrefix(data, []byte("Adobe")):
		return data
	case marker >= jpegAPP0 && marker <= jpegAPP15, marker == jpegCOM:
		return nil
	case marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC && len(data) >= 5:
		j.scans.frame(data)
		j.f.height, j.f.width = int(binary.BigEndian.Uint16(data[1:])), int(binary.BigEndian.Uint16(data[3:]))
	}
	if data == nil {
		return []byte{}
	}
	return data
}

func (j *jpegWalk) write(marker byte, data []byte) error {
	b := append([]byte{0xFF, marker}, 0, 0)
	binary.BigEndian.PutUint16(b[2:], uint16(len(data)+2))
	_, err := j.w.Write(append(b, data...))
	return err
}

// entropy copies coded data up to the next marker that is neither a restart nor a stuffed zero.
func (j *jpegWalk) entropy() (byte, error) {
	for {
		part, err := j.r.ReadSlice(0xFF)
		if err != nil && err != bufio.ErrBufferFull { //nolint:errorlint // bufio returns it bare
			if _, werr := j.w.Write(part); werr != nil { // the end marker may be all that is missing
				return 0, werr
			}
			return 0, err
		}
		full := err != nil
		if !full {
			part = part[:len(part)-1]
		}
		if _, err := j.w.Write(part); err != nil {
			return 0, err
		}
		if full {
			continue
		}
		b := byte(0xFF)
		for b == 0xFF {
			if b, err = j.r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if b != 0 && (b < 0xD0 || b > 0xD7) {
			return b, nil
		}
		if _, err := j.w.Write([]byte{0xFF, b}); err != nil {
			return 0, err
		}
	}
}

// jpegScans notes which coefficients of which component have come in full, so that a picture that lacks its end marker
// can be told from one that lacks its last scans.
type jpegScans struct {
	components []byte           // their ids
	missing    map[byte][64]int // low bits that are still to come of each coefficient; 14 where none has come
}

const noBitYet = 14

func (s *jpegScans) frame(data []byte) {
	if len(data) < 6 {
		return
	}
	var none [64]int
	for k := range none {
		none[k] = noBitYet
	}
	s.components, s.missing = nil, map[byte][64]int{}
	for at := 6; at+3 <= len(data) && len(s.components) < int(data[5]); at += 3 {
		s.components = append(s.components, data[at])
		s.missing[data[at]] = none
	}
}

// begin reads a scan's header: its components, the coefficients that it holds, and their lowest bit.
func (s *jpegScans) begin(data []byte) {
	if len(data) < 1 || len(data) < 1+2*int(data[0])+3 {
		return
	}
	count := int(data[0])
	tail := data[1+2*count:]
	for i := range count {
		left, ok := s.missing[data[1+2*i]]
		if !ok {
			continue
		}
		for k := int(tail[0]); k <= int(tail[1]) && k < len(left); k++ {
			left[k] = int(tail[2] & 0x0f)
		}
		s.missing[data[1+2*i]] = left
	}
}

func (s *jpegScans) full() bool {
	for _, id := range s.components {
		for _, left := range s.missing[id] {
			if left > 0 {
				return false
			}
		}
	}
	return len(s.components) > 0
}
