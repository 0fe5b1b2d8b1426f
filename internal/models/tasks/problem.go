package tasks

import (
	"encoding/json"

	"golang.org/x/text/language"

	"github.com/apibr/studio/internal/i18n"
)

// Problem is why a task failed. Its JSON, in the column error, has the English text and beside it the sentence that it
// is translated from.
type Problem struct {
	// Code is stable and made for programs.
	Code   string
	Detail i18n.Sentence
}

type storedProblem struct {
	Code     string          `json:"code"`
	En       string          `json:"en"`
	PtBR     string          `json:"pt-BR,omitempty"` // PtBR is in rows of earlier versions only.
	Sentence json.RawMessage `json:"sentence,omitempty"`
}

// MarshalJSON writes {"code": ..., "en": English text, "sentence": ...}.
func (p *Problem) MarshalJSON() ([]byte, error) {
	stored := storedProblem{Code: p.Code}
	stored.En, stored.Sentence = p.Detail.Store()
	return json.Marshal(stored)
}

// UnmarshalJSON reads what MarshalJSON wrote, and the rows of earlier versions, which have the text in two languages.
func (p *Problem) UnmarshalJSON(data []byte) error {
	var stored storedProblem
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	p.Code, p.Detail = stored.Code, i18n.Restore(stored.En, stored.Sentence)
	if len(stored.Sentence) == 0 && stored.PtBR != "" {
		p.Detail = i18n.Text{
			language.English.String(): stored.En, language.BrazilianPortuguese.String(): stored.PtBR,
		}.Sentence()
	}
	return nil
}
