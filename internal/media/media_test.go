package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	stdpng "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// testFFmpeg is the pinned ffmpeg of the draft environment, or APIBR_FFMPEG.
func testFFmpeg(t testing.TB) string {
	t.Helper()
	bin, err := FindFFmpeg(os.Getenv("APIBR_FFMPEG"), "../../.venv-draft")
	require.NoError(t, err, "these tests need the real ffmpeg: run make setup")
	return bin
}

func newProcessor(t testing.TB, limits Limits) *Processor {
	t.Helper()
	return New(Config{FFmpeg: testFFmpeg(t), Limits: limits})
}

var fixtures struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if fixtures.dir != "" {
		os.RemoveAll(fixtures.dir)
	}
	os.Exit(code)
}

// fixture makes the sounds and videos once: five seconds each, with a title and a place in their tags.
func fixture(t testing.TB, name string) string {
	t.Helper()
	bin := testFFmpeg(t)
	fixtures.once.Do(func() {
		fixtures.dir, fixtures.err = os.MkdirTemp("", "media-test-*")
		if fixtures.err != nil {
			return
		}
		tags := []string{
			"-metadata",
			"title=SECRET-TITLE",
			"-metadata",
			"location=-23.5505-046.6333/",
			"-metadata",
			"comment=SECRET-COMMENT",
		}
		sine := []string{"-f", "lavfi", "-i", "sine=frequency=220:duration=5:sample_rate=44100"}
		for _, a := range []string{"wav", "mp3", "flac", "ogg", "m4a"} {
			run(bin, append(append(append([]string{}, sine...), tags...), filepath.Join(fixtures.dir, "a."+a))...)
		}
		video := append([]string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=5"}, sine...)
		x264 := append(
			append(append([]string{}, video...), tags...),
			"-c:v",
			"libx264",
			"-preset",
			"ultrafast",
			"-c:a",
			"aac",
		)
		run(bin, append(x264, filepath.Join(fixtures.dir, "v.mp4"))...)
		run(bin, append(x264, filepath.Join(fixtures.dir, "v.mov"))...)
		run(bin, append(x264, "-movflags", "+faststart", filepath.Join(fixtures.dir, "fast.mp4"))...)
		run(
			bin,
			append(
				append(append([]string{}, video...), tags...),
				"-c:v",
				"libvpx-vp9",
				"-deadline",
				"realtime",
				"-cpu-used",
				"8",
				"-c:a",
				"libopus",
				filepath.Join(fixtures.dir, "v.webm"),
			)...)
		run(
			bin,
			append(
				append(append([]string{}, sine...), tags...),
				"-c:a",
				"libopus",
				filepath.Join(fixtures.dir, "a.webm"),
			)...)
		run(
			bin,
			"-display_rotation",
			"90",
			"-i",
			filepath.Join(fixtures.dir, "v.mp4"),
			"-c",
			"copy",
			filepath.Join(fixtures.dir, "turned.mp4"),
		)
		run(
			bin,
			append(
				append([]string{}, sine...),
				"-f",
				"webm",
				"-live",
				"1",
				"-c:a",
				"libopus",
				filepath.Join(fixtures.dir, "live.webm"),
			)...)
		run(
			bin,
			append(
				append([]string{}, video...),
				"-c:v",
				"libx264",
				"-preset",
				"ultrafast",
				"-c:a",
				"aac",
				"-map",
				"0",
				"-map",
				"1",
				"-map",
				"1",
				"-map",
				"1",
				filepath.Join(fixtures.dir, "many.mp4"),
			)...)
		run(
			bin,
			append(
				append([]string{}, video...),
				"-c:v",
				"mpeg4",
				"-c:a",
				"aac",
				"-f",
				"matroska",
				filepath.Join(fixtures.dir, "v.mkv"),
			)...)
		run(
			bin,
			"-f",
			"lavfi",
			"-i",
			"anullsrc=r=8000:cl=mono",
			"-t",
			"7000",
			"-c:a",
			"flac",
			filepath.Join(fixtures.dir, "long.flac"),
		)
	})
	require.NoError(t, fixtures.err)
	path := filepath.Join(fixtures.dir, name)
	require.FileExists(t, path)
	return path
}

func run(bin string, args ...string) {
	if fixtures.err != nil {
		return
	}
	out, err := exec.Command(bin, append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput()
	if err != nil {
		fixtures.err = errors.Join(err, errors.New(string(out)))
	}
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func picture(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(x * 7), uint8(y * 5), uint8(x ^ y), 255})
		}
	}
	return img
}

