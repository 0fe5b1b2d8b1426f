package jobs

import (
	"encoding/json"

	"github.com/apibr/studio/internal/i18n"
)

// Problem is generation_jobs.error: why a job failed, in words that hold no path and no key.
type Problem struct {
	Type      string
	Title     i18n.Sentence
	Status    int
	Detail    i18n.Sentence
	Code      string
	Retryable bool
	// Pointer names the request field that is to blame, as a JSON pointer; "" when none is.
	Pointer string
}

// storedProblem is the JSON of a Problem: title and detail are English, their sentences are stored next to them.
type storedProblem struct {
	Type           string          `json:"type"`
	Title          string          `json:"title"`
	TitleSentence  json.RawMessage `json:"title_sentence,omitempty"`
	Status         int             `json:"status"`
	Detail         string          `json:"detail"`
	DetailSentence json.RawMessage `json:"detail_sentence,omitempty"`
	Code           string          `json:"code"`
	Retryable      bool            `json:"retryable"`
	Pointer        string          `json:"pointer,omitempty"`
}

// MarshalJSON writes the sentences as English text and, next to it, as the keys that translations need.
func (p Problem) MarshalJSON() ([]byte, error) {
	stored := storedProblem{Type: p.Type, Status: p.Status, Code: p.Code, Retryable: p.Retryable, Pointer: p.Pointer}
	stored.Title, stored.TitleSentence = p.Title.Store()
	stored.Detail, stored.DetailSentence = p.Detail.Store()
	return json.Marshal(stored)
}

// UnmarshalJSON reads the JSON of MarshalJSON; a missing or damaged sentence is read as its English text.
func (p *Problem) UnmarshalJSON(data []byte) error {
	var stored storedProblem
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	*p = Problem{Type: stored.Type, Status: stored.Status, Code: stored.Code, Retryable: stored.Retryable,
		Pointer: stored.Pointer, Title: i18n.Restore(stored.Title, stored.TitleSentence),
		Detail: i18n.Restore(stored.Detail, stored.DetailSentence)}
	return nil
}
