package i18n

// Text renders the sentence in every language, by language tag. An empty sentence is an empty text in each.
func (s Sentence) Text() Text {
	text := Text{}
	for _, tag := range Default().Languages() {
		text[tag.String()] = s.In(tag)
	}
	return text
}
