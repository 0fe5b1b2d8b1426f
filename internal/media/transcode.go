package media

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	stdpng "image/png"
	"io/fs"
	"os"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// jpegQuality of pictures that are turned into JPEG, 1..100.
const jpegQuality = 92

// encoders are the ffmpeg arguments of each output_format. Threads of libvpx do not change the bytes as set here;
// x264's would under load, when its lookahead runs in a thread of its own (5 files of 100 differed), so it runs in
// step.
var encoders = map[string]struct {
	c    container
	args []string
}{
	"wav":  {wav, []string{"-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "wav"}},
	"mp3":  {mp3, []string{"-map", "0:a:0", "-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3"}},
	"flac": {flac, []string{"-map", "0:a:0", "-c:a", "flac", "-f", "flac"}},
	// Opus, since that is what messengers take as a voice message.
	"ogg":  {ogg, []string{"-map", "0:a:0", "-c:a", "libopus", "-b:a", "96k", "-f", "ogg"}},
	"png":  {png, nil},
	"jpg":  {jpg, nil},
	"webp": {webp, []string{"-frames:v", "1", "-c:v", "libwebp", "-quality", "90", "-f", "webp"}},
	"mp4": {
		mp4,
		[]string{
			"-map",
			"0:V:0",
			"-map",
			"0:a:0?",
			"-c:v",
			"libx264",
			"-preset",
			"veryfast",
			"-crf",
			"18",
			"-x264-params",
			"sync-lookahead=0",
			"-pix_fmt",
			"yuv420p",
			"-c:a",
			"aac",
			"-b:a",
			"160k",
			"-movflags",
			"+faststart",
			"-f",
			"mp4",
		},
	},
	"webm": {webm, []string{"-map", "0:V:0", "-map", "0:a:0?", "-c:v", "libvpx-vp9", "-crf", "32", "-b:v", "0",
		"-deadline", "realtime", "-cpu-used", "6", "-c:a", "libopus", "-b:a", "96k", "-f", "webm"}},
}

// FormatMIME is the MIME type of an output_format, "" for an unknown one.
func FormatMIME(format string) string { return encoders[format].c.mime }

// FormatKind is the kind of media that an output_format is for, "" for an unknown one.
func FormatKind(format string) Kind { return encoders[format].c.kind }

// Transcode writes src to dst (which must not exist) in an output_format of the same kind, without metadata. Fails with
// an *InputError of ErrUnsupported when the format does not fit the kind.
func (p *Processor) Transcode(ctx context.Context, src, dst, format string) error {
	enc, ok := encoders[format]
	if !ok {
		return &InputError{
			ErrUnsupported,
			i18n.Say("output_format is one of wav, mp3, flac, ogg; png, jpg, webp; mp4, webm"),
		}
	}
	c, err := sniff(src)
	if err != nil {
		return err
	}
	if c.kind != enc.c.kind {
		return &InputError{ErrUnsupported, i18n.Say("output_format %s does not fit: the result is %s", format, c.kind)}
	}
	if c.kind == Image {
		return p.transcodeImage(ctx, src, dst, c, format)
	}
	args := append(
		[]string{"-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"},
		enc.args...)
	return p.convert(ctx, src, dst, c, args)
}

func (p *Processor) transcodeImage(ctx context.Context, src, dst string, c container, format string) error {
	if _, err := p.probeImage(ctx, src, c); err != nil {
		return err
	}
	if c == webp {
		tmp := dst + ".source.png"
		if err := p.decodeWebP(ctx, src, tmp); err != nil {
			return err
		}
		defer os.Remove(tmp)
		src, c = tmp, png
	}
	if format == "webp" {
		return p.encodeWebP(ctx, src, dst, c)
	}
	return encodeImage(src, dst, c, format)
}

// decodeWebP makes an upright PNG. x/image/webp takes the limited colour range of lossy WebP for a full one, which
// leaves black grey (measured: ten levels on average), so ffmpeg decodes.
func (p *Processor) decodeWebP(ctx context.Context, src, dst string) error {
	facts, err := rewriteFile(webp.mime, src, "", nil)
	if err != nil {
		return err
	}
	flat := dst + ".flat"
	read := container{demux: "webp_pipe", name: webp.name}
	args := []string{"-frames:v", "1", "-pix_fmt", "rgba", "-c:v", "png", "-f", "image2pipe"}
	if err := p.convert(ctx, src, flat, read, args); err != nil {
		return err
	}
	defer os.Remove(flat)
	return encodePicture(flat, dst, png, "png", facts.orientation)
}

// encodeWebP goes through an upright PNG, since Go has no WebP encoder and ffmpeg does not know every orientation.
func (p *Processor) encodeWebP(ctx context.Context, src, dst string, c container) error {
	tmp := dst + ".png"
	if err := encodeImage(src, tmp, c, "png"); err != nil {
		return err
	}
	defer os.Remove(tmp)
	args := append(
		[]string{"-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"},
		encoders["webp"].args...)
	return p.convert(ctx, tmp, dst, container{demux: "png_pipe", name: "PNG"}, args)
}

func encodeImage(src, dst string, c container, format string) error {
	facts, err := rewriteFile(c.mime, src, "", nil)
	if err != nil {
		return err
	}
	return encodePicture(src, dst, c, format, facts.orientation)
}

func encodePicture(src, dst string, c container, format string, orientation int) error {
	img, err := decodePicture(src, c)
	if err != nil {
		return err
	}
	img = upright(img, orientation)
	f, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("encode picture: %w", diskError(err))
	}
	if format == "jpg" {
		err = jpeg.Encode(f, onWhite(img), &jpeg.Options{Quality: jpegQuality})
	} else {
		err = stdpng.Encode(f, img)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(dst)
		return fmt.Errorf("encode picture: %w", diskError(err))
	}
	return nil
}

func decodePicture(path string, c container) (image.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, damaged(c.name)
	}
	return img, nil
}

