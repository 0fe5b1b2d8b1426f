package httpapi

import "github.com/apibr/studio/internal/names"

// mostFolded bounds the work for a long text.
const mostFolded = names.MostFolded

func closest(text string, known []string) string { return names.Closest(text, known) }

func fold(text string) string { return names.Fold(text) }

// clip a text of the caller's for a sentence.
func clip(text string) string { return names.Clip(text) }

// clipTo so many characters of valid UTF-8.
func clipTo(text string, most int) string { return names.Cut(text, most) }
