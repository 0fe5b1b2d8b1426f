package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Run by `make bench`: go test -run '^$' -bench Studio -benchtime 1x ./internal/e2e -report docs/performance.md

var (
	reportPath  = flag.String("report", "", "write what the benchmark measured to this file")
	partsWanted = flag.String("parts", "", "measure only these parts of the benchmark, such as latency,bursts")
)

// measure is one row of the report.
type measure struct {
	what, result, goal, how string
}

// report collects the measures of a run.
type report struct{ rows []measure }

func (r *report) add(what, goal, how, format string, args ...any) {
	r.rows = append(r.rows, measure{what, fmt.Sprintf(format, args...), goal, how})
}

// BenchmarkStudio measures what the studio itself costs: no figure of a model is in it. It takes some minutes.
func BenchmarkStudio(b *testing.B) {
	if b.N > 1 {
		b.Skip("one round says it all: run with -benchtime 1x")
	}
	buildWithoutRaceDetector(b)
	r := &report{}
	for _, part := range []struct {
		name    string
		measure func(*testing.B, *report)
	}{
		{"start", measureStart}, {"latency", measureLatency}, {"bursts", measureBursts},
		{"submissions", measureSubmissions},
		{"cpu", measureCPU}, {"history", measureHistory}, {"parts", measureParts}, {"overhead", measureOverhead},
		{"sockets", measureSockets},
		{"upload", measureUpload},
	} {
		if *partsWanted == "" || slices.Contains(strings.Split(*partsWanted, ","), part.name) {
			part.measure(b, r)
		}
	}
	text := r.markdown()
	fmt.Print(text)
	if *reportPath != "" {
		require.NoError(b, os.WriteFile(*reportPath, []byte(text), 0o644))
	}
}

// buildWithoutRaceDetector replaces the instrumented program of the tests by the one that users run.
func buildWithoutRaceDetector(b *testing.B) {
	b.Helper()
	out, err := exec.Command("go", "build", "-trimpath", "-o", apibr, "github.com/apibr/studio/cmd/apibr").
		CombinedOutput()
	require.NoError(b, err, "%s", out)
}

func (r *report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, `# Performance

What the studio itself costs, measured by %s on %s. No model runs here: the sidecar of most rows is a program that
answers at once (internal/e2e/testdata/echo.py), so that the queue, the database, the supervisor and the files remain.
Times of models are in the benchmark of the engines.

Machine: %s, %d cores, Linux, %s, private Postgres with its durable settings (fsync on), data directory on %s.
Other programs may have run on the machine meanwhile; take figures as an order of magnitude and ratios as reliable.

| measure | result | goal | how |
|---|---|---|---|
`, "`make bench`", time.Now().Format("2 January 2006"), cpuName(), runtime.NumCPU(), runtime.Version(), os.TempDir())
	for _, m := range r.rows {
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", m.what, m.result, m.goal, m.how)
	}
	text.WriteString(whereTimeGoes)
	return text.String()
}

// whereTimeGoes explains the figures. The counts in it are held by tests: internal/jobs/roundtrips_test.go,
// internal/runner/known_test.go.
const whereTimeGoes = `
## Where the time goes

The rows "part" above are what one of each costs on this machine. A job needs so many of them:

| step | round trips | flushes | what it does |
|---|---|---|---|
| request | 1 | 0 | the key is known in memory; the voice is looked up by its name |
| submit | 1 | 1 | job, ticket and event are one batch, which is one transaction |
| choice | 0 | 0 | the dispatcher knows the queue and is told of the new job |
| claim | 2 | 1 | begin, compare-and-set, segments, inputs, ticket; then event and commit |
| run frame | 0 | 0 | a folder, the file of the voice, one hash of it, one frame through a pipe |
| verify and keep | 0 | 3 | two hashes; the file, its name and the name of a new folder are flushed |
| finish | 2 | 1 | begin, compare-and-set, who waits; then outputs, history, event and commit |

"Submit to run frame" is the first five steps: four round trips and two flushes. "Slot free to next run frame" is the
last two steps of one job and choice, claim and run frame of the next: four round trips and five flushes. The rest is
HTTP, JSON, the planning of statements, and processes that take turns on the cores. Nothing of it waits for what happens
in the background meanwhile: the forecast for the answer, the reading of events, what a run teaches. A claim is durable
before its run frame is sent, since the number of its event is told to clients and must not come twice.

` + "`go test -run '^$' -bench Studio -benchtime 1x ./internal/e2e -parts cpu`" + `
adds up the time on a core that the server's threads and all Postgres processes took (/proc/PID/task/*/schedstat),
which a busy machine distorts less than times:

| step | server | Postgres | most of it |
|---|---|---|---|
| submit | 2.7 ms | 2.1 ms | requests 1.4 (forecast 0.2, batch 0.2), garbage 0.2; Postgres for the batch 0.3 to 0.4 |
| claim to finish | 13.3 ms | 5.6 ms | making folders 3, opening files 1.5; claim 0.3 / 0.4, finish 0.4 / 0.9 |

One run each, with profilers on, on a machine with a load of about 12; the shares are of the profiles. A submit took
11.5 / 6.1 ms before each statement was planned once for all arguments and the forecast of more than 100 jobs was
made in the background, at 500 waiting jobs; a run 12.5 / 7.2 ms.

No statement reads the history, so a million finished jobs change nothing (internal/store/plans_test.go holds it for
each statement). ` + "`go test ./internal/store -run XXX -bench LongHistory`" + ` measures the same in process, with
100,000 queued jobs on top.
`

func cpuName() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for _, line := range strings.Split(string(content), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// echoConfig makes a studio run the echo program for speech and gives the path of its log.
func echoConfig(t testing.TB, more string) (yaml, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "echo.log")
	script, err := filepath.Abs("testdata/echo.py")
	require.NoError(t, err)
	command, err := json.Marshal([]string{"python3", script, log, "draft-speech"})
	require.NoError(t, err)
	return fmt.Sprintf("sidecars:\n  draft-speech:\n    command: %s\n%s", command, more), log
}

// echoRun is one line of the echo program's log.
type echoRun struct {
	came, left time.Time
	pid        int
}

func echoRuns(t testing.TB, log string) map[string]echoRun {
	t.Helper()
	content, err := os.ReadFile(log)
	require.NoError(t, err)
	runs := map[string]echoRun{}
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		var job string
		var came, left int64
		var run echoRun
		_, err := fmt.Sscan(line, &job, &came, &left, &run.pid)
		require.NoError(t, err, line)
		run.came, run.left = time.Unix(0, came), time.Unix(0, left)
		runs[job] = run
	}
	return runs
}

// percentile of durations, 0..100; it sorts them.
func percentile(values []time.Duration, p float64) time.Duration {
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
	return values[min(len(values)-1, int(float64(len(values))*p/100))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// memory of a process and its share of what it shares, in bytes.
func memory(t testing.TB, pid int, field string) int64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(t, err)
	for _, line := range strings.Split(string(content), "\n") {
		var kib int64
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			_, err := fmt.Sscan(rest, &kib)
			require.NoError(t, err)
			return kib << 10
		}
	}
	t.Fatalf("smaps_rollup has no %s", field)
	return 0
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
