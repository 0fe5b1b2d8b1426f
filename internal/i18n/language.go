package i18n

import (
	"strings"

	"golang.org/x/text/language"
)

// Accepted returns the language that fits an Accept-Language header best; English when none does.
func Accepted(header string) language.Tag {
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(tags) == 0 {
		return language.English
	}
	return Default().match(tags...)
}

// FromEnvironment returns the language of a process's user: LANGUAGE (a list), else LC_ALL, LC_MESSAGES or LANG, as
// gettext reads them. English when none is set or fits.
func FromEnvironment(getenv func(string) string) language.Tag {
	locale := firstSet(getenv, "LC_ALL", "LC_MESSAGES", "LANG")
	if neutral := localeTag(locale); neutral == language.Und {
		return language.English // gettext takes no LANGUAGE in the C locale
	}
	names := strings.Split(getenv("LANGUAGE"), ":")
	var tags []language.Tag
	for _, name := range append(names, locale) {
		if tag := localeTag(name); tag != language.Und {
			tags = append(tags, tag)
		}
	}
	return Default().match(tags...)
}

func firstSet(getenv func(string) string, names ...string) string {
	for _, name := range names {
		if value := getenv(name); value != "" {
			return value
		}
	}
	return ""
}

// localeTag reads a POSIX locale, such as pt_BR.UTF-8; Und for C and what is not a locale.
func localeTag(locale string) language.Tag {
	name, _, _ := strings.Cut(locale, ".")
	name, _, _ = strings.Cut(name, "@")
	if name == "" || name == "C" || name == "POSIX" {
		return language.Und
	}
	tag, err := language.Parse(strings.ReplaceAll(name, "_", "-"))
	if err != nil {
		return language.Und
	}
	return tag
}

// match returns one of the catalogue's languages.
func (c *Catalogue) match(tags ...language.Tag) language.Tag {
	_, index, confidence := c.matcher.Match(tags...)
	if confidence == language.No {
		return language.English
	}
	return c.languages[index]
}
