package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// Size is a number of bytes. It is written as a number or with a unit: 500MB, 2GiB.
type Size int64

var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText reads "100GB", "2 GiB" or "1048576".
func (s *Size) UnmarshalText(text []byte) error {
	value, factor := strings.TrimSpace(string(text)), 1.0
	for _, unit := range units {
		if rest, ok := cutSuffixFold(value, unit.suffix); ok {
			value, factor = strings.TrimSpace(rest), unit.bytes
			break
		}
	}
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || number < 0 {
		return &sizeError{string(text)}
	}
	*s = Size(number * factor)
	return nil
}

// sizeError is a text that is not a Size.
type sizeError struct{ text string }

func (e *sizeError) Error() string { return e.Sentence().String() }

// Sentence is what the user reads.
func (e *sizeError) Sentence() i18n.Sentence {
	return i18n.Say("%q is not a size: write it as 500MB or 2GiB", e.text)
}

func cutSuffixFold(text, suffix string) (string, bool) {
	if len(text) < len(suffix) || !strings.EqualFold(text[len(text)-len(suffix):], suffix) {
		return text, false
	}
	return text[:len(text)-len(suffix)], true
}

// String writes whole units where that is exact.
func (s Size) String() string {
	for i := len(units) - 2; i >= 0; i-- {
		unit := int64(units[i].bytes)
		if int64(s) >= unit && int64(s)%unit == 0 {
			return fmt.Sprintf("%d%s", int64(s)/unit, units[i].suffix)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
