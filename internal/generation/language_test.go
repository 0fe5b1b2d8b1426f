package generation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALanguageIsFoundByItsName(t *testing.T) {
	for name, tag := range map[string]string{
		"Portuguese": "pt-BR", "português": "pt-BR", "portugues": "pt-BR", "PORTUGUÊS": "pt-BR", "brazilian": "pt-BR",
		"Brazilian Portuguese": "pt-BR", "ptbr": "pt-BR", "Portugese": "pt-BR", "English": "en", "inglês": "en",
		"ingles": "en", "Spanish": "es", "espanhol": "es", "español": "es", "French": "fr", "Deutsch": "de",
		"Chinese": "zh", "xyzzy": "",
	} {
		require.Equal(t, tag, LanguageNamed(name), name)
	}
}

func TestALanguageTagIsWrittenInOneWay(t *testing.T) {
	for text, want := range map[string]string{
		"pt_BR": "pt-BR", "PT-br": "pt-BR", " en ": "en", "EN_us": "en-US", "es-419": "es-419",
		"zh-hans-cn": "zh-Hans-CN", "pt": "pt",
	} {
		tag, ok := LanguageTag(text)
		require.True(t, ok, text)
		require.Equal(t, want, tag)
	}
	_, ok := LanguageTag("Portuguese (Brazil)")
	require.False(t, ok)
}
