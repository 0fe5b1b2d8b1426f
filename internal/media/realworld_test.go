package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// soundOfSeconds is a WAV file of 8 kHz, mono, 16 bit, whose data chunk claims what it is told to.
func soundOfSeconds(seconds int, claim uint32) []byte {
	samples := bytes.Repeat([]byte{0x00, 0x10, 0x00, 0xF0}, 4000*seconds)
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, 8000)
	b = binary.LittleEndian.AppendUint32(b, 16000)
	b = append(b, 2, 0, 16, 0)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), claim)
	b = append(b, samples...)
	binary.LittleEndian.PutUint32(b[4:], claim+36)
	return b
}

// sound64 is the same as RF64.
func sound64(id string, seconds int, claim uint64) []byte {
	plain := soundOfSeconds(seconds, 0xFFFFFFFF)
	ds64 := append([]byte("ds64"), 28, 0, 0, 0)
	ds64 = binary.LittleEndian.AppendUint64(ds64, claim+72)
	ds64 = binary.LittleEndian.AppendUint64(ds64, claim)
	ds64 = append(ds64, make([]byte, 12)...)
	return append(append([]byte(id+"\xFF\xFF\xFF\xFFWAVE"), ds64...), plain[12:]...)
}

// takenIn probes a file, cleans it, and probes again what would be kept, which must say the same by its own header.
func takenIn(t *testing.T, p *Processor, path string) Info {
	t.Helper()
	info, err := p.Probe(context.Background(), path)
	require.NoError(t, err)
	kept := filepath.Join(t.TempDir(), "kept")
	require.NoError(t, p.Clean(context.Background(), path, kept))
	again, err := p.Probe(context.Background(), kept)
	require.NoError(t, err)
	require.InDelta(t, info.Duration.Seconds(), again.Duration.Seconds(), 0.05)
	require.Equal(t, info.Kind, again.Kind)
	if info.Kind != Image {
		require.InDelta(
			t,
			info.Duration.Seconds(),
			saidDuration(ffmpegSays(t, kept), container{}).Seconds(),
			0.05,
			"the kept file's header",
		)
	}
	return info
}

func ffmpegSays(t *testing.T, path string) string {
	t.Helper()
	out, _ := exec.Command(testFFmpeg(t), "-hide_banner", "-i", path).CombinedOutput()
	return string(out)
}

func TestLengthOfAPipedWAVIsFoundAtItsEnd(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	const there = 48000 // three seconds
	for name, content := range map[string][]byte{
		"ffmpeg":                    soundOfSeconds(3, 0xFFFFFFFF),
		"sox":                       soundOfSeconds(3, 0x7FFFF000),
		"the largest signed":        soundOfSeconds(3, 0x7FFFFFFF),
		"the same less a header":    soundOfSeconds(3, 0x7FFFFFFF-36),
		"arecord":                   soundOfSeconds(3, 0x80000000),
		"all bits less a header":    soundOfSeconds(3, 0xFFFFFFFF-36),
		"a recorder that crashed":   soundOfSeconds(3, 0),
		"one byte too many":         soundOfSeconds(3, there+1),
		"a block too many":          soundOfSeconds(3, there+2),
		"the size of the file":      soundOfSeconds(3, there+44),
		"less than there is":        append(soundOfSeconds(3, there), "LIST\x04\x00\x00\x00INFO"...),
		"RF64":                      sound64("RF64", 3, there),
		"RF64 to a pipe":            sound64("RF64", 3, 0),
		"BW64":                      sound64("BW64", 3, there),
		"the last sample lost half": soundOfSeconds(3, there)[:44+there-1],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info := takenIn(t, p, write(t, "a.wav", content))
			require.InDelta(t, 3, info.Duration.Seconds(), 0.01)
			require.Equal(t, "audio/wav", info.MIME)
		})
	}
	for _, name := range []string{"ffmpeg_pipe.wav", "sox_pipe.wav"} {
		require.InDelta(t, 6, takenIn(t, p, "testdata/"+name).Duration.Seconds(), 0.01)
	}
	for name, content := range map[string][]byte{
		"a third of it":                  soundOfSeconds(3, 3*there),
		"half a second is missing":       soundOfSeconds(3, there+8000),
		"a hundred bytes":                soundOfSeconds(3, there+100),
		"a third of an RF64":             sound64("RF64", 3, 3*there),
		"more than two gigabytes, cut":   soundOfSeconds(3, 0x91234567),
		"more than four gigabytes, cut":  sound64("RF64", 3, 5<<30),
		"more than a gigabyte, cut":      soundOfSeconds(3, 0x51234567),
		"nothing but an open header":     soundOfSeconds(0, 0xFFFFFFFF),
		"nothing but a header of a pipe": soundOfSeconds(0, 0),
	} {
		_, err := p.Probe(context.Background(), write(t, "a.wav", content))
		var refused *InputError
		require.ErrorAs(t, err, &refused, name)
	}
}

