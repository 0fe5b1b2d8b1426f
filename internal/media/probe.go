package media

import (
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // registers the header readers that imageSize uses
	_ "image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	_ "golang.org/x/image/webp"

	"github.com/apibr/studio/internal/i18n"
)

// Probe recognises the file, reads its headers, checks the limits and makes sure that it is whole. Nothing is decoded:
// audio and video are demuxed to their end, pictures are walked to their end marker. *InputError or *LimitError.
func (p *Processor) Probe(ctx context.Context, path string) (Info, error) {
	c, err := sniff(path)
	if err != nil {
		return Info{}, err
	}
	if c.kind == Image {
		return p.probeImage(ctx, path, c)
	}
	return p.probeAV(ctx, path, c)
}

func (p *Processor) probeImage(ctx context.Context, path string, c container) (Info, error) {
	f, err := rewriteFile(c.mime, path, "", nil)
	if f.animated { // before its size is read, which Go cannot do for an animated WebP
		return Info{}, &InputError{
			ErrUnsupported,
			i18n.Say("this %s is animated: send a still picture, such as one frame of it saved as PNG or JPEG", c.name),
		}
	}
	if err != nil {
		return Info{}, err
	}
	width, height, err := imageSize(path, c)
	if err != nil {
		return Info{}, err
	}
	if err := p.cfg.Limits.image(width, height); err != nil {
		return Info{}, err
	}
	if err := p.complete(ctx, path, c, f); err != nil {
		return Info{}, err
	}
	// The frame of a WebP may claim another size than its header did.
	if f.width != width || f.height != height {
		return Info{}, damaged(c.name)
	}
	if f.orientation >= 5 {
		width, height = height, width
	}
	return Info{Kind: Image, MIME: c.mime, Width: width, Height: height, Orientation: f.orientation}, nil
}

// complete decodes a picture that lacks its end marker, since only its pixels can tell whether anything else is
// missing.
func (p *Processor) complete(ctx context.Context, path string, c container, f facts) error {
	if f.ending == "" {
		return nil
	}
	free, err := p.slot(ctx) // a decoded picture takes memory
	if err != nil {
		return err
	}
	defer free()
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read picture: %w", err)
	}
	defer file.Close()
	whole := io.MultiReader(io.LimitReader(file, f.whole), strings.NewReader(f.ending))
	if _, _, err := image.Decode(whole); err != nil {
		return cutShort(c.name)
	}
	return nil
}

func imageSize(path string, c container) (width, height int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read picture: %w", err)
	}
	defer f.Close()
	// Headers lie in front; a file that hides the size behind megabytes of other chunks is refused.
	cfg, _, err := image.DecodeConfig(io.LimitReader(f, 16<<20))
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return 0, 0, cutShort(c.name)
	case err != nil || cfg.Width <= 0 || cfg.Height <= 0:
		return 0, 0, damaged(c.name)
	}
	return cfg.Width, cfg.Height, nil
}

// The lines of `ffmpeg -i` that are read. Metadata stands deeper than two columns, so no tag can pretend to be one.
var (
	durationLine = regexp.MustCompile(`(?m)^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)(?:, start: (-?\d+(?:\.\d+)?))?`)
	streamLine   = regexp.MustCompile(
		`(?m)^  Stream #0:\d+[^\n]*?: (Video|Audio|Data|Subtitle|Attachment|Unknown): ([^\n]*)$`,
	)
	sizeWord     = regexp.MustCompile(`(?:^|[ ,])(\d{1,6})x(\d{1,6})(?:[ ,]|$)`)
	fpsWord      = regexp.MustCompile(`([\d.]+)(k?) fps`)
	rateWord     = regexp.MustCompile(`(\d+) Hz`)
	rotationLine = regexp.MustCompile(`rotation of (-?[\d.]+) degrees`)
	outTime      = regexp.MustCompile(`(?m)^out_time_us=(\d+)$`)
)

