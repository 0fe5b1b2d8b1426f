package assets

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// cursor names the last asset of a page, so that what is added meanwhile shifts nothing.
func cursor(a *Asset) string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(strconv.FormatInt(a.CreatedAt.UnixMicro(), 36) + "." + a.ID.String()),
	)
}

// parseCursor of "" is before everything.
func parseCursor(s string) (time.Time, uuid.UUID, error) {
	if s == "" {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), uuid.Max, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	micros, id, ok := strings.Cut(string(b), ".")
	n, err := strconv.ParseInt(micros, 36, 64)
	if !ok || err != nil || n < 0 || n > 253370764800000000 {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return time.Time{}, uuid.Nil, ErrBadCursor
	}
	return time.UnixMicro(n), u, nil
}
