package media

import (
	"runtime"
	"time"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/sandbox"
)

// LimitError says which limit a file passes and which key raises it. Its text is for users.
type LimitError struct {
	Name      i18n.Sentence // what was measured, as a noun: "duration", "picture size"
	Value     i18n.Sentence // with its unit
	Limit     i18n.Sentence
	ConfigKey string
}

func (e *LimitError) Error() string { return e.Sentence().String() }

// Sentence says what was measured, what the most is, and how to raise it.
func (e *LimitError) Sentence() i18n.Sentence {
	return i18n.Say("%s is %s; the longest or largest is %s: send less, or raise %s",
		e.Name, e.Value, e.Limit, e.ConfigKey)
}

// Configuration keys that the errors name.
const (
	KeyImagePixels   = "media.max_image_pixels"
	KeyImageSide     = "media.max_image_side"
	KeyVideoPixels   = "media.max_video_pixels"
	KeyAudioDuration = "media.max_audio_seconds"
	KeyVideoDuration = "media.max_video_seconds"
	KeyStreams       = "media.max_streams"
	KeyProbeTimeout  = "media.probe_timeout"
	KeyWorkTimeout   = "media.work_timeout"
	KeyMaxProcesses  = "media.max_processes"
	KeyMaxWait       = "media.max_wait"
)

func (c Config) withDefaults() Config {
	if c.Sandbox == nil {
		c.Sandbox = &sandbox.Policy{Off: true}
	}
	l := &c.Limits
	setDefault(&l.ImagePixels, 50_000_000)
	setDefault(&l.ImageSide, 16384)
	setDefault(&l.VideoPixels, 3840*2160)
	setDefault(&l.AudioDuration, time.Hour)
	setDefault(&l.VideoDuration, 10*time.Minute)
	setDefault(&l.Streams, 8)
	setDefault(&c.ProbeTimeout, time.Minute)
	setDefault(&c.WorkTimeout, 15*time.Minute)
	setDefault(&c.MaxProcesses, max(2, runtime.NumCPU()))
	setDefault(&c.MaxWait, time.Minute)
	return c
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (l Limits) image(width, height int) error {
	if px := int64(width) * int64(height); px > l.ImagePixels {
		return &LimitError{i18n.Say("picture size"),
			i18n.Say("%d x %d (%.1f megapixels)", width, height, float64(px)/1e6),
			i18n.Say("%.1f megapixels", float64(l.ImagePixels)/1e6), KeyImagePixels}
	}
	if side := max(width, height); side > l.ImageSide {
		return &LimitError{i18n.Say("longest side"), i18n.Say("%d pixels", side), i18n.Say("%d pixels", l.ImageSide),
			KeyImageSide}
	}
	return nil
}

func (l Limits) av(info Info, streams int) error {
	if streams > l.Streams {
		return &LimitError{
			i18n.Say("number of streams"),
			i18n.Say("%d", streams),
			i18n.Say("%d", l.Streams),
			KeyStreams,
		}
	}
	if int64(info.Width)*int64(info.Height) > l.VideoPixels {
		return &LimitError{i18n.Say("video size"), i18n.Say("%d x %d", info.Width, info.Height),
			i18n.Say("%.1f megapixels", float64(l.VideoPixels)/1e6), KeyVideoPixels}
	}
	limit, key := l.AudioDuration, KeyAudioDuration
	if info.HasVideo {
		limit, key = l.VideoDuration, KeyVideoDuration
	}
	if info.Duration > limit {
		return &LimitError{i18n.Say("duration"), seconds(info.Duration), seconds(limit), key}
	}
	return nil
}

func seconds(d time.Duration) i18n.Sentence { return i18n.Say("%.0f s", d.Seconds()) }
