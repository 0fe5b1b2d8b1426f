package i18n

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/text/language"
)

// Sentence is a key with its arguments. The zero Sentence is empty in each language.
//
// It can be stored: its JSON is {"key": ..., "args": [...]}, and what is read back renders to the same text.
type Sentence struct {
	// Key is the English text, a format of package fmt.
	Key string
	// Args are strings, int64s, float64s, Sentences, Texts, Lists and Sees. Say turns other values into these.
	Args []any
}

// Say makes a sentence. The format must be a constant, so that a test finds its translation.
//
// An argument may be a string, a number, another Sentence, a Text, a List, an error or a fmt.Stringer. An error that
// has a sentence of its own (see Of) becomes that sentence.
func Say(format string, args ...any) Sentence {
	if false {
		_ = fmt.Sprintf(format, args...) // lets go vet check each call as it checks Sprintf
	}
	s := Sentence{Key: format}
	if len(args) > 0 {
		s.Args = make([]any, len(args))
	}
	for i, arg := range args {
		s.Args[i] = argument(arg)
	}
	return s
}

// verbatim is the key of Plain: it has no translation.
const verbatim = "%s"

// Plain is a text that is the same in each language, such as a name or words that a user wrote.
func Plain(text string) Sentence { return Sentence{Key: verbatim, Args: []any{text}} }

// Empty says whether there is nothing to say.
func (s Sentence) Empty() bool { return s.Key == "" }

// In renders the sentence in a language, with the translations that SetDefault has set; English where there is none.
func (s Sentence) In(tag language.Tag) string { return Default().Render(tag, s) }

// For renders the sentence for a reader, as In does for a reader of the API.
func (s Sentence) For(r Reader) string { return Default().render(r, s) }

// String is the sentence in English.
func (s Sentence) String() string { return s.In(language.English) }

// MarshalJSON writes the key and the arguments; an empty sentence is null.
func (s Sentence) MarshalJSON() ([]byte, error) {
	if s.Empty() {
		return []byte("null"), nil
	}
	return json.Marshal(stored(s))
}

// stored is the JSON of a Sentence.
type stored struct {
	Key  string `json:"key"`
	Args []any  `json:"args,omitempty"`
}

// UnmarshalJSON reads what MarshalJSON wrote. It fails on arguments of another form.
func (s *Sentence) UnmarshalJSON(data []byte) error {
	var read struct {
		Key  string            `json:"key"`
		Args []json.RawMessage `json:"args"`
	}
	if err := json.Unmarshal(data, &read); err != nil {
		return fmt.Errorf("i18n: read a sentence: %w", err)
	}
	*s = Sentence{Key: read.Key}
	for _, raw := range read.Args {
		arg, err := readArgument(raw)
		if err != nil {
			return err
		}
		s.Args = append(s.Args, arg)
	}
	return nil
}

// Error is an error that can be shown to a person. Make sentinels with NewError.
type Error struct {
	sentence Sentence
	cause    error
}

// NewError makes a sentinel error of a sentence without arguments. The text must be a constant.
func NewError(text string) *Error { return &Error{sentence: Sentence{Key: text}} }

// Wrap makes an error that is shown as a sentence and unwraps to its cause.
func Wrap(cause error, s Sentence) *Error { return &Error{s, cause} }

// Error is the sentence in English.
func (e *Error) Error() string { return e.sentence.String() }

// Sentence is what to show.
func (e *Error) Sentence() Sentence { return e.sentence }

// Unwrap is the cause that Wrap was given; nil for a sentinel.
func (e *Error) Unwrap() error { return e.cause }

// Sayer is an error, or another value, that has a sentence for people.
type Sayer interface{ Sentence() Sentence }

// Of returns the sentence of the outermost error in the chain that has one.
func Of(err error) (s Sentence, ok bool) {
	var sayer Sayer
	if !errors.As(err, &sayer) {
		return Sentence{}, false
	}
	return sayer.Sentence(), true
}

// For is the sentence of an error for a person: its own, else its English text.
func For(err error) Sentence {
	if s, ok := Of(err); ok {
		return s
	}
	return Plain(err.Error())
}
