// Package telemetry is the studio's log and metrics: slog with request and job ids, secrets kept out, and Prometheus
// collectors.
package telemetry

import (
	"context"
	"log/slog"
)

type key int

const (
	requestKey key = iota
	jobKey
)

// WithRequest puts a request id into the context: every log line made with it carries the id.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}

// WithJob puts a job id into the context.
func WithJob(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, jobKey, id)
}

// RequestID of the context, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}

// idHandler adds the ids of the context to each line.
type idHandler struct{ slog.Handler }

func (h idHandler) Handle(ctx context.Context, record slog.Record) error {
	for name, k := range map[string]key{"request_id": requestKey, "job": jobKey} {
		if id, ok := ctx.Value(k).(string); ok && id != "" {
			record.AddAttrs(slog.String(name, id))
		}
	}
	return h.Handler.Handle(ctx, record)
}

func (h idHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return idHandler{h.Handler.WithAttrs(attrs)}
}

func (h idHandler) WithGroup(name string) slog.Handler { return idHandler{h.Handler.WithGroup(name)} }
