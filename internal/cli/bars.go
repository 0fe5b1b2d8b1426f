package cli

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows how a job goes on: a bar on a terminal, a line for each change in a pipe.
type display interface {
	update(state progressState)
	note(text string)
	close()
}

// progressState is what there is to show of a job.
type progressState struct {
	status   string  // the Job's status
	text     string  // stage, position and the like, in the user's language
	fraction float64 // 0..1
}

// newDisplay draws on out when it is a terminal and writes plain lines otherwise. Quiet shows nothing.
func newDisplay(out io.Writer, title string, quiet bool) display {
	if quiet {
		return silent{}
	}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return newBar(out, title)
	}
	return &lines{out: out, title: title}
}

type silent struct{}

func (silent) update(progressState) {}
func (silent) note(string)          {}
func (silent) close()               {}

// lines writes one line whenever the stage or the tenth of the way changes: what a log file or n8n can hold.
type lines struct {
	out   io.Writer
	title string
	last  string
}

func (l *lines) update(s progressState) {
	key := fmt.Sprintf("%s %s %d", s.status, s.text, int(s.fraction*10))
	if key == l.last {
		return
	}
	l.last = key
	fmt.Fprintf(l.out, "%s  %s  %3.0f %%  %s\n", time.Now().Format(time.TimeOnly), l.title, s.fraction*100, s.text)
}

func (l *lines) note(text string) { fmt.Fprintln(l.out, text) }
func (l *lines) close()           {}

const barSteps = 1000

// bar is one progress bar; its text changes with the job's stage.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	// text is read by the goroutine that draws.
	text atomic.Value
}

func newBar(out io.Writer, title string) *bar {
	b := &bar{}
	b.text.Store("")
	b.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(36), mpb.WithRefreshRate(100*time.Millisecond))
	b.bar = b.container.New(
		barSteps,
		mpb.BarStyle().Lbound(" ").Filler("━").Tip("━").Padding("─").Rbound(" "),
		mpb.PrependDecorators(decor.Name(title, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(
			decor.Percentage(decor.WC{W: 5}),
			decor.Any(func(decor.Statistics) string { return "  " + b.text.Load().(string) }),
		),
	)
	return b
}

func (b *bar) update(s progressState) {
	b.text.Store(s.text)
	b.bar.SetCurrent(int64(s.fraction * barSteps))
}

func (b *bar) note(text string) { fmt.Fprintln(b.container, text) }

func (b *bar) close() {
	if !b.bar.Completed() {
		b.bar.Abort(false)
	}
	b.container.Wait()
}
