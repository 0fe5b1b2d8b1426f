package media

import (
	"encoding/binary"
	"io"
)

// Flags of a VP8X chunk.
const (
	webpXMP   = 0x04
	webpEXIF  = 0x08
	webpAlpha = 0x10
	webpICC   = 0x20
)

type webpChunk struct {
	name string
	at   int64 // of the payload
	size int64
}

// webpFile is the table of chunks of a still WebP, and what its bitstream says of itself.
type webpFile struct {
	f      facts
	chunks map[string]webpChunk
	alpha  bool
}

// rewriteWebP writes the chunks in the order that the format demands: VP8X, ICCP, ALPH, VP8 or VP8L, EXIF, XMP.
func rewriteWebP(src io.ReadSeeker, dst io.Writer, xmp []byte) (facts, error) {
	file, err := scanWebP(src)
	if err != nil {
		return file.f, err
	}
	var exif []byte
	if file.f.orientation != 1 {
		exif = exifOnlyOrientation(file.f.orientation)
	}
	image := "VP8 "
	if _, ok := file.chunks["VP8L"]; ok {
		image = "VP8L"
	}
	order := []string{image}
	var vp8x []byte
	_, hasICC := file.chunks["ICCP"]
	_, hasALPH := file.chunks["ALPH"]
	if xmp != nil || exif != nil || hasICC || hasALPH {
		vp8x = webpHeader(file, hasICC, exif != nil, xmp != nil)
		order = []string{"ICCP", "ALPH", image}
	}
	total := int64(4) + webpSize(vp8x) + webpSize(exif) + webpSize(xmp)
	for _, name := range order {
		if c, ok := file.chunks[name]; ok {
			total += 8 + c.size + c.size&1
		}
	}
	head := append([]byte("RIFF"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(head[4:], uint32(total))
	if _, err := dst.Write(append(head, "WEBP"...)); err != nil {
		return file.f, err
	}
	if err := writeWebPChunk(dst, "VP8X", vp8x); err != nil {
		return file.f, err
	}
	for _, name := range order {
		if err := copyWebPChunk(src, dst, file.chunks[name]); err != nil {
			return file.f, err
		}
	}
	if err := writeWebPChunk(dst, "EXIF", exif); err != nil {
		return file.f, err
	}
	return file.f, writeWebPChunk(dst, "XMP ", xmp)
}

func scanWebP(src io.ReadSeeker) (webpFile, error) {
	file := webpFile{f: facts{orientation: 1}, chunks: map[string]webpChunk{}}
	var head [12]byte
	if _, err := io.ReadFull(src, head[:]); err != nil {
		return file, readErr(err, "WebP")
	}
	end, err := src.Seek(0, io.SeekEnd)
	if err != nil {
		return file, err
	}
	want := int64(binary.LittleEndian.Uint32(head[4:])) + 8
	if want == end+1 { // the byte that pads an odd chunk
		want = end
	}
	if want > end {
		return file, cutShort("WebP")
	}
	for at, n := int64(12), 0; at+8 <= want; n++ {
		var h [8]byte
		if err := readAt(src, at, h[:]); err != nil {
			return file, readErr(err, "WebP")
		}
		c := webpChunk{name: string(h[:4]), at: at + 8, size: int64(binary.LittleEndian.Uint32(h[4:]))}
		if c.at+c.size > want {
			return file, cutShort("WebP")
		}
		if n > 1000 {
			return file, damaged("WebP")
		}
		if err := file.look(src, c); err != nil {
			return file, err
		}
		at = c.at + c.size + c.size&1
	}
	if file.f.width == 0 || file.f.animated {
		return file, damaged("WebP")
	}
	return file, nil
}

// look remembers the first chunk of each name and reads the few bytes of it that matter here.
func (file *webpFile) look(src io.ReadSeeker, c webpChunk) error {
	if _, seen := file.chunks[c.name]; seen {
		return nil
	}
	file.chunks[c.name] = c
	head := make([]byte, min(c.size, 10))
	if c.name == "EXIF" || c.name == "XMP " {
		head = make([]byte, min(c.size, maxMetaChunk))
	}
	if err := readAt(src, c.at, head); err != nil {
		return readErr(err, "WebP")
	}
	switch c.name {
	case "EXIF":
		file.f.orientation = exifOrientation(head)
	case "XMP ":
		file.f.xmp = head
	case "ANIM", "ANMF":
		file.f.animated = true
	case "ALPH":
		file.alpha = true
	case "VP8 ":
		if len(head) < 10 || head[3] != 0x9d || head[4] != 0x01 || head[5] != 0x2a {
			return damaged("WebP")
		}
		file.f.width = int(binary.LittleEndian.Uint16(head[6:]) & 0x3fff)
		file.f.height = int(binary.LittleEndian.Uint16(head[8:]) & 0x3fff)
	case "VP8L":
		if len(head) < 5 || head[0] != 0x2f {
			return damaged("WebP")
		}
		bits := binary.LittleEndian.Uint32(head[1:])
		file.f.width, file.f.height = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
		file.alpha = file.alpha || bits>>28&1 == 1
	}
	return nil
}

func webpHeader(file webpFile, icc, exif, xmp bool) []byte {
	b := make([]byte, 10)
	for _, flag := range []struct {
		on  bool
		bit byte
	}{{icc, webpICC}, {file.alpha, webpAlpha}, {exif, webpEXIF}, {xmp, webpXMP}} {
		if flag.on {
			b[0] |= flag.bit
		}
	}
	put24 := func(at, v int) { b[at], b[at+1], b[at+2] = byte(v), byte(v>>8), byte(v>>16) }
	put24(4, file.f.width-1)
	put24(7, file.f.height-1)
	return b
}

func webpSize(data []byte) int64 {
	if data == nil {
		return 0
	}
	return 8 + int64(len(data)) + int64(len(data)&1)
}

func writeWebPChunk(w io.Writer, name string, data []byte) error {
	if data == nil {
		return nil
	}
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(data)))
	b = append(b, data...)
	if len(data)&1 == 1 {
		b = append(b, 0)
	}
	_, err := w.Write(b)
	return err
}

func copyWebPChunk(src io.ReadSeeker, dst io.Writer, c webpChunk) error {
	if c.name == "" {
		return nil
	}
	if _, err := src.Seek(c.at, io.SeekStart); err != nil {
		return err
	}
	if _, err := dst.Write(binary.LittleEndian.AppendUint32([]byte(c.name), uint32(c.size))); err != nil {
		return err
	}
	if _, err := io.CopyN(dst, src, c.size); err != nil {
		return readErr(err, "WebP")
	}
	if c.size&1 == 1 {
		_, err := dst.Write([]byte{0})
		return err
	}
	return nil
}

func readAt(src io.ReadSeeker, at int64, b []byte) error {
	if _, err := src.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(src, b)
	return err
}
