package media

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/sandbox"
)

// Kind is what a file is to the studio: the column media_assets.type.
type Kind string

// The kinds. Data is for files that are not media (a voice's measurements, word timings); sniff never answers it.
const (
	Audio Kind = "audio"
	Image Kind = "image"
	Video Kind = "video"
	Data  Kind = "data"
)

// Info is what is known of a file after Probe.
type Info struct {
	Kind Kind
	MIME string

	// Width and Height are in pixels as a viewer shows the picture: an EXIF or container rotation is applied. 0 for
	// audio.
	Width, Height int

	// Duration is how long it plays, by the packets that are really there. 0 for pictures.
	Duration time.Duration

	HasAudio, HasVideo bool

	// FPS is the video's average frame rate, 0 when unknown.
	FPS float64

	// SampleRate in Hz and Channels of the first audio stream, 0 when there is none.
	SampleRate, Channels int

	// Orientation is the EXIF orientation 1..8 of a picture that has one, else 1.
	Orientation int
}

// Limits are checked on headers, before anything is decoded. Zero values take the defaults.
type Limits struct {
	// ImagePixels is the largest width x height of a picture. Default 50 million.
	ImagePixels int64
	// ImageSide is the longest side of a picture in pixels. Default 16384.
	ImageSide int
	// VideoPixels is the largest width x height of a video. Default 3840 x 2160.
	VideoPixels int64
	// AudioDuration is the longest audio. Default 1 hour.
	AudioDuration time.Duration
	// VideoDuration is the longest video. Default 10 minutes.
	VideoDuration time.Duration
	// Streams is the largest number of streams in one container. Default 8.
	Streams int
}

// Config of a Processor. The zero value works.
type Config struct {
	// FFmpeg is the program to use. Default: the one of the draft venv (see Venvs), else ffmpeg on PATH.
	FFmpeg string

	// Venvs are Python environments to look for imageio-ffmpeg's binary in. Default none.
	Venvs []string

	Limits Limits

	// ProbeTimeout is the longest processor time of one look at a file; by the clock it may take three times as long.
	// Default 60 s.
	ProbeTimeout time.Duration

	// WorkTimeout is the longest processor time and core of one clean, label or transcode; by the clock it may take
	// three times as long. Default 15 minutes.
	WorkTimeout time.Duration

	// MaxProcesses is how many ffmpegs may run at once. Default: the number of cores, at least 2.
	MaxProcesses int

	// MaxWait is how long a file waits for its turn before it fails with *UnavailableError. Results of jobs wait
	// without a limit. Default 1 minute.
	MaxWait time.Duration

	// Sandbox is what ffmpeg reaches of the machine's files. Default: all files are left as they are; Unix sockets and
	// new rights are denied in any case.
	Sandbox *sandbox.Policy

	// Log gets ffmpeg's own words, which users never see. Default slog.Default().
	Log *slog.Logger
}

// Quality is the column generation_jobs.quality.
type Quality string

// The two qualities.
const (
	Draft Quality = "draft"
	Final Quality = "final"
)

// Source says how generated media came to be, in the words of the IPTC digital source type vocabulary.
type Source string

// The digital source types that the studio writes.
//
// Final output comes out of trained models. Draft pictures and draft speech are computed by rules (a drawing program, a
// formant synthesiser) and derive from no training data, which is IPTC's algorithmicMedia; calling them
// trainedAlgorithmicMedia would be false. A draft avatar mixes a given picture with a synthetic mouth and voice, which
// is compositeSynthetic.
const (
	TrainedAlgorithmic Source = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
	Algorithmic        Source = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
	CompositeSynthetic Source = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"
)

// Mark is what Label writes into a file.
type Mark struct {
	Quality Quality
	Source  Source
}

// MarkFor is the mark of generated media: final is trained, draft is algorithmic, a draft video is a composite.
func MarkFor(q Quality, k Kind) Mark {
	switch {
	case q == Final:
		return Mark{Quality: q, Source: TrainedAlgorithmic}
	case k == Video:
		return Mark{Quality: q, Source: CompositeSynthetic}
	default:
		return Mark{Quality: q, Source: Algorithmic}
	}
}

// The reasons of an *InputError; test with errors.Is.
var (
	// ErrUnsupported: the bytes are of a type that is not on the list, or of none that is known.
	ErrUnsupported = errors.New("media: type not accepted")
	// ErrEmpty: the file has no bytes, or no audio, picture or video in it.
	ErrEmpty = errors.New("media: empty")
	// ErrCorrupt: the file is cut short or damaged.
	ErrCorrupt = errors.New("media: damaged")
	// ErrUnavailable: the computer is at fault, and the same file may be taken later. Wrapped by *UnavailableError.
	ErrUnavailable = errors.New("media: the computer is too busy")
	// ErrNoFFmpeg: no ffmpeg was found on this machine.
	ErrNoFFmpeg = i18n.NewError("ffmpeg is not installed: run `make setup`, or set media.ffmpeg to the program")
)

// InputError says in a sentence for users what is wrong with a file. It wraps one of the reasons above.
type InputError struct {
	Reason error
	Detail i18n.Sentence
}

func (e *InputError) Error() string { return e.Detail.String() }
func (e *InputError) Unwrap() error { return e.Reason }

// Sentence says what is wrong with the file.
func (e *InputError) Sentence() i18n.Sentence { return e.Detail }

// UnavailableError says in a sentence for users why a file could not be worked on now, though nothing is known to be
// wrong with it. It wraps ErrUnavailable.
type UnavailableError struct{ Detail i18n.Sentence }

func (e *UnavailableError) Error() string { return e.Detail.String() }
func (e *UnavailableError) Unwrap() error { return ErrUnavailable }

// Sentence says why, and what to do.
func (e *UnavailableError) Sentence() i18n.Sentence { return e.Detail }

// Processor does all work on media files. Safe for concurrent use.
type Processor struct {
	cfg    Config
	ffmpeg *ffmpegBinary
	slots  *semaphore.Weighted // one for each ffmpeg that may run

	pipeDelay time.Duration // default defaultPipeDelay
	slowest   int           // default defaultSlowest
}

// New makes a Processor. It never fails: ffmpeg is looked for when it is first needed (see FFmpeg).
func New(cfg Config) *Processor {
	cfg = cfg.withDefaults()
	return &Processor{
		cfg:       cfg,
		ffmpeg:    &ffmpegBinary{configured: cfg.FFmpeg, venvs: cfg.Venvs},
		slots:     semaphore.NewWeighted(int64(cfg.MaxProcesses)),
		pipeDelay: defaultPipeDelay,
		slowest:   defaultSlowest,
	}
}

// patient is a MaxWait without a limit.
const patient = time.Duration(-1)

// ofJobs is the processor of what the studio itself made: limits of uploads do not bind it, and since nobody would send
// it again, it waits for its turn as long as the job lives.
func (p *Processor) ofJobs() *Processor {
	own := *p
	own.cfg.Limits, own.cfg.MaxWait = ownLimits, patient
	return &own
}

// FinishRequest is one generated file on its way into the blob store.
type FinishRequest struct {
	Src    string // what the engine wrote; stays as it is
	Dst    string // written by Finish; must not exist
	Format string // output_format (wav, mp3, flac, ogg, png, jpg, webp, mp4, webm); "" keeps Src's own
	Mark   Mark
}

// Finish turns an engine's output into what is stored: transcoded when another format was asked for, labelled, probed.
func (p *Processor) Finish(ctx context.Context, req FinishRequest) (Info, error) {
	return p.ofJobs().finish(ctx, req)
}
