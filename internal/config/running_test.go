package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandsUseTheSettingsOfTheRunningStudio(t *testing.T) {
	dir := t.TempDir()
	require.Nil(t, Running(dir), "nothing has run yet")
	c, err := load(
		t,
		"models: {cache_dir: /elsewhere, extra: /more.yaml}\npython: {manifests: [/engines]}\ngpu: {device: cpu}\n",
		map[string]any{"data_dir": dir},
	)
	require.NoError(t, err)
	require.NoError(t, c.WriteRunning())

	again, err := load(t, "", Running(dir))
	require.NoError(t, err)
	require.Equal(t, c.Models.CacheDir, again.Models.CacheDir)
	require.Equal(t, c.Models.Extra, again.Models.Extra)
	require.Equal(t, c.Python, again.Python)
	require.Equal(t, "cpu", again.GPU.Device)

	// A studio that has ended, and whose number another process has by now, says nothing any more.
	path := filepath.Join(dir, runningFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	other := strings.Replace(string(content), `"started":`, `"started":1`, 1)
	require.NoError(t, os.WriteFile(path, []byte(other), 0o600))
	require.Nil(t, Running(dir))
	ended := exec.Command("true")
	require.NoError(t, ended.Run())
	require.NoError(
		t,
		os.WriteFile(path, []byte(`{"pid": `+strconv.Itoa(ended.Process.Pid)+`, "started": 0, "settings": {}}`), 0o600),
	)
	require.Nil(t, Running(dir))
}
