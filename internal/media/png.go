package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks that change how the pixels look. iCCP is kept up to pngMaxProfile, since it is compressed and
// could unpack into anything.
var pngKept = map[string]bool{
	"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "gAMA": true, "cHRM": true, "sRGB": true,
	"iCCP": true, "cICP": true, "sBIT": true, "bKGD": true, "pHYs": true,
}

const (
	pngMaxProfile  = 256 << 10
	pngXMPKeyword  = "XML:com.adobe.xmp"
	pngChunksLimit = 1 << 20
)

func rewritePNG(src io.ReadSeeker, dst io.Writer, xmp []byte) (facts, error) {
	w := &pngWalk{r: bufio.NewReaderSize(src, 64<<10), w: dst, xmp: xmp}
	w.f.orientation = 1
	sig := make([]byte, len(pngSignature))
	if _, err := io.ReadFull(w.r, sig); err != nil {
		return w.f, readErr(err, "PNG")
	}
	w.f.whole = int64(len(sig))
	if string(sig) != pngSignature {
		return w.f, damaged("PNG")
	}
	if _, err := io.WriteString(dst, pngSignature); err != nil {
		return w.f, err
	}
	for n := 0; ; n++ {
		if n > pngChunksLimit {
			return w.f, damaged("PNG")
		}
		end, err := w.chunk(n == 0)
		if errors.Is(err, errNoIEND) {
			// Every viewer shows such a picture, if its pixels are all there.
			w.f.ending = pngEnd
			_, err = io.WriteString(dst, pngEnd)
			end = true
		}
		if err != nil || end {
			return w.f, err
		}
	}
}

type pngWalk struct {
	r         *bufio.Reader
	w         io.Writer
	f         facts
	xmp       []byte
	seenIDAT  bool
	wroteEXIF bool
}

// pngEnd is the last chunk.
const pngEnd = "\x00\x00\x00\x00IEND\xaeB`\x82"

// errNoIEND says that the file ends where its last chunk should be.
var errNoIEND = errors.New("media: no last chunk")

// chunk handles one chunk; end is true after IEND.
func (p *pngWalk) chunk(first bool) (end bool, err error) {
	if rest, err := p.r.Peek(len(pngEnd)); err != nil && p.seenIDAT && errors.Is(err, io.EOF) &&
		strings.HasPrefix(pngEnd, string(rest)) {
		return false, errNoIEND
	}
	var head [8]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return false, readErr(err, "PNG")
	}
	size, name := int64(binary.BigEndian.Uint32(head[:4])), string(head[4:])
	p.f.whole += 12 + size
	if size > 1<<31-1 || first != (name == "IHDR") {
		return false, damaged("PNG")
	}
	switch name {
	case "IHDR", "eXIf", "iTXt":
		return false, p.small(name, head, size)
	case "acTL":
		return false, p.frames(head, size)
	case "IDAT":
		if !p.seenIDAT {
			p.seenIDAT = true
			if err := p.insertXMP(); err != nil {
				return false, err
			}
		}
	case "IEND":
		if !p.seenIDAT {
			return false, damaged("PNG")
		}
	}
	out := io.Discard
	if pngKept[name] && (name != "iCCP" || size <= pngMaxProfile) {
		out = p.w
	}
	return name == "IEND", p.copyChunk(out, head, size)
}

// frames reads how many pictures an animation has; one of one is a still picture.
func (p *pngWalk) frames(head [8]byte, size int64) error {
	if size != 8 {
		return damaged("PNG")
	}
	data := make([]byte, size)
	if err := p.readChunk(head, data); err != nil {
		return err
	}
	p.f.animated = binary.BigEndian.Uint32(data) > 1
	return nil
}

// small handles the chunks whose content is looked at.
func (p *pngWalk) small(name string, head [8]byte, size int64) error {
	if size > maxMetaChunk {
		if name == "IHDR" {
			return damaged("PNG")
		}
		return p.copyChunk(io.Discard, head, size)
	}
	data := make([]byte, size)
	if err := p.readChunk(head, data); err != nil {
		return err
	}
	switch {
	case name == "IHDR":
		if size != 13 {
			return damaged("PNG")
		}
		p.f.width, p.f.height = int(binary.BigEndian.Uint32(data)), int(binary.BigEndian.Uint32(data[4:]))
		return writePNGChunk(p.w, name, data)
	case name == "eXIf":
		p.f.orientation = exifOrientation(data)
		if p.f.orientation == 1 || p.wroteEXIF {
			return nil
		}
		p.wroteEXIF = true
		return writePNGChunk(p.w, name, exifOnlyOrientation(p.f.orientation))
	case len(data) > len(pngXMPKeyword)+5 && string(data[:len(pngXMPKeyword)+1]) == pngXMPKeyword+"\x00":
		p.f.xmp = data[len(pngXMPKeyword)+5:]
	}
	return nil
}

func (p *pngWalk) insertXMP() error {
	if p.xmp == nil {
		return nil
	}
	// keyword, NUL, not compressed, method 0, no language, no translated keyword
	return writePNGChunk(p.w, "iTXt", append([]byte(pngXMPKeyword+"\x00\x00\x00\x00\x00"), p.xmp...))
}

// copyChunk streams a chunk, so that an IDAT of any length costs no memory, and checks its CRC.
func (p *pngWalk) copyChunk(out io.Writer, head [8]byte, size int64) error {
	sum := crc32.NewIEEE()
	sum.Write(head[4:])
	if _, err := out.Write(head[:]); err != nil {
		return err
	}
	if _, err := io.CopyN(io.MultiWriter(out, sum), p.r, size); err != nil {
		return readErr(err, "PNG")
	}
	return p.crc(out, sum.Sum32())
}

func (p *pngWalk) readChunk(head [8]byte, data []byte) error {
	if _, err := io.ReadFull(p.r, data); err != nil {
		return readErr(err, "PNG")
	}
	sum := crc32.NewIEEE()
	sum.Write(head[4:])
	sum.Write(data)
	return p.crc(io.Discard, sum.Sum32())
}

func (p *pngWalk) crc(out io.Writer, want uint32) error {
	var tail [4]byte
	if _, err := io.ReadFull(p.r, tail[:]); err != nil {
		return readErr(err, "PNG")
	}
	if binary.BigEndian.Uint32(tail[:]) != want {
		return damaged("PNG")
	}
	_, err := out.Write(tail[:])
	return err
}

func writePNGChunk(w io.Writer, name string, data []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, name...), data...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	_, err := w.Write(b)
	return err
}
