package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bombPNG claims w x h pixels in a few bytes.
func bombPNG(t testing.TB, w, h uint32) []byte {
	t.Helper()
	b := pngBytes(t, 1, 1)
	var ihdr bytes.Buffer
	data := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	require.NoError(t, writePNGChunk(&ihdr, "IHDR", append(data, 8, 2, 0, 0, 0)))
	return append(append(append([]byte{}, b[:8]...), ihdr.Bytes()...), b[33:]...)
}

// nestedMP4 is one box in another, as deep as asked.
func nestedMP4(depth int) []byte {
	b := []byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2")
	for i := depth; i > 0; i-- {
		b = append(binary.BigEndian.AppendUint32(b, uint32(8*i)), "moov"...)
	}
	return b
}

func cut(t testing.TB, path string, keep float64) []byte {
	t.Helper()
	b := read(t, path)
	return b[:int(float64(len(b))*keep)]
}

func TestHostileFilesAreRefusedWithASentence(t *testing.T) {
	t.Parallel()
	webp := webpBytes(t, 40, 24)
	animated := bytes.Clone(webp)
	animated = append(animated, "ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	binary.LittleEndian.PutUint32(animated[4:], uint32(len(animated)-8))
	liar := trackedWebP(t, 40, 24, 1)
	liar[24]++ // the canvas of VP8X, not of the frame
	badCRC := pngBytes(t, 20, 20)
	badCRC[len(badCRC)-20] ^= 0xff

	for _, c := range []struct {
		name   string
		data   []byte
		reason error
		says   string
	}{
		{"empty", nil, ErrEmpty, "empty"},
		{"text called a picture", []byte("hello, I am no picture\n"), ErrUnsupported, "accepted are"},
		{"a page called a video", []byte("<!DOCTYPE html><html><script>alert(1)</script>"), ErrUnsupported,
			"accepted are"},
		{"a drawing with a script",
			[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), ErrUnsupported,
			"SVG"},
		{"a program", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 100)...), ErrUnsupported, "accepted are"},
		{"a playlist that names a file", []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), ErrUnsupported,
			"accepted are"},
		{"a concat script", []byte("ffconcat version 1.0\nfile /etc/passwd\n"), ErrUnsupported, "accepted are"},
		{"an archive", []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00aaaaaaaaaaaaaaaaaaaaaaaa"), ErrUnsupported,
			"archives"},
		{"an animation", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), ErrUnsupported, "GIF"},
		{"a Matroska file", read(t, fixture(t, "v.mkv")), ErrUnsupported, "MKV"},
		{"an animated WebP", animated, ErrUnsupported, "animated"},
		{"a WebP with two sizes", liar, ErrCorrupt, "damaged"},
		{"a PNG with a wrong checksum", badCRC, ErrCorrupt, "damaged"},
		{"half a PNG", cut(t, write(t, "p", pngBytes(t, 60, 60)), 0.5), ErrCorrupt, "cut short"},
		{"only a PNG signature", []byte(pngSignature), ErrCorrupt, "cut short"},
		{"half a JPEG", cut(t, write(t, "p", jpegBytes(t, 60, 60)), 0.5), ErrCorrupt, "cut short"},
		{"a JPEG of four bytes", []byte{0xFF, 0xD8, 0xFF, 0xE0}, ErrCorrupt, "cut short"},
		{"half a WebP", webp[:len(webp)/2], ErrCorrupt, "cut short"},
		{"half an MP4, index last", cut(t, fixture(t, "v.mp4"), 0.5), ErrCorrupt, "MP4"},
		{"half an MP4, index first", cut(t, fixture(t, "fast.mp4"), 0.5), ErrCorrupt, "cut short"},
		{"half a WebM", cut(t, fixture(t, "v.webm"), 0.5), ErrCorrupt, "cut short"},
		{"half a WAV", cut(t, fixture(t, "a.wav"), 0.5), ErrCorrupt, "cut short"},
		{"half an MP3", cut(t, fixture(t, "a.mp3"), 0.5), ErrCorrupt, "cut short"},
		{"half a FLAC", cut(t, fixture(t, "a.flac"), 0.5), ErrCorrupt, "cut short"},
		{"a WAV header alone", read(t, fixture(t, "a.wav"))[:44], ErrCorrupt, "cut short"},
		{"an MP4 header alone", read(t, fixture(t, "v.mp4"))[:32], ErrCorrupt, "MP4"},
		{"boxes in boxes", nestedMP4(200_000), ErrCorrupt, "MP4"},
		{"an ID3 tag and nothing", append([]byte("ID3\x03\x00\x00\x00\x00\x00\x0a"), make([]byte, 400)...),
			ErrCorrupt, "MP3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newProcessor(t, Limits{})
			path := write(t, "upload.mp4", c.data)
			_, err := p.Probe(context.Background(), path)
			require.ErrorIs(t, err, c.reason)
			require.Contains(t, err.Error(), c.says)
			require.NotContains(t, err.Error(), filepath.Dir(path), "no path in what a user reads")
		})
	}
}

