package i18n

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var verbs = regexp.MustCompile(`%(\[\d+\])?([-+# 0]*[\d.]*[a-zA-Z%])`)

// verb is one verb of a format and the argument, from 0, that it prints.
type verb struct {
	argument int
	text     string
}

// verbsOf returns the verbs of a format in the order of their arguments, each once.
func verbsOf(format string) []verb {
	var all []verb
	next := 0
	for _, match := range verbs.FindAllStringSubmatch(format, -1) {
		if match[2] == "%" {
			continue
		}
		if match[1] != "" {
			next, _ = strconv.Atoi(strings.Trim(match[1], "[]"))
			next--
		}
		all = append(all, verb{next, match[2]})
		next++
	}
	slices.SortFunc(all, func(a, b verb) int {
		return cmp.Or(cmp.Compare(a.argument, b.argument), cmp.Compare(a.text, b.text))
	})
	return slices.Compact(all)
}

// prints says whether the verb prints such an argument as it is meant: numbers by verbs of numbers.
func (v verb) prints(arg any) bool {
	if strings.HasSuffix(v.text, "s") || strings.HasSuffix(v.text, "q") || strings.HasSuffix(v.text, "v") {
		return true
	}
	switch arg.(type) {
	case int64, float64:
		return true
	default:
		return false
	}
}
