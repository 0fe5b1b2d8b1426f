package sidecar

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/report"
	"github.com/apibr/studio/internal/sidecar/sidecartest"

	"github.com/apibr/studio/internal/i18n"
)

// Each limit is one that a configuration can move, and its error names it.
func TestEachLimitEndsTheRunWithItsName(t *testing.T) {
	progress := `{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":"%s","step":$N,"total":null,` +
		`"message":null,"preview":null}}`
	result := func(outputs, metadata string) sidecartest.RawRun {
		return sidecartest.RawRun{Files: map[string]string{"a.txt": "a", "b.txt": "b"},
			Lines: []string{
				`{"jsonrpc":"2.0","id":$ID,"result":{"outputs":[` + outputs + `],"seed":7,"metadata":` + metadata +
					`}}`,
			}}
	}
	segment := `{"jsonrpc":"2.0","method":"segment","params":{"job":"$JOB","index":$N,"file":$OUT}}`
	for _, c := range []struct {
		limits Limits
		named  string
		run    sidecartest.RawRun
	}{
		{Limits{Outputs: 1}, "limits.outputs", result("$FILES", "{}")},
		{Limits{OutputBytes: 1}, "limits.output_bytes", result("$FILES", "{}")},
		{Limits{OutputBytes: 1}, "limits.output_bytes", sidecartest.RawRun{Repeat: 3, Lines: []string{segment}}},
		{Limits{Segments: 2}, "limits.segments", sidecartest.RawRun{Repeat: 3, Lines: []string{segment}}},
		{Limits{PhaseChanges: 3}, "limits.phase_changes", sidecartest.RawRun{Repeat: 3,
			Lines: []string{fmt.Sprintf(progress, "first"), fmt.Sprintf(progress, "second")}}},
		{Limits{UndeclaredPhases: 2}, `phase "c"`, sidecartest.RawRun{Lines: []string{fmt.Sprintf(progress, "a"),
			fmt.Sprintf(progress, "b"), fmt.Sprintf(progress, "c")}}},
		{Limits{LogMessages: 2}, "limits.log_messages", sidecartest.RawRun{Repeat: 3,
			Lines: []string{`{"jsonrpc":"2.0","method":"log","params":{"level":"info","message":"x"}}`}}},
		{Limits{LogMessages: 2}, "limits.log_messages", sidecartest.RawRun{Repeat: 3,
			Lines: []string{`{"jsonrpc":"2.0","method":"gossip","params":{}}`}}},
		{Limits{Metadata: 20}, "too large", result("$OUT", `{"a":"0123456789","b":"0123456789"}`)},
		{Limits{Values: 5}, "too large", result("$OUT", `{"a":[1,2,3,4,5]}`)},
		{Limits{Depth: 2}, "too deep", result("$OUT", `{"a":[[1]]}`)},
		{Limits{Warnings: 1}, "limits.warnings",
			result("$OUT", `{"warnings":[{"code":"a","message":"a"},{"code":"b","message":"b"}]}`)},
	} {
		t.Run(c.named, func(t *testing.T) {
			b := newBench(t, sidecartest.Echo, func(cfg *Config) { cfg.Limits = c.limits })
			_, err := b.try(sidecartest.Raw, c.run.Params())
			var said *EngineError
			require.ErrorAs(t, err, &said)
			require.Equal(t, ProtocolError, said.Code)
			require.Contains(t, said.Message.String(), c.named)

			b = newBench(t, sidecartest.Echo, nil)
			c.run.Then = "echo"
			if strings.Contains(c.run.Lines[0], `"result"`) {
				c.run.Then = ""
			}
			params := c.run.Params()
			params["text"] = "raw" // the echo writes the same file as the mode before it
			_, err = b.try(sidecartest.Raw, params)
			require.NoError(t, err, "the default limits allow it")
		})
	}
}

func TestLogMessagesAreBoundedInASecondAndCounted(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(cfg *Config) { cfg.Limits.LogLines = 5 })
	_, err := b.try(
		sidecartest.Raw,
		sidecartest.RawRun{Repeat: 500, Then: "echo", Stderr: strings.Repeat("a line\n", 500),
			Lines: []string{
				`{"jsonrpc":"2.0","method":"log","params":{"level":"error","message":"again"}}`,
				`{"jsonrpc":"2.0","method":"gossip"}`,
			}}.Params(),
	)
	require.NoError(t, err)
	require.Less(
		t,
		len(
			b.log.find("sidecar"),
		)+len(
			b.log.find("sidecar sends an unknown notification"),
		)+len(
			b.log.find("sidecar log"),
		),
		200,
	)
}