func TestLimitsAreCheckedBeforeDecoding(t *testing.T) {
	t.Parallel()
	huge := write(t, "b.png", bombPNG(t, 60000, 60000))
	tall := write(t, "t.png", bombPNG(t, 10, 40000))
	bigJPEG := jpegBytes(t, 16, 16)
	at := bytes.Index(bigJPEG, []byte{0xFF, 0xC0})
	copy(bigJPEG[at+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})

	for _, c := range []struct {
		name, path, key string
		limits          Limits
	}{
		{"pixels of a PNG", huge, KeyImagePixels, Limits{}},
		{"a side of a PNG", tall, KeyImageSide, Limits{}},
		{"pixels of a JPEG", write(t, "b.jpg", bigJPEG), KeyImagePixels, Limits{}},
		{"two hours in a small file", fixture(t, "long.flac"), KeyAudioDuration, Limits{}},
		{"seconds of a video", fixture(t, "v.mp4"), KeyVideoDuration, Limits{VideoDuration: 4 * time.Second}},
		{"seconds that no header tells", fixture(t, "live.webm"), KeyAudioDuration,
			Limits{AudioDuration: 4 * time.Second}},
		{"pixels of a video", fixture(t, "v.mp4"), KeyVideoPixels, Limits{VideoPixels: 1000}},
		{"streams", fixture(t, "many.mp4"), KeyStreams, Limits{Streams: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newProcessor(t, c.limits).Probe(context.Background(), c.path)
			var limit *LimitError
			require.ErrorAs(t, err, &limit)
			require.Equal(t, c.key, limit.ConfigKey)
			require.Contains(t, err.Error(), c.key)
		})
	}
	info, err := os.Stat(fixture(t, "long.flac"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(3<<20), "a bomb is small")
}

func TestASymbolicLinkIsNotFollowed(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "l.png")
	require.NoError(t, os.Symlink(write(t, "p.png", pngBytes(t, 4, 4)), link))
	_, err := sniff(link)
	require.Error(t, err)
	_, err = sniff("/dev/zero")
	require.Error(t, err)
}

func TestMislabelledFilesAreRecognisedByTheirBytes(t *testing.T) {
	t.Parallel()
	info, err := newProcessor(t, Limits{}).Probe(context.Background(), write(t, "photo.jpg", pngBytes(t, 9, 7)))
	require.NoError(t, err)
	require.Equal(t, "image/png", info.MIME)
}

func TestStreamLinesInTagsAreIgnored(t *testing.T) {
	t.Parallel()
	src := fixture(t, "a.mp3")
	dst := filepath.Join(t.TempDir(), "fake.mp3")
	bin := testFFmpeg(t)
	run(
		bin,
		"-i",
		src,
		"-c",
		"copy",
		"-metadata",
		"title=x\n  Stream #0:9: Video: h264, 9999x9999, 25 fps\n  Duration: 99:00:00.00",
		dst,
	)
	require.NoError(t, fixtures.err)
	info, err := newProcessor(t, Limits{}).Probe(context.Background(), dst)
	require.NoError(t, err)
	require.False(t, info.HasVideo)
	require.InDelta(t, 5, info.Duration.Seconds(), 0.2)
}

// TestRandomDamageNeverPanicsOrHangs flips and cuts bytes of every picture format: whatever happens, it is an answer.
func TestRandomDamageNeverPanicsOrHangs(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	rnd := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	for name, whole := range map[string][]byte{
		"jpg": trackedJPEG(t, 40, 24, 6), "png": trackedPNG(t, 40, 24, 6), "webp": trackedWebP(t, 40, 24, 6),
	} {
		for i := range 400 {
			b := bytes.Clone(whole)
			for range 1 + rnd.IntN(6) {
				b[rnd.IntN(len(b))] = byte(rnd.Uint32())
			}
			if i%3 == 0 {
				b = b[:rnd.IntN(len(b))]
			}
			path := filepath.Join(dir, "f")
			require.NoError(t, os.WriteFile(path, b, 0o600))
			_, err := p.Probe(context.Background(), path)
			if err != nil {
				require.False(t, strings.Contains(err.Error(), dir), "%s %d: %v", name, i, err)
				continue
			}
			dst := filepath.Join(dir, "clean")
			if p.Clean(context.Background(), path, dst) == nil {
				require.NotContains(t, string(read(t, dst)), "SECRET-GPS")
				require.NoError(t, os.Remove(dst))
			}
		}
	}
}