// made runs ffmpeg with a sine of so many seconds as its input and returns the file.
func made(t *testing.T, name string, seconds float64, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := append(
		[]string{
			"-v",
			"error",
			"-nostdin",
			"-f",
			"lavfi",
			"-i",
			fmt.Sprintf("sine=frequency=220:duration=%g:sample_rate=48000", seconds),
		},
		args...)
	out, err := exec.Command(testFFmpeg(t), append(all, path)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// piped is what ffmpeg writes when it cannot go back to the header.
func piped(t *testing.T, name string, seconds float64, args ...string) string {
	t.Helper()
	all := append(
		[]string{
			"-v",
			"error",
			"-nostdin",
			"-f",
			"lavfi",
			"-i",
			fmt.Sprintf("sine=frequency=220:duration=%g:sample_rate=48000", seconds),
		},
		args...)
	cmd := exec.Command("sh", append([]string{"-c", `"$@" - | cat`, "sh", testFFmpeg(t)}, all...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return write(t, name, out)
}

func joined(t *testing.T, paths ...string) string {
	t.Helper()
	var all []byte
	for _, path := range paths {
		all = append(all, read(t, path)...)
	}
	return write(t, "joined.ogg", all)
}

func TestDurationIsThePlayingTimeWhateverTheStartTime(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	opus, vorbis := made(t, "a.ogg", 3, "-c:a", "libopus"), made(t, "v.ogg", 3, "-c:a", "libvorbis")
	late := made(t, "late.ogg", 3, "-c:a", "libopus", "-output_ts_offset", "100")
	for name, c := range map[string]struct {
		path    string
		seconds float64
	}{
		"a recording that begins late":       {"testdata/late_start.webm", 3},
		"WebM that begins after two minutes": {made(t, "l.webm", 3, "-c:a", "libopus", "-output_ts_offset", "120"), 3},
		"WebM of a browser": {made(t, "live.webm", 3, "-c:a", "libopus", "-f", "webm", "-live", "1"),
			3},
		"WebM from a pipe":                {piped(t, "p.webm", 3, "-c:a", "libopus", "-f", "webm"), 3},
		"an Ogg that begins late":         {late, 3},
		"joined Opus":                     {joined(t, opus, made(t, "b.ogg", 1.5, "-c:a", "libopus")), 4.5},
		"joined Vorbis, the shorter last": {joined(t, vorbis, made(t, "b.ogg", 1.5, "-c:a", "libvorbis")), 4.5},
		"joined, the second begins late":  {joined(t, opus, late), 6},
		"joined, the first begins late":   {joined(t, late, opus), 6},
		"an Ogg from a pipe":              {piped(t, "p.ogg", 3, "-c:a", "libopus", "-f", "ogg"), 3},
		"FLAC from a pipe":                {piped(t, "p.flac", 3, "-c:a", "flac", "-f", "flac"), 3},
		"MP3 without a Xing header": {piped(t, "p.mp3", 3, "-c:a", "libmp3lame", "-write_xing", "0", "-f",
			"mp3"), 3},
		"M4A with an edit list": {made(t, "l.m4a", 3, "-c:a", "aac", "-output_ts_offset", "1.5"), 3},
		"an MP4 in fragments from a pipe": {piped(t, "p.mp4", 3, "-c:a", "aac", "-movflags",
			"frag_keyframe+empty_moov", "-f", "mp4"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDelta(t, c.seconds, takenIn(t, p, c.path).Duration.Seconds(), 0.06)
		})
	}
	limited := newProcessor(t, Limits{AudioDuration: 10e9})
	_, err := limited.Probe(context.Background(), late)
	require.NoError(t, err, "three seconds are not a hundred and three")
	cutLate := cut(t, made(t, "l.webm", 9, "-c:a", "libopus", "-output_ts_offset", "2"), 0.4)
	_, err = p.Probe(context.Background(), write(t, "a.webm", cutLate))
	require.ErrorContains(t, err, "cut short", "what begins late can be cut short too")
}

// TestChannelsOfEveryLayout asks ffmpeg for its layouts and counts what each is made of.
func TestChannelsOfEveryLayout(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(testFFmpeg(t), "-hide_banner", "-layouts").Output()
	require.NoError(t, err)
	_, list, found := strings.Cut(string(out), "DECOMPOSITION")
	require.True(t, found)
	layouts := 0
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) == 2 {
			layouts++
			require.Equal(
				t,
				strings.Count(fields[1], "+")+1,
				channels("pcm_s16le, 48000 Hz, "+fields[0]+", s16, 6144 kb/s"),
				fields[0],
			)
		}
	}
	require.Greater(t, layouts, 25)
	require.Equal(t, 4, channels("pcm_s16le, 48000 Hz, ambisonic 1, s16"))
	require.Equal(t, 11, channels("pcm_s16le, 48000 Hz, 11 channels (FL+FR), s16"))
	p := newProcessor(t, Limits{})
	for layout, want := range map[string]int{"7.1": 8, "5.1(side)": 6, "quad": 4, "2.1": 3, "hexagonal": 6} {
		info, err := p.Probe(context.Background(), made(t, "a.wav", 0.2, "-af", "aformat=channel_layouts="+layout))
		require.NoError(t, err)
		require.Equal(t, want, info.Channels, layout)
	}
}

// branded is an MP4 of sound under another brand.
func branded(t *testing.T, path, brand string) string {
	t.Helper()
	content := bytes.Clone(read(t, path))
	require.Equal(t, "ftyp", string(content[4:8]))
	copy(content[8:12], brand)
	return write(t, "file.m4a", content)
}

func TestMP4IsRecognisedByContentAndNotByBrand(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	for _, brand := range []string{"3gp4", "3gp5", "3g2a", "M4A ", "M4B ", "M4V ", "F4A ", "isom", "mp42", "dash",
		"MSNV", "qt  ", "xxxx"} {
		info := takenIn(t, p, branded(t, fixture(t, "a.m4a"), brand))
		require.Equal(t, []any{Audio, "audio/mp4"}, []any{info.Kind, info.MIME}, brand)
		info = takenIn(t, p, branded(t, fixture(t, "v.mp4"), brand))
		require.Equal(t, Video, info.Kind, brand)
	}
	_, err := p.Probe(context.Background(), branded(t, fixture(t, "a.m4a"), "heic"))
	require.ErrorContains(t, err, "JPEG")
}

func TestAnimationsAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	_, err := p.Probe(context.Background(), "testdata/anim.webp")
	require.ErrorIs(t, err, ErrUnsupported)
	require.EqualError(
		t,
		err,
		"this WebP is animated: send a still picture, such as one frame of it saved as PNG or JPEG",
	)

	apng := func(frames uint32) string {
		plain := pngBytes(t, 8, 8)
		var acTL bytes.Buffer
		require.NoError(
			t,
			writePNGChunk(&acTL, "acTL", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, frames), 0)),
		)
		return write(t, "a.png", append(append(bytes.Clone(plain[:33]), acTL.Bytes()...), plain[33:]...))
	}
	_, err = p.Probe(context.Background(), apng(2))
	require.EqualError(
		t,
		err,
		"this PNG is animated: send a still picture, such as one frame of it saved as PNG or JPEG",
	)
	_, err = p.Probe(context.Background(), apng(1))
	require.NoError(t, err, "an animation of one frame is a still picture")

	var moving bytes.Buffer
	frame := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White})
	require.NoError(t, gif.EncodeAll(&moving, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}}))
	_, err = p.Probe(context.Background(), write(t, "a.gif", moving.Bytes()))
	require.ErrorContains(t, err, "send PNG, JPEG or WebP")
}