// probeAV demuxes every packet without decoding one: that gives the true length, also of a file whose header says
// nothing (a browser's recording) or lies, and shows a file that ends before its header says.
func (p *Processor) probeAV(ctx context.Context, path string, c container) (Info, error) {
	limits := p.cfg.Limits
	abs, err := filepath.Abs(path)
	if err != nil {
		return Info{}, fmt.Errorf("probe: %w", err)
	}
	read, err := demuxer(path, c)
	if err != nil {
		return Info{}, err
	}
	args := append([]string{"-progress", "pipe:1", "-protocol_whitelist", "file"}, read...)
	stdout, stderr, err := p.runFFmpeg(ctx, p.probeLimit(), append(
		args,
		"-max_streams",
		"64",
		"-max_pixels",
		strconv.FormatInt(limits.VideoPixels, 10),
		"-threads",
		"1",
		"-i",
		"file:"+abs,
		"-map",
		"0:V?",
		"-map",
		"0:a?",
		"-c",
		"copy",
		"-f",
		"null",
		"-",
	)...)
	if err != nil && !gaveUp(err) {
		return Info{}, err
	}
	if err != nil && shortOfHandles(stderr) {
		return Info{}, errInterrupted
	}
	head, _, _ := strings.Cut(stderr, "\nOutput #0")
	info, streams := parseStreams(head, c)
	if streams == 0 {
		return Info{}, &InputError{
			ErrCorrupt,
			i18n.Say("the file cannot be read as %s: it is damaged or cut short", c.name),
		}
	}
	info.Duration = lastOutTime(stdout)
	// The limits come before the verdict on wholeness: a bomb is to be called one.
	said := saidDuration(head, c)
	claim := info
	claim.Duration = max(said, info.Duration)
	if err := limits.av(claim, streams); err != nil {
		return Info{}, err
	}
	switch {
	case !info.HasAudio && !info.HasVideo:
		return Info{}, &InputError{ErrEmpty, i18n.Say("the %s file holds neither sound nor pictures", c.name)}
	case err != nil || info.Duration <= 0:
		return Info{}, &InputError{
			ErrCorrupt,
			i18n.Say("the %s file is damaged or cut short; send the whole file", c.name),
		}
	case info.HasVideo && info.Kind == Audio:
		return Info{}, &InputError{
			ErrUnsupported,
			i18n.Say("video in a %s file is not accepted: send MP4 or WebM", c.name),
		}
	case info.HasVideo && info.Width == 0:
		return Info{}, &InputError{
			ErrCorrupt,
			i18n.Say("the %s file does not tell the size of its pictures: it is damaged", c.name),
		}
	}
	guessed := strings.Contains(head, "Estimating duration from bitrate")
	if !guessed && info.Duration < said*9/10-500*time.Millisecond {
		return Info{}, &InputError{
			ErrCorrupt,
			i18n.Say("the %s file is cut short: it should play %.1f s, and only %.1f s are there; send the whole file",
				c.name, said.Seconds(), info.Duration.Seconds()),
		}
	}
	return info, nil
}

func parseStreams(head string, c container) (Info, int) {
	info := Info{Kind: c.kind, MIME: c.mime, Orientation: 1}
	streams := streamLine.FindAllStringSubmatch(head, -1)
	for _, s := range streams {
		switch text := s[2]; {
		case s[1] == "Video" && !strings.Contains(text, "(attached pic)") && !info.HasVideo:
			info.HasVideo = true
			if m := sizeWord.FindStringSubmatch(text); m != nil {
				info.Width, info.Height = atoi(m[1]), atoi(m[2])
			}
			if m := fpsWord.FindStringSubmatch(text); m != nil {
				info.FPS, _ = strconv.ParseFloat(m[1], 64)
				if m[2] == "k" {
					info.FPS *= 1000
				}
			}
		case s[1] == "Audio" && !info.HasAudio:
			info.HasAudio = true
			if m := rateWord.FindStringSubmatch(text); m != nil {
				info.SampleRate = atoi(m[1])
			}
			info.Channels = channels(text)
		}
	}
	if m := rotationLine.FindStringSubmatch(head); m != nil && info.HasVideo {
		if deg, err := strconv.ParseFloat(m[1], 64); err == nil && int(deg)%180 != 0 {
			info.Width, info.Height = info.Height, info.Width
		}
	}
	switch { // the content decides, since recorders put any brand on a file
	case c.kind == Video && !info.HasVideo && info.HasAudio:
		info.Kind, info.MIME = Audio, m4a.mime
		if c == webm {
			info.MIME = weba.mime
		}
	case c == m4a && info.HasVideo:
		info.Kind, info.MIME = Video, mp4.mime
	}
	return info, len(streams)
}

// saidDuration is how long the file's header says that it plays, 0 when it does not say. Matroska counts from zero, so
// a recording whose first packet comes late says more than it plays. An Ogg file says nothing: ffmpeg takes its last
// time stamp, which starts anew where files were joined.
func saidDuration(head string, c container) time.Duration {
	m := durationLine.FindStringSubmatch(head)
	if m == nil || c == ogg {
		return 0
	}
	said := time.Duration(atoi(m[1]))*time.Hour + time.Duration(atoi(m[2]))*time.Minute + inSeconds(m[3])
	if c.demux == "matroska" {
		said -= max(0, inSeconds(m[4]))
	}
	return max(0, said)
}

func inSeconds(text string) time.Duration {
	sec, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(sec * float64(time.Second))
}

func lastOutTime(progress string) time.Duration {
	all := outTime.FindAllStringSubmatch(progress, -1)
	if len(all) == 0 {
		return 0
	}
	us, err := strconv.ParseInt(all[len(all)-1][1], 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
