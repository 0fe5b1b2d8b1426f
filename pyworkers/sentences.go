// Package pyworkers holds what the server itself needs of the engines' side: the Portuguese of what engines say.
package pyworkers

import (
	_ "embed"
	"encoding/json"
)

//go:embed apibr_worker/sentences.pt-BR.json
var sentences []byte

// Translations are English templates with their Brazilian Portuguese. In the English, {} is a place where a value is filled in; in the
// Portuguese it is the same place, or {0}, {1} and so on where the order differs.
type Translations struct {
	// Sentences are the messages of errors, warnings and progress.
	Sentences map[string]string `json:"sentences"`
	// Phrases are words of the engines that are filled into a sentence.
	Phrases map[string]string `json:"phrases"`
}

// Sentences reads the file that is embedded. It panics when that is no JSON, which a test would have said.
func Sentences() Translations {
	var t Translations
	if err := json.Unmarshal(sentences, &t); err != nil {
		panic(err)
	}
	return t
}