func pngBytes(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, stdpng.Encode(&b, picture(w, h)))
	return b.Bytes()
}

func jpegBytes(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, picture(w, h), nil))
	return b.Bytes()
}

func webpBytes(t testing.TB, w, h int) []byte {
	t.Helper()
	p := newProcessor(t, Limits{})
	dst := filepath.Join(t.TempDir(), "x.webp")
	require.NoError(t, p.Transcode(context.Background(), write(t, "x.png", pngBytes(t, w, h)), dst, "webp"))
	return read(t, dst)
}

// exifWithGPS is a big-endian TIFF block with an orientation, a maker and a GPS directory pointer.
func exifWithGPS(orientation uint16) []byte {
	b := []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 3}
	entry := func(tag, typ uint16, count uint32, value []byte) {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, typ)
		b = binary.BigEndian.AppendUint32(b, count)
		b = append(b, value...)
	}
	entry(0x010F, 2, 4, []byte("CAM\x00"))
	entry(tagOrientation, 3, 1, []byte{byte(orientation >> 8), byte(orientation), 0, 0})
	entry(0x8825, 4, 1, []byte{0, 0, 0, 50})
	return append(b, "\x00\x00\x00\x00SECRET-GPS-23.5505S"...)
}

// tracked wraps pictures in everything that a phone writes around them.
func trackedJPEG(t testing.TB, w, h int, orientation uint16) []byte {
	t.Helper()
	plain := jpegBytes(t, w, h)
	out := append([]byte{}, plain[:2]...)
	segment := func(marker byte, data string) {
		out = append(out, 0xFF, marker, byte((len(data)+2)>>8), byte(len(data)+2))
		out = append(out, data...)
	}
	segment(0xE0, "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x01\x01SEC") // with a thumbnail of one pixel
	segment(0xE1, "Exif\x00\x00"+string(exifWithGPS(orientation)))
	segment(0xE1, jpegXMPHead+"SECRET-XMP")
	segment(0xE2, jpegICCHead+"\x01\x01profile")
	segment(0xED, "Photoshop 3.0\x00SECRET-IPTC")
	segment(0xFE, "SECRET-COMMENT")
	return append(append(out, plain[2:]...), "SECRET-MOTION-PHOTO"...)
}

func trackedPNG(t testing.TB, w, h int, orientation uint16) []byte {
	t.Helper()
	plain := pngBytes(t, w, h)
	out := append([]byte{}, plain[:33]...) // signature and IHDR
	chunk := func(name, data string) {
		var b bytes.Buffer
		require.NoError(t, writePNGChunk(&b, name, []byte(data)))
		out = append(out, b.Bytes()...)
	}
	chunk("tEXt", "Author\x00SECRET-AUTHOR")
	chunk("tIME", "\x07\xea\x0b\x18\x0a\x1e\x00")
	chunk("eXIf", string(exifWithGPS(orientation)))
	chunk("iTXt", pngXMPKeyword+"\x00\x00\x00\x00\x00SECRET-XMP")
	chunk("prVt", "SECRET-PRIVATE")
	return append(append(out, plain[33:]...), "SECRET-TAIL"...)
}

func trackedWebP(t testing.TB, w, h int, orientation uint16) []byte {
	t.Helper()
	plain := webpBytes(t, w, h)
	var out bytes.Buffer
	out.WriteString("RIFF\x00\x00\x00\x00WEBP")
	require.NoError(
		t,
		writeWebPChunk(&out, "VP8X", webpHeader(webpFile{f: facts{width: w, height: h}}, false, true, true)),
	)
	out.Write(plain[12:])
	require.NoError(t, writeWebPChunk(&out, "EXIF", exifWithGPS(orientation)))
	require.NoError(t, writeWebPChunk(&out, "XMP ", []byte("SECRET-XMP")))
	b := out.Bytes()
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

func decode(t testing.TB, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	img, _, err := image.Decode(f)
	require.NoError(t, err)
	return img
}

func samePixels(t testing.TB, a, b image.Image) {
	t.Helper()
	require.Equal(t, a.Bounds(), b.Bounds())
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r1, g1, b1, a1 := a.At(x, y).RGBA()
			r2, g2, b2, a2 := b.At(x, y).RGBA()
			require.Equal(t, [4]uint32{r1, g1, b1, a1}, [4]uint32{r2, g2, b2, a2}, "pixel %d,%d", x, y)
		}
	}
}

