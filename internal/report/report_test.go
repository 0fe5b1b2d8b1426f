package report_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// The tables and the notifications hold English text that anybody can read, and the sentence that it is translated
// from.
func TestSentencesAreStoredWithTheirEnglishText(t *testing.T) {
	message := i18n.Say("%s and %s", "a", "b")
	left := 1.5
	progress := report.Progress{
		Fraction:   0.5,
		Stage:      "sample",
		Step:       2,
		TotalSteps: 4,
		Message:    message,
		ETASeconds: &left,
	}
	requireJSON(t, progress, `{"fraction": 0.5, "stage": "sample", "step": 2, "total_steps": 4, "message": "a and b",
		"sentence": {"key": "%s and %s", "args": ["a", "b"]}, "eta_seconds": 1.5}`)
	requireJSON(t, report.Warning{Code: "short", Message: message},
		`{"code": "short", "message": "a and b", "sentence": {"key": "%s and %s", "args": ["a", "b"]}}`)
	requireJSON(t, report.Warning{Code: "short", Message: i18n.Plain("short")}, `{"code": "short", "message": "short"}`)
}

func requireJSON[T any](t *testing.T, value T, want string) {
	t.Helper()
	stored, err := json.Marshal(value)
	require.NoError(t, err)
	require.JSONEq(t, want, string(stored))
	var read T
	require.NoError(t, json.Unmarshal(stored, &read))
	require.Equal(t, value, read)
}

func TestPreviewsStayOnTheirNode(t *testing.T) {
	stored, err := json.Marshal(report.Progress{Preview: "/tmp/preview.jpg"})
	require.NoError(t, err)
	require.NotContains(t, string(stored), "preview")
}
