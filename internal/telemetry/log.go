package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
)

// NewLogger writes lines to out. level is debug, info, warn or error; format is text or json. Secrets are masked
// whatever the attribute they come in.
func NewLogger(out io.Writer, level, format string) (*slog.Logger, error) {
	var threshold slog.Level
	if err := threshold.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	options := &slog.HandlerOptions{Level: threshold, ReplaceAttr: redact}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if format == "json" {
		handler = slog.NewJSONHandler(out, options)
	}
	return slog.New(idHandler{handler}), nil
}

// AtLeast drops the lines below a level: for libraries that log more than a user wants to read.
func AtLeast(log *slog.Logger, level slog.Level) *slog.Logger {
	return slog.New(threshold{log.Handler(), level})
}

type threshold struct {
	slog.Handler
	least slog.Level
}

func (h threshold) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.least && h.Handler.Enabled(ctx, level)
}

func (h threshold) WithAttrs(attrs []slog.Attr) slog.Handler {
	return threshold{h.Handler.WithAttrs(attrs), h.least}
}

func (h threshold) WithGroup(name string) slog.Handler {
	return threshold{h.Handler.WithGroup(name), h.least}
}

// These must never appear in a log: our keys, bearer tokens, passwords in URLs, tickets and signatures in queries.
var secrets = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`apibr_[A-Za-z0-9]{8,}`), "apibr_****"},
	{regexp.MustCompile(`(?i)(bearer )[^\s"]+`), "${1}****"},
	{regexp.MustCompile(`(://[^/\s:@]+:)[^/\s@]+@`), "${1}****@"},
	{regexp.MustCompile(`(?i)([?&](?:token|ticket|sig|signature|key)=)[^&\s"]+`), "${1}****"},
}

// Redact masks secrets in a text.
func Redact(text string) string {
	for _, secret := range secrets {
		text = secret.pattern.ReplaceAllString(text, secret.by)
	}
	return text
}

func redact(_ []string, attr slog.Attr) slog.Attr {
	switch attr.Value.Kind() {
	case slog.KindString:
		attr.Value = slog.StringValue(Redact(attr.Value.String()))
	case slog.KindAny:
		if err, ok := attr.Value.Any().(error); ok {
			attr.Value = slog.StringValue(Redact(err.Error()))
		}
	}
	return attr
}
