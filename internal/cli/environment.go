package cli

import (
	"io"
	"os"
	"text/tabwriter"

	"golang.org/x/term"
)

// environment is what the commands share: the three streams, the global flags and the way to the studio.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	json  bool // --json: results as JSON on standard output
	quiet bool // --quiet: no progress

	locale

	configFile string
	dataDir    string
	connection connection
}

// interactive says whether a question can be asked: both ends are a terminal.
func (e *environment) interactive() bool {
	in, okIn := e.stdin.(*os.File)
	out, okOut := e.stderr.(*os.File)
	return okIn && okOut && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}

// table writes rows in columns; the first row is the heading.
func (e *environment) table(write func(w io.Writer)) error {
	const gap = 2
	w := tabwriter.NewWriter(e.stdout, 0, 0, gap, ' ', 0)
	write(w)
	return w.Flush()
}
