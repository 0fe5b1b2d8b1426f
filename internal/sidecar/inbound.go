package sidecar

import (
	"encoding/json"
	"fmt"
	"mime"
	"path"
	"strconv"
	"strings"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/report"
)

// The parameters of the frames that a process sends; sidecar-protocol.md is the authority. Each knows how it is
// cleaned: nothing of them is used before decode has done that.

// inbound is what a frame holds. clean brings it to what may be shown and stored, or says what of it is past a limit.
type inbound interface {
	clean(limits *Limits) error
}

// decode reads what a process sent. Its error is an EngineError of ProtocolError.
func decode(raw json.RawMessage, what i18n.Sentence, into inbound, limits *Limits) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return protocolError("%s is not understood", what)
	}
	return into.clean(limits)
}

type helloParams struct {
	Protocol int      `json:"protocol"`
	Worker   string   `json:"worker"`
	Engines  []string `json:"engines"`
	Python   string   `json:"python"`
	Device   string   `json:"device"`
	PID      int      `json:"pid"`
}

func (p *helloParams) clean(*Limits) error {
	for _, text := range []*string{&p.Worker, &p.Python, &p.Device} {
		*text = cleanLine(*text, longestName)
	}
	const mostEngines = 16
	p.Engines = p.Engines[:min(len(p.Engines), mostEngines)]
	for i := range p.Engines {
		p.Engines[i] = cleanLine(p.Engines[i], longestName)
	}
	return nil
}

type heartbeatParams struct {
	VRAMBytes int64   `json:"vram_bytes"`
	RAMBytes  int64   `json:"ram_bytes"`
	Phase     *string `json:"phase"`
	Steps     *int64  `json:"steps"`
}

func (p *heartbeatParams) clean(*Limits) error {
	cleanName(p.Phase)
	cleanCount(p.Steps)
	return cleanMemory(i18n.Say("a heartbeat"), &p.VRAMBytes, &p.RAMBytes)
}

type progressParams struct {
	Job     string          `json:"job"`
	Phase   string          `json:"phase"`
	Step    int64           `json:"step"`
	Total   *int64          `json:"total"`
	Message *string         `json:"message"`
	Say     json.RawMessage `json:"say"`
	Preview *string         `json:"preview"`

	said i18n.Sentence // said is what Message and Say are after clean.
}

func (p *progressParams) clean(limits *Limits) error {
	cleanName(&p.Phase)
	cleanCount(&p.Step)
	cleanCount(p.Total)
	message := ""
	if p.Message != nil {
		message = *p.Message
	}
	p.said = limits.sentence(message, p.Say)
	p.Message, p.Say = nil, nil
	if p.Preview != nil {
		if _, ok := cleanPath(*p.Preview); !ok {
			p.Preview = nil // a preview that cannot be opened is only not shown
		}
	}
	return nil
}

type segmentParams struct {
	Job   string   `json:"job"`
	Index int      `json:"index"`
	File  fileSent `json:"file"`
}

func (p *segmentParams) clean(limits *Limits) error { return p.File.clean(limits.budget()) }

type logParams struct {
	Level   string         `json:"level"`
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields"`
}

func (p *logParams) clean(limits *Limits) error {
	p.Level, p.Message = cleanLine(p.Level, longestName), cleanText(p.Message, limits.Text)
	const most = 100 // values in one line of the log
	budget := &jsonBudget{bytes: longestLogLine, values: most, depth: limits.Depth}
	fields, err := budget.object(p.Fields)
	if err != nil {
		fields = map[string]any{"left_out": err.Error()}
	}
	p.Fields = fields
	return nil
}

type loadResult struct {
	VRAMBytes int64   `json:"vram_bytes"`
	RAMBytes  int64   `json:"ram_bytes"`
	Seconds   float64 `json:"seconds"`
}

func (r *loadResult) clean(*Limits) error {
	return cleanMemory(i18n.Say("the result of the load"), &r.VRAMBytes, &r.RAMBytes)
}

type runResult struct {
	Outputs  []fileSent         `json:"outputs"`
	Seed     wholeNumber        `json:"seed"`
	Timings  map[string]float64 `json:"timings"`
	Metadata map[string]any     `json:"metadata"`

	warnings []report.Warning // warnings are those of Metadata after clean.
}