// A picture that lacks nothing but its end marker is shown in full by every viewer.
func TestWholePictureWithoutEndMarkerIsAccepted(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	progressive := filepath.Join(t.TempDir(), "p.jpg")
	out, err := exec.Command("../../.venv-draft/bin/python", "-c", `import sys; from PIL import Image
im = Image.effect_mandelbrot((64, 48), (-2, -1.5, 1, 1.5), 60).convert("RGB")
im.save(sys.argv[1], progressive=True)`, progressive).CombinedOutput()
	require.NoError(t, err, string(out))
	gray := image.NewGray(image.Rect(0, 0, 33, 17))
	var grayJPEG bytes.Buffer
	require.NoError(t, jpeg.Encode(&grayJPEG, gray, nil))
	for name, whole := range map[string][]byte{"a.jpg": jpegBytes(t, 60, 44), "p.jpg": read(t, progressive),
		"gray.jpg": grayJPEG.Bytes()} {
		for lost := 1; lost <= 2; lost++ {
			path := write(t, name, whole[:len(whole)-lost])
			info := takenIn(t, p, path)
			require.Positive(t, info.Width)
			kept := filepath.Join(t.TempDir(), "kept.jpg")
			require.NoError(t, p.Clean(context.Background(), path, kept))
			require.True(t, bytes.HasSuffix(read(t, kept), []byte{0xFF, 0xD9}))
			samePixels(t, decode(t, write(t, name, whole)), decode(t, kept))
		}
		for _, lost := range []int{12, len(whole) / 4, len(whole) / 2} {
			_, err := p.Probe(context.Background(), write(t, name, whole[:len(whole)-lost]))
			require.ErrorIs(t, err, ErrCorrupt, "%s without %d bytes", name, lost)
		}
	}
	// A progressive picture without its last scan is blurred, though each scan that is there ends well.
	sent := read(t, progressive)
	require.Greater(t, bytes.Count(sent, []byte("\xFF\xDA")), 3)
	huffman := bytes.LastIndex(sent[:bytes.LastIndex(sent, []byte("\xFF\xDA"))], []byte("\xFF\xC4"))
	_, err = p.Probe(context.Background(), write(t, "blurred.jpg", sent[:huffman]))
	require.ErrorIs(t, err, ErrCorrupt)

	whole := pngBytes(t, 50, 40)
	for lost := 1; lost <= 12; lost++ {
		path := write(t, "a.png", whole[:len(whole)-lost])
		takenIn(t, p, path)
		kept := filepath.Join(t.TempDir(), "kept.png")
		require.NoError(t, p.Clean(context.Background(), path, kept))
		require.Equal(t, whole, read(t, kept))
	}
	for _, lost := range []int{13, 16, 20, len(whole) / 2} {
		_, err := p.Probe(context.Background(), write(t, "a.png", whole[:len(whole)-lost]))
		require.ErrorIs(t, err, ErrCorrupt, "without %d bytes", lost)
	}
	broken := bytes.Clone(whole[:len(whole)-12])
	broken = broken[:len(broken)-4] // the checksum of the pixels
	_, err = p.Probe(context.Background(), write(t, "a.png", broken))
	require.ErrorIs(t, err, ErrCorrupt)
}

