package names

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestANameIsOneVisibleLine(t *testing.T) {
	for given, want := range map[string]string{
		"João": "João", "Joa\u0303o": "João", "  Minha   Voz ": "Minha Voz", "a\r\nb": "a b",
		"a\x00b\x1b[31mc":       "ab[31mc",
		"\u202egnp.exe":         "gnp.exe",
		"a\u200bb\u200d\ufeffc": "abc",
		"a\u2028b\u0085c":       "a b c", "a\xffb": "ab", "\u2066x\u2069": "x",
		"\u3164": "", "\u00ad": "", "\t\n": "", "": "", "李明": "李明",
		"a\u00a0b": "a b", "e\u200d\u0301": "é", "❤\ufe0f": "❤\ufe0f",
	} {
		require.Equal(t, want, Clean(given), "%q", given)
		require.Equal(t, want, Clean(Clean(given)), "%q twice", given)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Joa\u0303o \u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		clean := Clean(s)
		require.Equal(t, clean, Clean(clean))
		require.True(t, utf8.ValidString(clean))
	})
}