func (r *runResult) clean(limits *Limits) error {
	if n := len(r.Outputs); n > limits.Outputs {
		return protocolError(
			"the result has %d outputs; the most is %d, see supervisor.limits.outputs",
			n,
			limits.Outputs,
		)
	}
	// One budget for all of the result except its files.
	budget := limits.budget()
	paths := map[string]bool{}
	for i := range r.Outputs {
		if err := r.Outputs[i].clean(budget); err != nil {
			return err
		}
		if paths[r.Outputs[i].Path] {
			return protocolError("two outputs are the same file, %q", fileName(r.Outputs[i].Path))
		}
		paths[r.Outputs[i].Path] = true
	}
	var err error
	if r.Metadata, err = budget.object(r.Metadata); err != nil {
		return protocolError("the metadata of the result cannot be kept: %s; see supervisor.limits", err)
	}
	if r.warnings, err = takeWarnings(r.Metadata, limits); err != nil {
		return err
	}
	timings := make(map[string]float64, len(r.Timings))
	for name, seconds := range r.Timings {
		if budget.values--; budget.values < 0 {
			return protocolError("the timings of the result cannot be kept: %s; see supervisor.limits", errJSONSize)
		}
		timings[cleanLine(name, longestName)] = seconds
	}
	r.Timings = timings
	return nil
}

// takeWarnings takes the warnings that an engine's result carries in its metadata out of it.
func takeWarnings(metadata map[string]any, limits *Limits) (warnings []report.Warning, err error) {
	list, _ := metadata["warnings"].([]any)
	if n := len(list); n > limits.Warnings {
		return nil, protocolError("the result has %d warnings; the most is %d, see supervisor.limits.warnings",
			n, limits.Warnings)
	}
	delete(metadata, "warnings")
	for _, entry := range list {
		fields, _ := entry.(map[string]any)
		code, _ := fields["code"].(string)
		message, _ := fields["message"].(string)
		var say json.RawMessage
		if fields["say"] != nil {
			say, _ = json.Marshal(fields["say"]) // what was read from JSON can be written
		}
		warning := report.Warning{Code: cleanLine(code, longestName), Message: limits.sentence(message, say)}
		if warning.Code != "" && !warning.Message.Empty() {
			warnings = append(warnings, warning)
		}
	}
	return warnings, nil
}

// fileSent is a file as frames carry it: in both directions, with an index where it is a segment to resume from.
type fileSent struct {
	Name     string         `json:"name,omitempty"`
	Index    *int           `json:"index,omitempty"`
	Path     string         `json:"path"`
	MIME     string         `json:"mime"`
	Size     int64          `json:"size"`
	SHA256   string         `json:"sha256"`
	Metadata map[string]any `json:"metadata,omitempty"`
}

func (f *fileSent) clean(budget *jsonBudget) error {
	f.Name = cleanLine(f.Name, longestName)
	if _, ok := cleanPath(f.Path); !ok {
		return protocolError("the path of a file is too long or has characters that a path cannot have")
	}
	kind, parameters, err := mime.ParseMediaType(f.MIME)
	if err != nil || !strings.Contains(kind, "/") || len(f.MIME) > longestName {
		return protocolError("the type of %q is not a MIME type", fileName(f.Path))
	}
	f.MIME = mime.FormatMediaType(kind, parameters)
	if f.Metadata, err = budget.object(f.Metadata); err != nil {
		return protocolError("the metadata of %q cannot be kept: %s; see supervisor.limits", fileName(f.Path), err)
	}
	return nil
}

// fileName is what a user may see of a path that a process sent: its last element, as it may be a path of this machine.
func fileName(sent string) string { return cleanLine(path.Base(sent), longestName) }

type frameError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Code  string          `json:"code"`
		Phase *string         `json:"phase"`
		Field *string         `json:"field"`
		Say   json.RawMessage `json:"say"`
	} `json:"data"`

	said i18n.Sentence // said is what Message and Data.Say are after clean.
}

func (e *frameError) clean(limits *Limits) error {
	e.said = limits.sentence(e.Message, e.Data.Say)
	e.Message, e.Data.Say = "", nil
	e.Data.Code = cleanLine(e.Data.Code, longestName)
	cleanName(e.Data.Phase)
	cleanName(e.Data.Field)
	return nil
}

func cleanName(name *string) {
	if name != nil {
		*name = cleanLine(*name, longestName)
	}
}

func cleanCount(n *int64) {
	if n != nil {
		*n = min(max(*n, 0), mostSteps)
	}
}

func cleanMemory(what i18n.Sentence, values ...*int64) error {
	for _, bytes := range values {
		if *bytes < 0 || *bytes > mostBytes {
			return protocolError("%s names %d bytes of memory", what, *bytes)
		}
	}
	return nil
}

// wholeNumber takes 7 and 7.0, since Python's seeds may pass through floats, and null as 0.
type wholeNumber int64

func (n *wholeNumber) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if whole, err := strconv.ParseInt(string(raw), 10, 64); err == nil && whole >= -mostSteps && whole <= mostSteps {
		*n = wholeNumber(whole)
		return nil
	}
	var f float64
	if err := json.Unmarshal(raw, &f); err != nil || f < -mostSteps || f > mostSteps || f != float64(int64(f)) {
		return fmt.Errorf("%.20s is not a whole number", raw)
	}
	*n = wholeNumber(f)
	return nil
}
