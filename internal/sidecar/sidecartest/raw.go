package sidecartest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// RawRun is what the mode Raw is told in the run's parameters (see Params).
type RawRun struct {
	// Lines are written to stdout as they are, but for the placeholders of expand.
	Lines []string

	// Repeat writes the lines so many times. Default 1.
	Repeat int

	// Files are written into the run's folder before; $FILES describes them.
	Files map[string]string

	// Stderr is written before the lines.
	Stderr string

	// Then is what follows: "echo" (an honest result), "exit" (exit code 3); default: nothing more is said.
	Then string
}

type rawParams struct {
	Lines  [][]byte          `json:"lines"`
	Repeat int               `json:"repeat"`
	Files  map[string][]byte `json:"files"`
	Stderr []byte            `json:"stderr"`
	Then   string            `json:"then"`
}

// Params are the run's parameters that make the program do this. Bytes travel in base64, so that any can be sent.
func (r RawRun) Params() map[string]any {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	lines, files := []string{}, map[string]string{}
	for _, line := range r.Lines {
		lines = append(lines, encode(line))
	}
	for name, content := range r.Files {
		files[name] = encode(content)
	}
	return map[string]any{"mode": Raw, "raw": map[string]any{
		"lines": lines, "repeat": r.Repeat, "files": files, "stderr": encode(r.Stderr), "then": r.Then}}
}

// CommandRaw is the command line of the program with another hello and another answer to load. "" leaves the honest
// one.
func CommandRaw(hello, load string) []string {
	encode := base64.StdEncoding.EncodeToString
	return append(Command(Echo), encode([]byte(hello)), encode([]byte(load)))
}

// rawFromCommand reads what CommandRaw wrote.
func (p *program) rawFromCommand(args []string) {
	for i, line := range []*string{&p.rawHello, &p.rawLoad} {
		if i < len(args) {
			decoded, err := base64.StdEncoding.DecodeString(args[i])
			if err != nil {
				panic(err)
			}
			*line = string(decoded)
		}
	}
}

func (p *program) rawRun(id json.RawMessage, run runRequest) {
	told := run.Params.Raw
	names := []string{}
	for name := range told.Files {
		names = append(names, name)
	}
	slices.Sort(names)
	var described []string
	for _, name := range names {
		content := expand(told.Files[name], nil)
		made := file(run.OutDir, name, content)
		made["name"] = strings.TrimSuffix(name, filepath.Ext(name))
		switch filepath.Ext(name) {
		case ".json":
			made["mime"] = "application/json"
		case ".wav":
			made["mime"] = "audio/wav"
		}
		text, err := json.Marshal(made)
		if err != nil {
			panic(err)
		}
		described = append(described, string(text))
	}
	out, err := json.Marshal(file(run.OutDir, "out.txt", []byte("raw")))
	if err != nil {
		panic(err)
	}
	values := map[string]string{"$OUTMETA": strings.TrimSuffix(string(out), "}") + `,"metadata":`, "$JOB": run.Job,
		"$ID": string(id), "$OUT": string(out), "$FILES": strings.Join(described, ",")}
	_, _ = os.Stderr.Write(expand(told.Stderr, nil))
	for n := range max(1, told.Repeat) {
		values["$N"] = fmt.Sprint(n)
		for _, line := range told.Lines {
			p.raw(append(expand(line, values), '\n'))
		}
	}
	switch told.Then {
	case "echo":
		p.echo(id, run)
	case "exit":
		os.Exit(3)
	}
}

// expand fills placeholders: those of the run, and $BIG (900,000 letters), $DEEP (nested lists), $KEYS (an object of
// many keys).
func expand(line []byte, values map[string]string) []byte {
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(values))) { // $OUTMETA before $OUT
		value := values[name]
		line = bytes.ReplaceAll(line, []byte(name), []byte(value))
	}
	for name, make := range map[string]func() string{
		"$BIG":  func() string { return strings.Repeat("x", 900_000) },
		"$DEEP": func() string { return strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000) },
		"$KEYS": func() string {
			var keys strings.Builder
			for i := range 60_000 {
				fmt.Fprintf(&keys, `"k%d":%d,`, i, i)
			}
			return "{" + keys.String() + `"end":1}`
		},
	} {
		if bytes.Contains(line, []byte(name)) {
			line = bytes.ReplaceAll(line, []byte(name), []byte(make()))
		}
	}
	return line
}
