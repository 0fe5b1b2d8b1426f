package media

import "context"

func (c Config) withDefaults() Config { return c }

type ffmpegBinary struct {
	configured string
	venvs      []string
}

// FFmpeg is the program in use, or ErrNoFFmpeg.
func (p *Processor) FFmpeg() (string, error) { return "", ErrNoFFmpeg }

// Sniff tells the type of a file by its bytes. *InputError with ErrEmpty or ErrUnsupported.
func Sniff(path string) (Kind, string, error) { return "", "", ErrUnsupported }

// Probe reads headers, checks the limits and makes sure that the file is whole. *InputError or *LimitError.
func (p *Processor) Probe(ctx context.Context, path string) (Info, error) {
	return Info{}, ErrUnsupported
}

// Clean copies src to dst (which must not exist) without what can track a person.
func (p *Processor) Clean(ctx context.Context, src, dst string) error { return ErrUnsupported }

// Transcode writes src to dst (which must not exist) in an output_format of the same kind.
func (p *Processor) Transcode(ctx context.Context, src, dst, format string) error {
	return ErrUnsupported
}

// Label copies src to dst (which must not exist) with the mark in its metadata and nothing else there.
func (p *Processor) Label(ctx context.Context, src, dst string, mark Mark) error {
	return ErrUnsupported
}

// ReadMark reads back what Label wrote; the zero Mark when there is none.
func (p *Processor) ReadMark(ctx context.Context, path string) (Mark, error) {
	return Mark{}, ErrUnsupported
}

func (p *Processor) finish(ctx context.Context, req FinishRequest) (Info, error) {
	return Info{}, ErrUnsupported
}

// MIME of an output_format, "" for an unknown one.
func FormatMIME(format string) string { return "" }

// LimitError says which limit a file passes and which key raises it.
type LimitError struct {
	Name      string // what was measured, as a noun: "duration", "picture size"
	Value     string // with its unit
	Limit     string
	ConfigKey string
}

func (e *LimitError) Error() string { return "" }
