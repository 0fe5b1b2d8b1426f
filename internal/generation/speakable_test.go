package generation

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The sidecars' text reader is tested with the same file (pyworkers/tests/test_textnorm.py), so that no text is
// accepted here and refused by an engine.
func TestNothingToSayIsJudgedAsTheSidecarsDo(t *testing.T) {
	var cases struct {
		Silent []string `json:"silent"`
		Spoken []string `json:"spoken"`
	}
	read, err := os.ReadFile("testdata/nothing_to_say.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(read, &cases))
	for _, text := range cases.Silent {
		require.False(t, nothingToSay(text).Empty(), "%q says nothing", text)
	}
	for _, text := range cases.Spoken {
		require.True(t, nothingToSay(text).Empty(), "%q says something", text)
	}
}
