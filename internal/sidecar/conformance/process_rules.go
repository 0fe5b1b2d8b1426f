package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func any1(message) bool { return true }

func (p Program) hello(t *testing.T) {
	c := p.start(t)
	first := c.next("hello", any1, nil)
	require.Equal(t, "hello", first.Method)
	require.Empty(t, first.ID, "hello is a notification")
	params := fields(t, first.Params)
	require.EqualValues(t, 1, params["protocol"])
	require.Contains(t, params["engines"], string(p.Engine.ID))
	require.EqualValues(t, c.cmd.Process.Pid, params["pid"])
	for _, name := range []string{"worker", "device"} {
		require.Contains(t, params, name)
	}
}

func (p Program) turns(t *testing.T) {
	c := p.begin(t)
	refused := c.answer(c.ask("teapot", map[string]any{}), nil)
	require.NotNil(t, refused.Error)
	require.Equal(t, -32601, refused.Error.Code)

	c.notify("gossip", map[string]any{"about": "nothing"})
	c.notify("cancel", map[string]any{"job": "00000000-0000-0000-0000-000000000000"})
	c.raw("this is not JSON")
	c.raw(`["neither", "is", "this"]`)
	c.raw(`{"jsonrpc":"2.0","method":"log","params":{"message":"` + strings.Repeat("x", 2<<20) + `"}}`)
	c.must("ping", map[string]any{})
}

func (p Program) heartbeats(t *testing.T) {
	c := p.begin(t)
	for range 3 {
		beat := c.next("a heartbeat", func(m message) bool { return m.Method == "heartbeat" }, nil)
		params := fields(t, beat.Params)
		require.IsType(t, 0.0, params["vram_bytes"])
		ram, ok := params["ram_bytes"].(float64)
		require.True(t, ok)
		require.Positive(t, ram)
		require.Contains(t, params, "phase")
		require.Contains(t, params, "steps")
	}
}

func (p Program) loads(t *testing.T) {
	c := p.start(t)
	c.next("hello", func(m message) bool { return m.Method == "hello" }, nil)
	for range 2 {
		result := fields(t, c.must("load", p.loadParams()).Result)
		for _, name := range []string{"vram_bytes", "ram_bytes", "seconds"} {
			require.IsType(t, 0.0, result[name], "load answers the measured %s", name)
		}
		c.must("unload", map[string]any{})
	}
}

func (p Program) endOfInput(t *testing.T) {
	c := p.fresh(t)
	require.NoError(t, c.stdin.Close())
	c.exits()
}

func (p Program) shutdown(t *testing.T) {
	c := p.fresh(t)
	c.must("shutdown", map[string]any{})
	c.exits()
	require.Zero(t, c.cmd.ProcessState.ExitCode())
}