func TestCleanRemovesTrackingDataFromPictures(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	for name, data := range map[string][]byte{
		"a.jpg": trackedJPEG(t, 40, 24, 6), "a.png": trackedPNG(t, 40, 24, 6), "a.webp": trackedWebP(t, 40, 24, 6),
	} {
		t.Run(name, func(t *testing.T) {
			src := write(t, name, data)
			require.Contains(t, string(data), "SECRET-GPS", "the test's own picture must hold what is to go")
			dst := filepath.Join(t.TempDir(), "clean")
			require.NoError(t, p.Clean(context.Background(), src, dst))
			clean := read(t, dst)
			require.NotContains(t, string(clean), "SECRET")
			require.NotContains(t, string(clean), "CAM\x00")
			samePixels(t, decode(t, src), decode(t, dst))
			info, err := p.Probe(context.Background(), dst)
			require.NoError(t, err)
			require.Equal(t, 6, info.Orientation)
			require.Equal(t, []int{24, 40}, []int{info.Width, info.Height}, "as a viewer shows it")
			again := filepath.Join(t.TempDir(), "again")
			require.NoError(t, p.Clean(context.Background(), dst, again))
			require.Equal(t, clean, read(t, again), "a clean file is left as it is")
		})
	}
	require.Contains(t, string(read(t, func() string {
		dst := filepath.Join(t.TempDir(), "icc")
		require.NoError(t, p.Clean(context.Background(), write(t, "i.jpg", trackedJPEG(t, 8, 8, 1)), dst))
		return dst
	}())), jpegICCHead, "a colour profile stays")
}

