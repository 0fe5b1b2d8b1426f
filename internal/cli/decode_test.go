package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

const sentence = "A ação do coração é não. “Fim” — R$ 5 ou € 3, 1º andar…"

func encoded(t *testing.T, e encoding.Encoding, text string) []byte {
	t.Helper()
	content, err := encoding.ReplaceUnsupported(e.NewEncoder()).Bytes([]byte(text))
	require.NoError(t, err)
	return content
}

func TestTextsOfOtherEditorsAreRead(t *testing.T) {
	for name, content := range map[string][]byte{
		"UTF-8":             []byte(sentence),
		"UTF-8 with a mark": []byte("\ufeff" + sentence),
		"UTF-16 of Windows": encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), sentence),
		"UTF-16, the other": encoded(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), sentence),
		"Windows-1252":      encoded(t, charmap.Windows1252, sentence),
	} {
		text, err := decodeText(content)
		require.NoError(t, err, name)
		require.Equal(t, sentence, text, name)
	}
	for _, order := range []unicode.Endianness{unicode.LittleEndian, unicode.BigEndian} {
		text, err := decodeText(encoded(t, unicode.UTF16(order, unicode.IgnoreBOM), "Olá, você aí!"))
		require.NoError(t, err)
		require.Equal(t, "Olá, você aí!", text, "without a mark")
	}
	text, err := decodeText([]byte("A a\xe7\xe3o do cora\xe7\xe3o \xe9 n\xe3o. Fim."))
	require.NoError(t, err)
	require.Equal(t, "A ação do coração é não. Fim.", text)
	text, err = decodeText(nil)
	require.NoError(t, err)
	require.Empty(t, text)
}

func TestTextsOfUnknownEncodingAreRefused(t *testing.T) {
	const portuguese, russian = "A ação do coração é não, amanhã às três.", "Привет, как дела сегодня?"
	for name, content := range map[string][]byte{
		"the terminal of old Windows": encoded(t, charmap.CodePage850, portuguese),
		"an old Macintosh":            encoded(t, charmap.Macintosh, portuguese),
		"Russian":                     encoded(t, charmap.Windows1251, russian),
		"Russian of Unix":             encoded(t, charmap.KOI8R, russian),
		"Japanese":                    encoded(t, japanese.ShiftJIS, "こんにちは、元気ですか"),
		"Greek":                       encoded(t, charmap.ISO8859_7, "Καλημέρα σας, τι κάνετε"),
		"two encodings":               append([]byte("coração "), "cora\xe7\xe3o e mais texto"...),
		"a picture":                   []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"),
		"a NUL":                       []byte("Ol\x00a, tudo bem"),
		"half of UTF-16":              encoded(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "Olá")[:5],
		"half a surrogate":            {0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00},
		"cut UTF-8 alone":             []byte("\xc3"),
		"noise":                       bytes.Repeat([]byte{0xff, 0x81, 0x00, 0x17}, 9),
	} {
		_, err := decodeText(content)
		require.ErrorIs(t, err, errEncoding, name)
	}
	_, err := decodeText([]byte(strings.Repeat("a", maxText+1)))
	require.ErrorIs(t, err, errTooLong)
}
