package httpapi

import (
	"net/http"

	"github.com/apibr/studio/internal/generation"
	"github.com/apibr/studio/internal/i18n"
)

// mostTold is how many wrong fields an answer names at most. The rest is counted.
const mostTold = 10

// problemOfFields is a 422 about the given fields and about more that are only counted. Its detail names all given
// fields, since some clients show nothing else.
func problemOfFields(code string, title i18n.Sentence, fields []fieldProblem, more int) *problem {
	if len(fields) > mostTold {
		more += len(fields) - mostTold
		fields = fields[:mostTold]
	}
	p := newProblem(http.StatusUnprocessableEntity, code, title, together(fields, more), fields...)
	p.more = more
	return p
}

// refusalTitles are the titles of internal/generation's refusals, by code.
var refusalTitles = map[string]i18n.Sentence{
	generation.CodeInvalid:             cannotHonour,
	generation.CodeUnsupportedField:    i18n.Say("The engine does not honour a field"),
	generation.CodeUnsupportedLanguage: i18n.Say("The engine does not speak the language"),
	generation.CodeUnknownModel:        i18n.Say("Unknown model"),
}

// refusalOf a request as a problem: the first complaint gives the code.
func refusalOf(list generation.Errors) *problem {
	var fields []fieldProblem
	for _, e := range list {
		detail := e.Say
		if detail.Empty() {
			detail = problemOf(e.Err).detail
		}
		fields = append(fields, fieldProblem{pointer: "/" + e.Field, detail: detail})
	}
	code, title := list[0].Code, refusalTitles[list[0].Code]
	if code == "" {
		of := problemOf(list[0].Err)
		code, title = of.code, of.title
	}
	if len(list) == 1 && list[0].Field == "" {
		return newProblem(http.StatusUnprocessableEntity, code, title, fields[0].detail)
	}
	return problemOfFields(code, title, fields, 0)
}

// together joins the sentences about several fields into one.
func together(fields []fieldProblem, more int) i18n.Sentence {
	if len(fields) == 1 {
		return fields[0].detail
	}
	list := i18n.Say("(%d) %s", 1, fields[0].detail)
	for i, field := range fields[1:] {
		list = i18n.Say("%s; (%d) %s", list, i+2, field.detail)
	}
	if more > 0 {
		return i18n.Say("%d things to change: %s (and %d more)", len(fields)+more, list, more)
	}
	return i18n.Say("%d things to change: %s", len(fields), list)
}

// complaints gathers the faults of a request over all steps that check it, so that the caller learns of all at once.
// The zero value is a request without a fault.
type complaints struct {
	first  *problem
	fields []fieldProblem
	more   int
	told   map[string]bool
	// broken is a failure of the studio, not of the request: the checks stop there.
	broken error
}

// add an error. A complaint about a field that was reported before is left out, since it follows from that. told are
// further fields to count as reported.
func (c *complaints) add(err error, told ...map[string]bool) {
	if c.told == nil {
		c.told = map[string]bool{}
	}
	defer func() {
		for _, names := range told {
			for name := range names {
				c.told[name] = true
			}
		}
	}()
	if err == nil || c.broken != nil {
		return
	}
	p := problemOf(err)
	if p.status != http.StatusUnprocessableEntity {
		c.broken = err
		return
	}
	fields := p.fields
	if len(fields) == 0 {
		fields = []fieldProblem{{detail: p.detail}}
	}
	var fresh []fieldProblem
	for _, field := range fields {
		if field.pointer == "" || !c.told[topOf(field.pointer)] {
			fresh = append(fresh, field)
		}
	}
	for _, field := range fresh {
		c.told[topOf(field.pointer)] = true
	}
	c.more += p.more
	if c.fields = append(c.fields, fresh...); c.first == nil && len(fresh) > 0 {
		c.first = p
	}
}

// none says whether nothing is wrong so far.
func (c *complaints) none() bool { return c.first == nil && c.broken == nil }

// err is the answer to the request; nil when nothing is wrong.
func (c *complaints) err() error {
	switch {
	case c.broken != nil:
		return c.broken
	case c.first == nil:
		return nil
	case len(c.fields) <= max(len(c.first.fields), 1):
		return c.first
	}
	return problemOfFields(c.first.code, c.first.title, c.fields, c.more)
}