// An undeclared phase is allowed: other programs may use names of their own. It has one name and no history of its
// own.
func TestUndeclaredPhasesAreOnePhase(t *testing.T) {
	b := newBench(t, sidecartest.Echo, nil)
	line := `{"jsonrpc":"2.0","method":"progress","params":{"job":"$JOB","phase":"p$N","step":1,"total":1,` +
		`"message":null,"preview":null}}`
	lease := b.acquire()
	defer lease.Release()
	var phases []string
	result, err := lease.Run(
		b.ctx(),
		b.request(sidecartest.Raw, sidecartest.RawRun{Repeat: 10, Lines: []string{line}, Then: "echo"}.Params()),
		Events{Progress: func(p report.Progress) { phases = append(phases, p.Stage) }},
	)
	require.NoError(t, err)
	require.NotContains(t, phases, "p0")
	names := []string{}
	for _, phase := range result.Phases {
		names = append(names, phase.Phase)
	}
	require.Equal(t, []string{"begin", "first", "other", "second"}, names)
}

// Every field of every frame, with every kind of value: it is refused, or what is left of it is clean.
func TestEveryFieldIsCleaned(t *testing.T) {
	limits := Limits{}
	limits.setDefaults()
	values := []string{
		`"a\u0000b"`,
		`"a\ud800b"`,
		"\"a\xff\xfeb\"",
		`"\u001b[31m\u202e\u2066\u0085"`,
		`"` + strings.Repeat("x", 900_000) + `"`,
		`1e500000`,
		`-1e308`,
		`-9223372036854775808`,
		`9223372036854775807`,
		`99999999999999999999`,
		`-1`,
		`0.5`,
		`null`,
		`true`,
		`{}`,
		`[]`,
		strings.Repeat(
			"[",
			9_000,
		) + strings.Repeat(
			"]",
			9_000,
		),
		strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000),
		`{"k\u0000":["\u0000",{"\ud800":1e300}]}`,
		`[` + strings.Repeat("{},", 100_000) + `{}]`,
	}
	file := `{"name":%s,"path":"a","mime":"text/plain","size":1,"sha256":"x"}`
	accepted := 0
	for _, frame := range []struct {
		form string
		into func() inbound
	}{
		{`{"protocol":%s}`, func() inbound { return new(helloParams) }},
		{`{"worker":%s}`, func() inbound { return new(helloParams) }},
		{`{"engines":%s}`, func() inbound { return new(helloParams) }},
		{`{"engines":[%s]}`, func() inbound { return new(helloParams) }},
		{`{"python":%s}`, func() inbound { return new(helloParams) }},
		{`{"device":%s}`, func() inbound { return new(helloParams) }},
		{`{"vram_bytes":%s}`, func() inbound { return new(heartbeatParams) }},
		{`{"ram_bytes":%s}`, func() inbound { return new(heartbeatParams) }},
		{`{"phase":%s}`, func() inbound { return new(heartbeatParams) }},
		{`{"steps":%s}`, func() inbound { return new(heartbeatParams) }},
		{`{"phase":%s}`, func() inbound { return new(progressParams) }},
		{`{"step":%s}`, func() inbound { return new(progressParams) }},
		{`{"total":%s}`, func() inbound { return new(progressParams) }},
		{`{"message":%s}`, func() inbound { return new(progressParams) }},
		{`{"preview":%s}`, func() inbound { return new(progressParams) }},
		{`{"index":%s,"file":` + fmt.Sprintf(file, `"a"`) + `}`, func() inbound { return new(segmentParams) }},
		{`{"file":` + file + `}`, func() inbound { return new(segmentParams) }},
		{`{"file":%s}`, func() inbound { return new(segmentParams) }},
		{`{"file":{"name":"a","path":%s,"mime":"text/plain"}}`, func() inbound { return new(segmentParams) }},
		{`{"file":{"name":"a","path":"a","mime":%s}}`, func() inbound { return new(segmentParams) }},
		{`{"file":{"name":"a","path":"a","mime":"text/plain","metadata":%s}}`,
			func() inbound { return new(segmentParams) }},
		{`{"level":%s}`, func() inbound { return new(logParams) }},
		{`{"message":%s}`, func() inbound { return new(logParams) }},
		{`{"fields":%s}`, func() inbound { return new(logParams) }},
		{`{"fields":{"a":%s}}`, func() inbound { return new(logParams) }},
		{`{"vram_bytes":%s}`, func() inbound { return new(loadResult) }},
		{`{"ram_bytes":%s}`, func() inbound { return new(loadResult) }},
		{`{"outputs":%s}`, func() inbound { return new(runResult) }},
		{`{"outputs":[` + file + `]}`, func() inbound { return new(runResult) }},
		{`{"seed":%s}`, func() inbound { return new(runResult) }},
		{`{"timings":%s}`, func() inbound { return new(runResult) }},
		{`{"timings":{"a\u0000":%s}}`, func() inbound { return new(runResult) }},
		{`{"metadata":%s}`, func() inbound { return new(runResult) }},
		{`{"metadata":{"a\u0000":%s}}`, func() inbound { return new(runResult) }},
		{`{"metadata":{"warnings":%s}}`, func() inbound { return new(runResult) }},
		{`{"metadata":{"warnings":[{"code":%[1]s,"message":%[1]s}]}}`, func() inbound { return new(runResult) }},
		{`{"metadata":{"warnings":[{"code":"a","message":"b","say":%s}]}}`, func() inbound { return new(runResult) }},
		{`{"say":%s}`, func() inbound { return new(progressParams) }},
		{`{"data":{"say":%s}}`, func() inbound { return new(frameError) }},
		{`{"data":{"say":{"key":"%%s: %%s","args":[%[1]s,%[1]s]}}}`, func() inbound { return new(frameError) }},
		{`{"code":%s}`, func() inbound { return new(frameError) }},
		{`{"message":%s}`, func() inbound { return new(frameError) }},
		{`{"data":{"code":%[1]s,"phase":%[1]s,"field":%[1]s}}`, func() inbound { return new(frameError) }},
	} {
		for _, value := range values {
			into := frame.into()
			what := fmt.Sprintf("%s with %.40s", frame.form, value)
			if err := decode(json.RawMessage(fmt.Sprintf(frame.form, value)), i18n.Plain("it"), into,
				&limits); err != nil {
				require.Less(t, len(err.Error()), 1000, what)
				requireClean(t, reflect.ValueOf(err.Error()), what)
				continue
			}
			accepted++
			requireClean(t, reflect.ValueOf(into), what)
		}
	}
	require.Greater(t, accepted, 150)
}