// upright applies an EXIF orientation.
func upright(img image.Image, orientation int) image.Image {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if orientation >= 5 {
		out = image.NewNRGBA(image.Rect(0, 0, h, w))
	}
	for y := range h {
		for x := range w {
			var dx, dy int
			switch orientation {
			case 2:
				dx, dy = w-1-x, y
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dx, dy = x, h-1-y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			out.Set(dx, dy, img.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return out
}

// onWhite flattens transparency, which JPEG does not have.
func onWhite(img image.Image) image.Image {
	if o, ok := img.(interface{ Opaque() bool }); ok && o.Opaque() {
		return img
	}
	out := image.NewRGBA(img.Bounds())
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Over)
	return out
}

func (p *Processor) finish(ctx context.Context, req FinishRequest) (Info, error) {
	c, err := sniff(req.Src)
	if err != nil {
		return Info{}, err
	}
	if c.mime == "audio/wav" && (req.Format == "" || req.Format == "wav") {
		if info, err := finishWAV(req.Src, req.Dst, req.Mark); !errors.Is(err, errNotPlainWAV) {
			return info, err
		}
	}
	src := req.Src
	if req.Format != "" && FormatMIME(req.Format) != c.mime {
		src = req.Dst + ".part"
		if err := p.Transcode(ctx, req.Src, src, req.Format); err != nil {
			return Info{}, err
		}
		defer os.Remove(src)
	}
	if err := p.Label(ctx, src, req.Dst, req.Mark); err != nil {
		return Info{}, err
	}
	info, err := p.Probe(ctx, req.Dst)
	if err != nil {
		os.Remove(req.Dst)
		return Info{}, err
	}
	return info, nil
}

// ownLimits bind what the studio itself made: nothing but arithmetic.
var ownLimits = Limits{
	ImagePixels:   1 << 40,
	ImageSide:     1 << 20,
	VideoPixels:   1 << 30,
	AudioDuration: 1 << 62,
	VideoDuration: 1 << 62,
	Streams:       64,
}

// diskError turns "no space left" into the sentence for users.
func diskError(err error) error {
	if disk.Full(err) {
		return blob.ErrDiskFull
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("media: %w", err)
	}
	return err
}
