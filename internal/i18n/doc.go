// Package i18n says sentences to people in their language.
//
// A sentence is made where its reason is known, as a key with arguments:
//
//	return i18n.Say("the sample is %.1f s long; the shortest is %g s (voices.min_seconds)", got, shortest)
//
// The key is the English text, a format of package fmt. Whoever shows the sentence renders it once, for its reader:
//
//	sentence.In(language.BrazilianPortuguese)
//
// An argument that is a See names a route of the API or a command of the command line, as its Reader came through the
// one or the other.
//
// Between the two it may be wrapped in an error (NewError, Of), put into another sentence as an argument, or stored as
// JSON and read back. No sentence is ever recognised by its words.
//
// Translations are the files locales/<language>/<area>.json: each maps a key to its translation, with the same verbs.
// Verbs whose order differs are numbered, as in %[2]s. An area is usually a package. A key without a translation is
// said in English; a test fails for it.
//
// Adding a language is a folder in locales. Nothing else names the languages.
package i18n
