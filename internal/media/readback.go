package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ReadMark reads back what Label wrote; the zero Mark when there is none.
func (p *Processor) ReadMark(ctx context.Context, path string) (Mark, error) {
	c, err := sniff(path)
	if err != nil {
		return Mark{}, err
	}
	switch {
	case c.kind == Image:
		f, err := rewriteFile(c.mime, path, "", nil)
		return parseXMP(f.xmp), err
	case c.demux == "mov":
		xmp, err := readXMPBox(path)
		if err != nil || xmp != nil {
			return parseXMP(xmp), err
		}
	}
	tags, err := p.Tags(ctx, path)
	return parseComment(tags), err
}

// Tags returns the metadata of an audio or video file as lines of ffmpeg's ffmetadata format.
func (p *Processor) Tags(ctx context.Context, path string) (string, error) {
	c, err := sniff(path)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("read tags: %w", err)
	}
	from := "0:g"
	if c == ogg { // an Ogg file has no tags of its own, only its streams do
		from = "0:s:0"
	}
	stdout, _, err := p.runFFmpeg(ctx, p.probeLimit(), "-v", "error", "-protocol_whitelist", "file", "-f", c.demux,
		"-i", "file:"+abs, "-map_metadata", from, "-f", "ffmetadata", "pipe:1")
	return stdout, err
}

// readXMPBox returns the packet of the XMP box among the top-level boxes of an MP4, nil when there is none.
func readXMPBox(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	defer f.Close()
	for at := int64(0); ; {
		var h [24]byte
		err := readAt(f, at, h[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read tags: %w", err)
		}
		size := int64(binary.BigEndian.Uint32(h[:]))
		if size == 1 {
			size = int64(binary.BigEndian.Uint64(h[8:]))
		}
		if size < 8 {
			return nil, nil
		}
		if string(h[4:8]) == "uuid" && [16]byte(h[8:24]) == xmpUUID && size >= 24 && size <= maxMetaChunk {
			xmp := make([]byte, size-24)
			if err := readAt(f, at+24, xmp); err != nil {
				return nil, fmt.Errorf("read tags: %w", err)
			}
			return xmp, nil
		}
		at += size
	}
}
