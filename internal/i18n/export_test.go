package i18n

import "slices"

// Verbs matches the verbs of a format.
var Verbs = verbs

// SameVerbs says whether a translation has the verbs of its key, for the same arguments.
func SameVerbs(key, translation string) bool { return slices.Equal(verbsOf(key), verbsOf(translation)) }
