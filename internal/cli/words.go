package cli

import (
	"strings"

	"github.com/apibr/studio/internal/i18n"
)

// The words that the studio sends for states, steps and reasons, as people read them.

// words are texts by the studio's own words.
type words map[string]i18n.Sentence

// word is the text of a word that the studio sent. Words without a text are shown as they are: a newer studio may have
// more of them.
func (l locale) word(list words, word string) string {
	if sentence, ok := list[word]; ok {
		return sentence.For(l.Reader)
	}
	return strings.ReplaceAll(word, "_", " ")
}

// states of jobs, installations, voices and projects.
var states = words{
	"queued":     i18n.Say("queued"),
	"running":    i18n.Say("in progress"),
	"processing": i18n.Say("in progress"),
	"completed":  i18n.Say("done"),
	"failed":     i18n.Say("failed"),
	"canceled":   i18n.Say("canceled"),
	"pending":    i18n.Say("in preparation"),
	"ready":      i18n.Say("ready"),
	"draft":      i18n.Say("draft"),
}

var qualities = words{
	"draft": i18n.Say("draft"),
	"final": i18n.Say("final"),
}

// stages of a job at work.
var stages = words{
	"load":       i18n.Say("opening the model"),
	"speech":     i18n.Say("speaking"),
	"synthesize": i18n.Say("speaking"),
	"speak":      i18n.Say("speaking"),
	"join":       i18n.Say("joining the sentences"),
	"landmarks":  i18n.Say("finding the face"),
	"render":     i18n.Say("animating"),
	"mux":        i18n.Say("putting the video together"),
	"read":       i18n.Say("reading the file"),
	"listen":     i18n.Say("listening"),
	"measure":    i18n.Say("measuring the voice"),
	"draw":       i18n.Say("drawing"),
	"prepare":    i18n.Say("preparing"),
	"prompt":     i18n.Say("reading the prompt"),
	"sample":     i18n.Say("generating"),
	"decode":     i18n.Say("decoding"),
	"enlarge":    i18n.Say("enlarging"),
	"remote":     i18n.Say("made at the maker's API"),
	"encode":     i18n.Say("writing the file"),
	"store":      i18n.Say("storing"),
}

// reasons why a job waits or ended.
var reasons = words{
	"waiting_for_input": i18n.Say("waits for another job"),
	"paused":            i18n.Say("queue paused"),
	"no_memory":         i18n.Say("waits for memory"),
	"device_busy":       i18n.Say("waits for the card"),
	"backing_off":       i18n.Say("again in a moment"),
	"canceling":         i18n.Say("canceling"),
	"host_restarted":    i18n.Say("the computer restarted under it"),
	"dependency_failed": i18n.Say("what it needed failed"),
}

// modelSources are the ways in which a model's files came.
var modelSources = words{
	"":            i18n.Say(""),
	"hub":         i18n.Say("by `apibr models install`"),
	"import":      i18n.Say("by `apibr models import`"),
	bundledSource: i18n.Say("with the studio"),
}

// fileFaults are what is wrong with a model's files.
var fileFaults = words{
	"missing": i18n.Say("the file is missing"),
	"size":    i18n.Say("the file has another size"),
	"content": i18n.Say("the file's content has changed"),
}

// yesNo is "yes" or "no".
func (l locale) yesNo(value bool) string {
	if value {
		return l.text("yes")
	}
	return l.text("no")
}
