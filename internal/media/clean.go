package media

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/i18n"
)

// Clean copies src to dst (which must not exist) without what can track a person: EXIF with its GPS position, XMP,
// comments, thumbnails, maker notes, tags, chapters, cover pictures, and the telemetry tracks that cameras write.
// Pixels and sound are not encoded again. A picture keeps its orientation as the only EXIF tag, a video its rotation.
// Files that this does not know fail with ErrUnsupported.
func (p *Processor) Clean(ctx context.Context, src, dst string) error {
	c, err := sniff(src)
	if err != nil {
		return err
	}
	if c.kind == Image {
		_, err := rewriteFile(c.mime, src, dst, nil)
		return diskError(err)
	}
	if c == wav {
		return cleanWAV(src, dst)
	}
	return p.remux(ctx, src, dst, c, nil)
}

// Label copies src to dst (which must not exist) with the mark in its metadata and nothing else there: XMP in PNG,
// JPEG, WebP and MP4, tags in the rest. Equal input gives equal bytes.
func (p *Processor) Label(ctx context.Context, src, dst string, mark Mark) error {
	c, err := sniff(src)
	if err != nil {
		return err
	}
	if c.kind == Image {
		_, err := rewriteFile(c.mime, src, dst, xmpPacket(mark))
		return diskError(err)
	}
	tags := []string{"-metadata", "comment=" + description(mark)}
	if c != wav && c.demux != "mov" { // RIFF and MP4 have fixed names only
		tags = append(
			tags,
			"-metadata",
			"digital_source_type="+string(mark.Source),
			"-metadata",
			"quality="+string(mark.Quality),
		)
	}
	if err := p.remux(ctx, src, dst, c, tags); err != nil {
		return err
	}
	if c.demux == "mov" {
		return diskError(appendXMPBox(dst, xmpPacket(mark)))
	}
	return nil
}

// remux copies the streams that are sound or moving pictures, and nothing else, into a new container of the same type.
func (p *Processor) remux(ctx context.Context, src, dst string, c container, tags []string) error {
	mux := c.mux
	if c == mp4 {
		// An M4A under a brand of MP4 stays playable either way; only the muxer's own checks differ.
		mux = "mp4"
	}
	codec := "copy"
	if c == flac {
		streamed, err := streamedFLAC(src)
		if err != nil {
			return err
		}
		if streamed { // a copy would keep the header that does not know its length; another encoding has the same sound
			codec = "flac"
		}
	}
	args := []string{"-map", "0:V?", "-map", "0:a?", "-map_metadata", "-1", "-map_chapters", "-1", "-c", codec,
		"-fflags", "+bitexact", "-flags", "+bitexact"}
	args = append(args, tags...)
	switch c.demux {
	case "mov":
		args = append(args, "-movflags", "+faststart", "-write_tmcd", "0")
	case "mp3":
		args = append(args, "-id3v2_version", "3")
	}
	return p.convert(ctx, src, dst, c, append(args, "-f", mux))
}

// convert runs ffmpeg from src, read as c and nothing else, to dst, which it removes again on failure.
func (p *Processor) convert(ctx context.Context, src, dst string, c container, args []string) error {
	in, err := filepath.Abs(src)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	out, err := filepath.Abs(dst)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	read, err := demuxer(src, c)
	if err != nil {
		return err
	}
	// Made here, so that an existing file is never written over.
	f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("convert: %w", diskError(err))
	}
	f.Close()
	// The output protocol is file too; the whitelist before -i binds the input and what it could refer to.
	all := append([]string{"-v", "error", "-xerror", "-protocol_whitelist", "file"}, read...)
	all = append(append(append(all, "-i", "file:"+in), args...), "file:"+out)
	_, stderr, err := p.runFFmpeg(ctx, p.workLimit(), all...)
	if err == nil {
		return nil
	}
	os.Remove(out)
	switch {
	case disk.SaysFull(stderr):
		return blob.ErrDiskFull
	case !gaveUp(err):
		return err
	case shortOfHandles(stderr):
		return errInterrupted
	}
	if m := foreignCodec.FindStringSubmatch(stderr); m != nil {
		return &InputError{
			ErrUnsupported,
			i18n.Say(
				"the %s file holds %s, which is not accepted there: send WAV, MP3 or M4A sound with AAC, or MP4 "+
					"video with H.264 and AAC",
				c.name,
				m[1],
			),
		}
	}
	p.log().WarnContext(ctx, "ffmpeg gave up", "error", err, "stderr", stderr)
	return &InputError{ErrCorrupt, i18n.Say("the %s file could not be read to its end: it is damaged", c.name)}
}

// foreignCodec is what ffmpeg says of a stream that the container cannot hold.
var foreignCodec = regexp.MustCompile(`Could not find tag for codec (\w+) in stream`)

// xmpUUID marks a top-level box of an MP4 as XMP (XMP specification part 3).
var xmpUUID = [16]byte{0xBE, 0x7A, 0xCF, 0xCB, 0x97, 0xA9, 0x42, 0xE8, 0x9C, 0x71, 0x99, 0x94, 0x91, 0xE3, 0xAF, 0xAC}

// appendXMPBox puts the packet behind the last box, where it moves no offset. ffmpeg cannot write it.
func appendXMPBox(path string, xmp []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("label video: %w", err)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(xmpUUID)+len(xmp)))
	b = append(append(append(b, "uuid"...), xmpUUID[:]...), xmp...)
	if _, err = f.Write(b); err != nil {
		err = fmt.Errorf("label video: %w", err)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
