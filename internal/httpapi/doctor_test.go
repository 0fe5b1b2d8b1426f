package httpapi

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/config"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/doctor"
)

// TestDoctorReportIsServed reads the files of a desktop whose environments do not exist.
func TestDoctorReportIsServed(t *testing.T) {
	host := device.NewHost("../device/testdata/desktop")
	examined := &config.Config{DataDir: t.TempDir(), Python: config.Python{DraftVenv: "/nowhere",
		ModelsVenv: "/nowhere"}}
	b := newBench(t, func(c *Config) {
		c.Doctor = func(ctx context.Context) doctor.Report { return doctor.Examine(ctx, examined, host) }
	})
	report := b.get("/api/v1/doctor")
	require.Equal(t, false, report["ok"], "there is no environment to run an engine in")
	checks := map[string]object{}
	for _, raw := range report["checks"].([]any) {
		check := raw.(object)
		checks[check["id"].(string)] = check
		for _, language := range []string{"en", "pt-BR"} {
			require.NotEmpty(t, check["message"].(object)[language], "%v in %s", check["id"], language)
			require.True(t, check["ok"].(bool) || check["fix"].(object)[language] != "",
				"%v in %s: what is wrong says what to do", check["id"], language)
		}
	}
	require.Contains(t, checks, "gpu")
	require.Equal(t, "error", checks["python.draft"]["level"])

	key := b.send("POST", "/api/v1/keys", object{"name": "n8n", "scopes": []string{"read", "generate"}}).json(t)
	require.Equal(t, 403, b.send("GET", "/api/v1/doctor", nil, "Authorization", "", "X-API-Key",
		key["key"].(string)).status, "it tells of the computer itself")
}
