package httpapi

import (
	"fmt"
	"net/http"
	"strings"
)

// mostTold bounds how many wrong fields an answer names. The rest is counted.
const mostTold = 10

// problemOfFields is a 422 about fields and more others. Its detail tells of all of them, since some clients show nothing else.
func problemOfFields(code, title string, fields []FieldProblem, more int) *Problem {
	if len(fields) > mostTold {
		more += len(fields) - mostTold
		fields = fields[:mostTold]
	}
	p := newProblem(http.StatusUnprocessableEntity, code, title, fields[0].Detail, fields...)
	p.inPortuguese, p.more = fields[0].inPortuguese, more
	if len(fields) > 1 {
		p.Detail = together(fields, "%d things to change: ", " (and %d more)", more)
		p.Err.Message = p.Detail
	}
	return p
}

// together is what is said of several fields as one sentence.
func together(fields []FieldProblem, intro, outro string, more int) string {
	var text strings.Builder
	fmt.Fprintf(&text, intro, len(fields)+more)
	for i, field := range fields {
		if i > 0 {
			text.WriteByte(' ')
		}
		fmt.Fprintf(&text, "(%d) %s", i+1, field.Detail)
		if i < len(fields)-1 {
			text.WriteByte(';')
		}
	}
	if more > 0 {
		fmt.Fprintf(&text, outro, more)
	}
	return text.String()
}

// complaints gathers what is wrong with a request over all steps that look at it, so that the caller is told of everything at once.
// The zero value is a request without fault.
type complaints struct {
	first  *Problem
	fields []FieldProblem
	more   int
	told   map[string]bool
	// broken is a failure that is not the request's: there is no use in going on.
	broken error
}

// add an error. A refusal of a field about which something was said before is left out, as it follows from that. told are further fields
// that need no word more.
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
	if p.Status != http.StatusUnprocessableEntity {
		c.broken = err
		return
	}
	fields := p.Errors
	if len(fields) == 0 {
		fields = []FieldProblem{{Detail: p.Detail, inPortuguese: p.inPortuguese}}
	}
	var fresh []FieldProblem
	for _, field := range fields {
		if field.Pointer == "" || !c.told[topOf(field.Pointer)] {
			fresh = append(fresh, field)
		}
	}
	for _, field := range fresh {
		c.told[topOf(field.Pointer)] = true
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
	case len(c.fields) <= max(len(c.first.Errors), 1):
		return c.first
	}
	return problemOfFields(c.first.Err.Code, c.first.Title, c.fields, c.more)
}
