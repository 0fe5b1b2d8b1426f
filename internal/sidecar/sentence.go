package sidecar

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/apibr/studio/internal/i18n"
)

// sentence is what a process says to a person: the sentence of say if it is one that can be shown, else its English
// text, which is then the same in each language. It is empty if there is neither.
func (l *Limits) sentence(message string, say json.RawMessage) i18n.Sentence {
	if s, ok := l.said(say); ok {
		return s
	}
	if message = userText(message, l.Text); message == "" {
		return i18n.Sentence{}
	}
	return i18n.Plain(message)
}

// said reads a key with its arguments. ok is false if a key is not one of the studio's or of an engine's translations,
// if the arguments do not fit it, and if it is too long, too deep or not clean when it is said.
func (l *Limits) said(say json.RawMessage) (s i18n.Sentence, ok bool) {
	if len(say) == 0 || len(say) > l.Text*utf8.UTFMax || json.Unmarshal(say, &s) != nil {
		return i18n.Sentence{}, false
	}
	if s, ok = l.cleanArguments(s, l.Depth); !ok || !i18n.Default().Takes(s) {
		return i18n.Sentence{}, false
	}
	text := s.String()
	return s, userText(text, l.Text) == text
}

func (l *Limits) cleanArguments(s i18n.Sentence, depth int) (cleaned i18n.Sentence, ok bool) {
	if depth == 0 {
		return s, false
	}
	for i, arg := range s.Args {
		switch arg := arg.(type) {
		case string:
			s.Args[i] = userText(arg, l.Text)
		case i18n.Sentence:
			if s.Args[i], ok = l.cleanArguments(arg, depth-1); !ok {
				return s, false
			}
		}
	}
	return s, true
}