func TestCleanRemovesTrackingDataFromAudioAndVideo(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	for _, name := range []string{"a.wav", "a.mp3", "a.flac", "a.ogg", "a.m4a", "a.webm", "v.mp4", "v.mov", "v.webm",
		"turned.mp4"} {
		t.Run(name, func(t *testing.T) {
			src := fixture(t, name)
			dst := filepath.Join(t.TempDir(), "clean")
			require.NoError(t, p.Clean(context.Background(), src, dst))
			require.NotContains(t, string(read(t, dst)), "SECRET")
			require.NotContains(t, string(read(t, dst)), "23.5505")
			before, err := p.Probe(context.Background(), src)
			require.NoError(t, err)
			after, err := p.Probe(context.Background(), dst)
			require.NoError(t, err)
			require.InDelta(t, before.Duration.Seconds(), after.Duration.Seconds(), 0.06)
			before.Duration, after.Duration = 0, 0
			require.Equal(t, before, after)
		})
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	for _, c := range []struct {
		file string
		want Info
	}{
		{"a.wav", Info{Kind: Audio, MIME: "audio/wav", HasAudio: true}},
		{"a.mp3", Info{Kind: Audio, MIME: "audio/mpeg", HasAudio: true}},
		{"a.flac", Info{Kind: Audio, MIME: "audio/flac", HasAudio: true}},
		{"a.ogg", Info{Kind: Audio, MIME: "audio/ogg", HasAudio: true}},
		{"a.m4a", Info{Kind: Audio, MIME: "audio/mp4", HasAudio: true}},
		{"a.webm", Info{Kind: Audio, MIME: "audio/webm", HasAudio: true}},
		{"live.webm", Info{Kind: Audio, MIME: "audio/webm", HasAudio: true}},
		{"v.mp4", Info{Kind: Video, MIME: "video/mp4", HasAudio: true, HasVideo: true, Width: 160, Height: 120,
			FPS: 25}},
		{"v.mov", Info{Kind: Video, MIME: "video/quicktime", HasAudio: true, HasVideo: true, Width: 160, Height: 120,
			FPS: 25}},
		{"v.webm", Info{Kind: Video, MIME: "video/webm", HasAudio: true, HasVideo: true, Width: 160, Height: 120,
			FPS: 25}},
		{"turned.mp4", Info{Kind: Video, MIME: "video/mp4", HasAudio: true, HasVideo: true, Width: 120, Height: 160,
			FPS: 25}},
	} {
		t.Run(c.file, func(t *testing.T) {
			got, err := p.Probe(context.Background(), fixture(t, c.file))
			require.NoError(t, err)
			require.InDelta(t, 5, got.Duration.Seconds(), 0.1)
			require.Equal(t, 1, got.Channels)
			c.want.Duration, c.want.Channels, c.want.SampleRate, c.want.Orientation = got.Duration, 1, got.SampleRate, 1
			require.Equal(t, c.want, got)
			require.Contains(t, []int{44100, 48000}, got.SampleRate)
		})
	}
}

func TestTranscode(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	ctx := context.Background()
	pic := write(t, "p.png", pngBytes(t, 64, 48))
	for format, src := range map[string]string{
		"wav": fixture(t, "a.flac"), "mp3": fixture(t, "a.wav"), "flac": fixture(t, "a.wav"),
		"ogg": fixture(t, "a.wav"),
		"png": write(t, "p.jpg", jpegBytes(t, 64, 48)), "jpg": pic, "webp": pic, "mp4": fixture(t, "v.webm"),
		"webm": fixture(t, "v.mp4"),
	} {
		t.Run(format, func(t *testing.T) {
			var sums [2][32]byte
			for i := range sums {
				dst := filepath.Join(t.TempDir(), "out")
				info, err := p.Finish(
					ctx,
					FinishRequest{Src: src, Dst: dst, Format: format, Mark: MarkFor(Draft, Audio)},
				)
				require.NoError(t, err)
				require.Equal(t, FormatMIME(format), info.MIME)
				require.Equal(t, FormatKind(format), info.Kind)
				require.NotContains(t, string(read(t, dst)), "SECRET")
				sums[i] = sha256.Sum256(read(t, dst))
			}
			require.Equal(t, sums[0], sums[1], "equal input, equal bytes")
		})
	}
	err := p.Transcode(ctx, pic, filepath.Join(t.TempDir(), "x"), "mp3")
	require.ErrorIs(t, err, ErrUnsupported)
	err = p.Transcode(ctx, pic, filepath.Join(t.TempDir(), "x"), "exe")
	require.ErrorIs(t, err, ErrUnsupported)
}

// TestWebPKeepsItsColours guards against reading the limited range of lossy WebP as a full one.
func TestWebPKeepsItsColours(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = 255
		if i%(64*4) < 32*4 && i%4 != 3 {
			img.Pix[i] = 0 // the left half is black
		}
	}
	var b bytes.Buffer
	require.NoError(t, stdpng.Encode(&b, img))
	dir := t.TempDir()
	asWebP, asPNG := filepath.Join(dir, "x.webp"), filepath.Join(dir, "x.png")
	require.NoError(t, p.Transcode(context.Background(), write(t, "a.png", b.Bytes()), asWebP, "webp"))
	require.NoError(t, p.Transcode(context.Background(), asWebP, asPNG, "png"))
	black, _, _, _ := decode(t, asPNG).At(8, 32).RGBA()
	white, _, _, _ := decode(t, asPNG).At(56, 32).RGBA()
	require.Less(t, black>>8, uint32(6))
	require.Greater(t, white>>8, uint32(249))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "no temporary file stays")
}

