// Package ctxio ends the reading of large files with a context.
package ctxio

import (
	"context"
	"io"
)

// NewReader reads from r until ctx ends; each read after that fails with ctx's error. A read that is under way is not
// interrupted. The result has no method but Read, so that io.Copy uses its own buffer.
func NewReader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context //nolint:containedctx // it is the transfer's own
	r   io.Reader
}

func (c *reader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
