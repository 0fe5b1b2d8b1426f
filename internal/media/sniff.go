package media

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/gabriel-vasile/mimetype"

	"github.com/apibr/studio/internal/i18n"
)

// sniffBytes is how much of a file's beginning decides its type.
const sniffBytes = 3072

// container is an accepted type: what it is to us, and how ffmpeg is told to read and write it. The demuxer is forced,
// so that no file can be read as a playlist or as another format than the one that was recognised.
type container struct {
	kind  Kind
	mime  string
	demux string // ffmpeg -f before -i; "" for pictures
	mux   string // ffmpeg -f of a copy
	name  string // for users
	ext   string
}

var (
	wav  = container{Audio, "audio/wav", "wav", "wav", "WAV", ".wav"}
	mp3  = container{Audio, "audio/mpeg", "mp3", "mp3", "MP3", ".mp3"}
	flac = container{Audio, "audio/flac", "flac", "flac", "FLAC", ".flac"}
	ogg  = container{Audio, "audio/ogg", "ogg", "ogg", "Ogg", ".ogg"}
	m4a  = container{Audio, "audio/mp4", "mov", "ipod", "M4A", ".m4a"}
	weba = container{Audio, "audio/webm", "matroska", "webm", "WebM", ".weba"}
	png  = container{Image, "image/png", "", "", "PNG", ".png"}
	jpg  = container{Image, "image/jpeg", "", "", "JPEG", ".jpg"}
	webp = container{Image, "image/webp", "", "", "WebP", ".webp"}
	mp4  = container{Video, "video/mp4", "mov", "mp4", "MP4", ".mp4"}
	webm = container{Video, "video/webm", "matroska", "webm", "WebM", ".webm"}
	mov  = container{Video, "video/quicktime", "mov", "mov", "MOV", ".mov"}
)

// byDetected maps the names that the mimetype library gives to the accepted containers.
var byDetected = map[string]container{
	"audio/wav": wav, "audio/mpeg": mp3, "audio/flac": flac, "audio/ogg": ogg, "application/ogg": ogg,
	"audio/x-m4a": m4a, "audio/mp4": m4a, "image/png": png, "image/apng": png, "image/jpeg": jpg, "image/webp": webp,
	"video/mp4": mp4, "video/x-m4v": mp4, "video/webm": webm, "video/quicktime": mov,
}

var byMIME = func() map[string]container {
	m := map[string]container{}
	for _, c := range []container{wav, mp3, flac, ogg, m4a, weba, png, jpg, webp, mp4, webm, mov} {
		m[c.mime] = c
	}
	return m
}()

// refusals say what to send instead of types that people do send.
//
// GIF is refused on purpose: it is mostly an animation, which no input of a job has a meaning for, and its frames
// unpack without a bound that a header would tell.
var refusals = map[string]i18n.Sentence{
	"image/gif":           i18n.Say("GIF pictures are not accepted: send PNG, JPEG or WebP"),
	"image/heic-sequence": i18n.Say("HEIC pictures are not accepted: export the photo as JPEG"),
	"image/heif-sequence": i18n.Say("HEIF pictures are not accepted: export the photo as JPEG"),
	"image/heic":          i18n.Say("HEIC pictures are not accepted: export the photo as JPEG"),
	"image/heif":          i18n.Say("HEIF pictures are not accepted: export the photo as JPEG"),
	"image/avif":          i18n.Say("AVIF pictures are not accepted: send PNG, JPEG or WebP"),
	"image/svg+xml":       i18n.Say("SVG drawings are not accepted: export as PNG"),
	"audio/aiff":          i18n.Say("AIFF is not accepted: send WAV, FLAC or MP3"),
	"audio/basic":         i18n.Say("AU is not accepted: send WAV, FLAC or MP3"),
	"audio/amr":           i18n.Say("AMR is not accepted: send M4A, MP3 or WAV"),
	"image/tiff":          i18n.Say("TIFF pictures are not accepted: export as PNG or JPEG"),
	"image/bmp":           i18n.Say("BMP pictures are not accepted: export as PNG or JPEG"),
	"image/jxl":           i18n.Say("JPEG XL pictures are not accepted: export as PNG or JPEG"),
	"audio/aac":           i18n.Say("raw AAC is not accepted: send M4A, MP3 or WAV"),
	"video/matroska":      i18n.Say("MKV is not accepted: send MP4 or WebM"),
	"video/x-msvideo":     i18n.Say("AVI is not accepted: send MP4 or WebM"),
	"video/ogg":           i18n.Say("Ogg video is not accepted: send MP4 or WebM"),
	"application/zip":     i18n.Say("archives are not accepted: send the file itself"),
	"application/gzip":    i18n.Say("archives are not accepted: send the file itself"),
}

// sniff tells the container of a regular file by its bytes. One that may hold audio only (MP4, WebM) is answered as
// video; Probe looks inside. *InputError with ErrEmpty or ErrUnsupported.
func sniff(path string) (container, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return container{}, fmt.Errorf("look at file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return container{}, fmt.Errorf("look at file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return container{}, errors.New("look at file: not a regular file")
	}
	if info.Size() == 0 {
		return container{}, &InputError{ErrEmpty, i18n.Say("the file is empty")}
	}
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return container{}, fmt.Errorf("look at file: %w", err)
	}
	found := mimetype.Detect(head[:n])
	for name, c := range byDetected {
		if found.Is(name) {
			return c, nil
		}
	}
	for name, refusal := range refusals {
		if found.Is(name) {
			return container{}, &InputError{ErrUnsupported, refusal}
		}
	}
	if c, ok := byStructure(head[:n]); ok {
		return c, nil
	}
	return container{}, &InputError{
		ErrUnsupported,
		i18n.Say("the file is none of the types that are accepted, whatever its name says: " +
			"accepted are WAV, MP3, FLAC, Ogg, M4A and WebM audio, PNG, JPEG and WebP pictures, MP4, WebM and MOV " +
			"video"),
	}
}

// byStructure recognises what is a known container under a name that the library does not know or gives to another
// type: MP4 under the brand of a recorder (3gp4, 3g2a, dash), and WAV files with 64-bit lengths.
func byStructure(head []byte) (container, bool) {
	switch {
	case len(head) >= 12 && string(head[4:8]) == "ftyp" && !pictureBrand(string(head[8:12])):
		return mp4, true
	case len(head) >= 12 && (string(head[:4]) == "RF64" || string(head[:4]) == "BW64") && string(head[8:12]) == "WAVE":
		return wav, true
	}
	return container{}, false
}

// pictureBrand says whether an ftyp box is that of a still or moving picture format without sound.
func pictureBrand(brand string) bool {
	switch brand[:3] {
	case "hei", "hev", "hem", "mif", "msf", "mia", "avi", "crx", "jp2", "jpx", "jpm", "jxl", "jxs":
		return true
	}
	return false
}

// Extension is the usual file name extension of a MIME type that the studio writes or accepts, with its dot; ".bin" for
// what has none.
func Extension(mime string) string {
	if c, ok := byMIME[mime]; ok {
		return c.ext
	}
	if extension, ok := texts[mime]; ok {
		return extension
	}
	return ".bin"
}

// texts are files that are not media.
var texts = map[string]string{
	"application/json": ".json", "application/x-subrip": ".srt", "text/vtt": ".vtt", "text/plain": ".txt",
}
