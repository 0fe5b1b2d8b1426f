package i18n

import "encoding/json"

// MaxStored is how many bytes of JSON a stored sentence has at most. A longer one is stored as its English text only.
const MaxStored = 16 << 10

// Store returns the two forms of a sentence that are kept beside each other, in a table or a message: the English text,
// for whoever reads it there, and the JSON for Restore. stored is nil when the text says it all: the sentence is empty,
// the same in each language, or longer than MaxStored.
func (s Sentence) Store() (english string, stored json.RawMessage) {
	english = s.String()
	if s.Empty() || s.Key == verbatim && isText(s.Args) {
		return english, nil
	}
	stored, err := json.Marshal(s)
	if err != nil || len(stored) > MaxStored {
		return english, nil
	}
	return english, stored
}

func isText(args []any) bool {
	if len(args) != 1 {
		return false
	}
	_, ok := args[0].(string)
	return ok
}

// Restore makes a sentence of what Store returned. It takes the English text alone where stored is missing, damaged,
// longer than MaxStored, has a key without any translation, or does not say the same as the English text. So a row that
// another version or another program wrote is never worse than its text, and no foreign format is ever filled in.
func Restore(english string, stored json.RawMessage) Sentence {
	if english == "" {
		return Sentence{}
	}
	var s Sentence
	if len(stored) > 0 && len(stored) <= MaxStored && json.Unmarshal(stored, &s) == nil && Default().knowsAll(s) &&
		s.String() == english {
		return s
	}
	return Plain(english)
}

// knowsAll says whether the keys of a sentence and of those in its arguments have translations.
func (c *Catalogue) knowsAll(s Sentence) bool {
	return (s.Empty() || s.Key == verbatim || c.Knows(s.Key)) && c.knowsArguments(s.Args)
}

func (c *Catalogue) knowsArguments(args []any) bool {
	for _, arg := range args {
		switch v := arg.(type) {
		case Sentence:
			if !c.knowsAll(v) {
				return false
			}
		case List:
			if !c.knowsArguments(v.Items) {
				return false
			}
		}
	}
	return true
}