// requireClean looks at every text and key below v.
func requireClean(t *testing.T, v reflect.Value, what string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			requireClean(t, v.Elem(), what)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			requireClean(t, v.Field(i), what)
		}
	case reflect.Slice:
		for i := range v.Len() {
			requireClean(t, v.Index(i), what)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			requireClean(t, key, what)
			requireClean(t, v.MapIndex(key), what)
		}
	case reflect.String:
		text := v.String()
		require.True(t, utf8.ValidString(text), what)
		require.LessOrEqual(t, len(text), 256<<10, what)
		require.False(t, strings.ContainsFunc(text, func(r rune) bool {
			return unicode.Is(unicode.Bidi_Control, r) || unicode.IsControl(r) && r != '\n' && r != '\t'
		}), what)
	}
}

func TestCleaningKeepsHarmlessText(t *testing.T) {
	for from, to := range map[string]string{
		"Olá, João 👩‍👩‍👧 \n\tfim":                  "Olá, João 👩‍👩‍👧 \n\tfim",
		"a\x00b\x1b[31m\u202ec\r\n":                "ab[31mc\n",
		"a\xffb":                                   "a\uFFFDb",
		"1234567890123456789012345678901234567890": "123456789012345678901234567890…",
	} {
		require.Equal(t, to, cleanText(from, 30))
	}
	limits := Limits{}
	limits.setDefaults()
	for from, to := range map[string]string{
		`{"a":1,"b":[1.5,true,null,"x\u0000"],"c":12345678901234567}`: `{"a":1,"b":[1.5,true,null,"x"],` +
			`"c":12345678901234567}`,
		`[1e-500000,-0.0,1E2]`: `[0,-0,100]`,
	} {
		cleaned, err := limits.JSON([]byte(from), 1000)
		require.NoError(t, err)
		require.Equal(t, to, string(cleaned))
	}
	for _, wrong := range []string{`[1e400]`, `{"a":`, `1 2`, ``, `NaN`, strings.Repeat("[", 40) + strings.Repeat("]",
		40), `"` + strings.Repeat("x", 1000) + `"`} {
		_, err := limits.JSON([]byte(wrong), 1000)
		require.Error(t, err, wrong)
	}
}

// A segment that a process has handed over counts, even if it dies at once: the next run resumes after it.
func TestASegmentRightBeforeACrashIsKept(t *testing.T) {
	b := newBench(t, sidecartest.Echo, func(cfg *Config) { cfg.Breaker.Crashes = 1000 })
	segment := `{"jsonrpc":"2.0","method":"segment","params":{"job":"$JOB","index":$N,"file":$OUT}}`
	kept := 0
	const runs, each = 10, 5
	for range runs {
		lease := b.acquire()
		_, err := lease.Run(
			b.ctx(),
			b.request(
				sidecartest.Raw,
				sidecartest.RawRun{Lines: []string{segment}, Repeat: each, Then: "exit"}.Params(),
			),
			Events{Segment: func(context.Context, Segment) error {
				<-lease.slot.proc.gone // storing the first takes until the process is no more
				kept++
				return nil
			}},
		)
		lease.Release()
		var crash *CrashError
		require.ErrorAs(t, err, &crash)
	}
	require.Equal(t, runs*each, kept)
}