// A picture keeps its colour profile as long as its pixels are those that were sent, and loses it with them: numbers
// of one colour space under the profile of another would show wrong colours.
func TestColourProfileIsKeptWithItsPixels(t *testing.T) {
	t.Parallel()
	p := newProcessor(t, Limits{})
	profile := []byte(jpegICCHead)
	for _, name := range []string{"cmyk_with_profile.jpg", "display_p3.jpg"} {
		src := "../../pyworkers/tests/cases/" + name
		require.Contains(t, string(read(t, src)), string(profile))
		shown := decode(t, src).Bounds()
		info := takenIn(t, p, src)
		require.Equal(t, []int{shown.Dx(), shown.Dy()}, []int{info.Width, info.Height})
		kept := filepath.Join(t.TempDir(), "kept.jpg")
		require.NoError(t, p.Clean(context.Background(), src, kept))
		require.Equal(
			t,
			bytes.Count(read(t, src), profile),
			bytes.Count(read(t, kept), profile),
			"every part of the profile",
		)
		for _, format := range []string{"jpg", "png", "webp"} {
			made := filepath.Join(t.TempDir(), "made."+format)
			require.NoError(t, p.Transcode(context.Background(), src, made, format))
			content := string(read(t, made))
			for _, mark := range []string{jpegICCHead, "iCCP", "ICCP", "Adobe\x00"} {
				require.NotContains(t, content, mark, format)
			}
			require.Equal(t, shown.Size(), decode(t, made).Bounds().Size())
		}
	}
}
