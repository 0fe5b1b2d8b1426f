package app

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// Why an address cannot be had is said in the reader's language, not in the system's words.
func TestWhyAnAddressCannotBeHadIsSaidInEachLanguage(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	for address, want := range map[string]string{
		taken.Addr().String(): "(outro programa já escuta ali)",
		"192.0.2.1:0":         "(este computador não tem esse endereço)",
	} {
		_, err := net.Listen("tcp", address)
		require.Error(t, err)
		s, ok := i18n.Of(cannotListen(address, err))
		require.True(t, ok)
		require.Contains(t, s.In(language.BrazilianPortuguese), want)
	}
}
