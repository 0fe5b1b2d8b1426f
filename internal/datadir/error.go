package datadir

import "fmt"

// Error says why a file or folder is not trusted, and what to type, in both languages.
type Error struct{ En, PtBR string }

func (e *Error) Error() string { return e.En }

// refusal fills the same values into the sentence of each language.
func refusal(en, ptBR string, values ...any) *Error {
	return &Error{En: fmt.Sprintf(en, values...), PtBR: fmt.Sprintf(ptBR, values...)}
}
