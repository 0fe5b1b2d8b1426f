package ctxio

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := NewReader(ctx, strings.NewReader("abcd"))
	two := make([]byte, 2)
	n, err := io.ReadFull(r, two)
	require.NoError(t, err)
	require.Equal(t, "ab", string(two[:n]))
	cancel()
	_, err = r.Read(two)
	require.ErrorIs(t, err, context.Canceled)
}
