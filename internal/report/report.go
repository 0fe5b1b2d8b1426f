// Package report holds what a run tells people on its way: how far it is, and what did not stop it.
//
// Sidecars make these values, jobs stores them, events passes them on and httpapi shows them to their readers. Their
// JSON is that of the tables and of the notifications between nodes: each sentence is there as English text, and
// beside it as the key and arguments that it is translated from.
package report

import (
	"encoding/json"

	"github.com/apibr/studio/internal/i18n"
)

// Warning tells something that did not stop the job.
type Warning struct {
	// Code is stable and made for programs.
	Code    string
	Message i18n.Sentence
}

type storedWarning struct {
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	Sentence json.RawMessage `json:"sentence,omitempty"`
}

// MarshalJSON writes {"code": ..., "message": English text, "sentence": ...}.
func (w Warning) MarshalJSON() ([]byte, error) {
	stored := storedWarning{Code: w.Code}
	stored.Message, stored.Sentence = w.Message.Store()
	return json.Marshal(stored)
}

// UnmarshalJSON reads what MarshalJSON wrote; a damaged sentence is read as its English text.
func (w *Warning) UnmarshalJSON(data []byte) error {
	var stored storedWarning
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	*w = Warning{Code: stored.Code, Message: i18n.Restore(stored.Message, stored.Sentence)}
	return nil
}

// Progress is how far a run is.
type Progress struct {
	// Fraction 0..1 of the whole job. A sidecar does not know it; the runner works it out.
	Fraction float64
	// Stage is the phase of the engine's manifest, or "load", "store".
	Stage string
	Step  int
	// TotalSteps of the stage; 0 when the engine does not know.
	TotalSteps int
	Message    i18n.Sentence
	// ETASeconds until the job ends; nil while nothing is known.
	ETASeconds *float64
	// Segments is how many parts of the result can be played already.
	Segments int
	// Preview is the path of a JPEG of what is being made, on the node that runs the job; "" when there is none. It is
	// not part of the JSON.
	Preview string
}

type storedProgress struct {
	Fraction   float64         `json:"fraction"`
	Stage      string          `json:"stage"`
	Step       int             `json:"step"`
	TotalSteps int             `json:"total_steps"`
	Message    string          `json:"message"`
	Sentence   json.RawMessage `json:"sentence,omitempty"`
	ETASeconds *float64        `json:"eta_seconds"`
	Segments   int             `json:"segments,omitempty"`
}

// MarshalJSON writes the message as English text in "message" and, to be translated, in "sentence".
func (p Progress) MarshalJSON() ([]byte, error) {
	stored := storedProgress{Fraction: p.Fraction, Stage: p.Stage, Step: p.Step, TotalSteps: p.TotalSteps,
		ETASeconds: p.ETASeconds, Segments: p.Segments}
	stored.Message, stored.Sentence = p.Message.Store()
	return json.Marshal(stored)
}

// UnmarshalJSON reads what MarshalJSON wrote; a damaged sentence is read as its English text.
func (p *Progress) UnmarshalJSON(data []byte) error {
	var stored storedProgress
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	*p = Progress{Fraction: stored.Fraction, Stage: stored.Stage, Step: stored.Step, TotalSteps: stored.TotalSteps,
		Message: i18n.Restore(stored.Message, stored.Sentence), ETASeconds: stored.ETASeconds,
		Segments: stored.Segments}
	return nil
}