func TestSongWithALargeCoverIsAudio(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{VideoPixels: 100})
	song := filepath.Join(t.TempDir(), "song.mp3")
	cover := write(t, "cover.png", pngBytes(t, 300, 300))
	src := fixture(t, "a.mp3")
	run(
		testFFmpeg(t),
		"-i",
		src,
		"-i",
		cover,
		"-map",
		"0",
		"-map",
		"1",
		"-c",
		"copy",
		"-disposition:v",
		"attached_pic",
		song,
	)
	require.NoError(t, fixtures.err)
	info, err := p.Probe(context.Background(), song)
	require.NoError(t, err)
	require.Equal(t, Audio, info.Kind)
	require.False(t, info.HasVideo)
	clean := filepath.Join(t.TempDir(), "clean")
	require.NoError(t, p.Clean(context.Background(), song, clean))
	require.NotContains(t, string(read(t, clean)), "IHDR", "a cover can be a photo of anybody")
}

func TestLabelIsReadBackAndDeterministic(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	ctx := context.Background()
	files := map[string]string{
		"jpg": write(
			t,
			"a.jpg",
			trackedJPEG(t, 40, 24, 8),
		), "png": write(t, "a.png", trackedPNG(t, 40, 24, 1)), "webp": write(t, "a.webp", webpBytes(t, 33, 21)),
	}
	for _, f := range []string{"a.wav", "a.mp3", "a.flac", "a.ogg", "a.m4a", "a.webm", "v.mp4", "v.mov", "v.webm"} {
		files[f] = fixture(t, f)
	}
	for name, src := range files {
		t.Run(name, func(t *testing.T) {
			none, err := p.ReadMark(ctx, src)
			require.NoError(t, err)
			require.Equal(t, Mark{}, none)
			for _, mark := range []Mark{MarkFor(Draft, Image), MarkFor(Draft, Video), MarkFor(Final, Audio)} {
				dir := t.TempDir()
				one, two := filepath.Join(dir, "1"), filepath.Join(dir, "2")
				require.NoError(t, p.Label(ctx, src, one, mark))
				require.NoError(t, p.Label(ctx, src, two, mark))
				require.Equal(t, read(t, one), read(t, two))
				got, err := p.ReadMark(ctx, one)
				require.NoError(t, err)
				require.Equal(t, mark, got)
				require.Contains(t, string(read(t, one)), string(mark.Source))
				require.NotContains(t, string(read(t, one)), "SECRET")
				twice := filepath.Join(dir, "3")
				require.NoError(t, p.Label(ctx, one, twice, MarkFor(Final, Image)))
				got, err = p.ReadMark(ctx, twice)
				require.NoError(t, err)
				require.Equal(t, MarkFor(Final, Image), got, "a second label replaces the first")
				if name == "jpg" || name == "png" || name == "webp" {
					samePixels(t, decode(t, src), decode(t, one))
				}
				_, err = p.Probe(ctx, one)
				require.NoError(t, err)
			}
		})
	}
}

func TestUprightMatchesEveryOrientation(t *testing.T) {
	t.Parallel()
	// A picture of 2 x 1 pixels, red then blue: where red lands tells the eight cases apart.
	img := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	img.Set(0, 0, color.NRGBA{255, 0, 0, 255})
	img.Set(1, 0, color.NRGBA{0, 0, 255, 255})
	for o, red := range map[int]image.Point{1: {0, 0}, 2: {1, 0}, 3: {1, 0}, 4: {0, 0}, 5: {0, 0}, 6: {0, 0},
		7: {0, 1}, 8: {0, 1}} {
		got := upright(img, o)
		r, _, _, _ := got.At(red.X, red.Y).RGBA()
		require.EqualValues(t, 0xffff, r, "orientation %d", o)
	}
}

func TestCancelKillsFFmpeg(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dst := filepath.Join(t.TempDir(), "x.mp4")
	err := p.Transcode(ctx, fixture(t, "v.webm"), dst, "mp4")
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, dst)
}

func TestMissingFFmpegIsReported(t *testing.T) {
	t.Parallel()
	_, err := FindFFmpeg("/no/such/program")
	require.ErrorIs(t, err, ErrNoFFmpeg)
	p := New(Config{FFmpeg: "/no/such/program"})
	_, err = p.Probe(context.Background(), write(t, "a.wav", read(t, fixture(t, "a.wav"))))
	require.ErrorIs(t, err, ErrNoFFmpeg)
	_, err = p.Probe(context.Background(), write(t, "a.png", pngBytes(t, 4, 4)))
	require.NoError(t, err, "pictures need no ffmpeg")
}
