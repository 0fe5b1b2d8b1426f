package sched

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/apibr/studio/internal/device"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const gib = 1 << 30

// endless is a queue in which every lane always waits.
type endless struct {
	models map[Lane][]string // models that a lane's jobs cycle through
	gpu    bool
	next   float64
	jobs   []Job
}

func (e *endless) fill(now time.Time, lane Lane, upTo int) {
	have := 0
	for _, j := range e.jobs {
		if j.Lane == lane {
			have++
		}
	}
	for ; have < upTo; have++ {
		e.next++
		models := e.models[lane]
		job := Job{
			ID:       uuid.New(),
			Lane:     lane,
			Rank:     e.next,
			QueuedAt: now,
			Model:    models[int(e.next)%len(models)],
			Device:   "cpu",
			Need:     device.Memory{RAM: gib},
		}
		if e.gpu {
			job.Device, job.Need.VRAM = "hip:0", 8*gib
		}
		e.jobs = append(e.jobs, job)
	}
}

func (e *endless) remove(id uuid.UUID) {
	for i, j := range e.jobs {
		if j.ID == id {
			e.jobs = append(e.jobs[:i], e.jobs[i+1:]...)
			return
		}
	}
}

// starts runs n jobs one after another and returns what started; each takes a second.
func (e *endless) starts(t require.TestingT, n int, p Policy) []Job {
	var started []Job
	var shares Shares
	var loaded []Loaded
	for i := range n {
		now := start.Add(time.Duration(i) * time.Second)
		for _, lane := range []Lane{"audio", "image", "video"} {
			if len(e.models[lane]) > 0 {
				e.fill(now, lane, 20)
			}
		}
		d := Pick(View{Now: now, Waiting: e.jobs, Loaded: loaded, FreeRAM: 20 * gib, TotalRAM: 20 * gib,
			Devices: map[string]Device{
				"hip:0": {Free: 12*gib - held(loaded), Total: 12 * gib},
			}, Slots: 1, Shares: shares}, p)
		require.NotNil(t, d.Job)
		started = append(started, *d.Job)
		e.remove(d.Job.ID)
		shares = d.Shares
		loaded = []Loaded{{Model: d.Job.Model, Device: d.Job.Device, Idle: true, Holds: d.Job.Need}}
	}
	return started
}

func held(loaded []Loaded) (bytes int64) {
	for _, l := range loaded {
		bytes += l.Holds.VRAM
	}
	return bytes
}

func counts(jobs []Job) map[Lane]int {
	n := map[Lane]int{}
	for _, j := range jobs {
		n[j.Lane]++
	}
	return n
}

// Without a model switch at stake any 60 starts hold 30:20:10 within 2.
func TestSharesOnTheCPU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &endless{models: map[Lane][]string{"audio": {"a"}, "image": {"i", "j"}, "video": {"v"}}}
		all := e.starts(t, 200, Policy{})
		from := rapid.IntRange(0, 140).Draw(t, "from")
		n := counts(all[from : from+60])
		require.InDelta(t, 30, n["audio"], 2)
		require.InDelta(t, 20, n["image"], 2)
		require.InDelta(t, 10, n["video"], 2)
	})
}

// With switches at stake the shares hold within 8 starts, runs of one model are bounded, and switches are fewer than
// without affinity.
func TestSharesAndRunsOnTheGPU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := map[Lane][]string{"audio": {"a"}, "image": {"i", "j"}, "video": {"v"}}
		if rapid.Bool().Draw(t, "many") {
			models["audio"] = []string{"a", "b", "c"}
		}
		e := &endless{models: models, gpu: true}
		all := e.starts(t, 240, Policy{})
		from := rapid.IntRange(0, 180).Draw(t, "from")
		n := counts(all[from : from+60])
		require.InDelta(t, 30, n["audio"], 8)
		require.InDelta(t, 20, n["image"], 8)
		require.InDelta(t, 10, n["video"], 8)
		run, switches := 0, 0
		for i, job := range all {
			if i > 0 && all[i-1].Model == job.Model {
				run++
			} else {
				run, switches = 1, switches+1
			}
			require.LessOrEqual(t, run, defaultRunCap)
		}
		require.Less(t, switches, len(all)*2/3, "the loaded model is hardly used")
	})
}

// A job that has waited longer than MaxWait is next for its device, whatever its lane's share is.
func TestLongestWaitIsNext(t *testing.T) {
	old := Job{
		ID:       uuid.New(),
		Lane:     "video",
		Rank:     99,
		QueuedAt: start,
		Model:    "v",
		Device:   "hip:0",
		Need:     device.Memory{VRAM: 8 * gib},
	}
	v := View{
		Now:      start.Add(11 * time.Minute),
		Slots:    1,
		TotalRAM: gib,
		FreeRAM:  gib,
		Devices:  map[string]Device{"hip:0": {Free: 12 * gib, Total: 12 * gib}},
		Shares:   Shares{Pass: map[Lane]float64{"video": 1000}, Waited: map[Lane]bool{"video": true, "audio": true}},
	}
	for i := range 50 {
		v.Waiting = append(
			v.Waiting,
			Job{
				ID:       uuid.New(),
				Lane:     "audio",
				Rank:     float64(i),
				Priority: 10,
				QueuedAt: v.Now,
				Model:    "a",
				Device:   "hip:0",
				Need:     device.Memory{VRAM: gib},
			},
		)
	}
	v.Waiting = append(v.Waiting, old)
	require.Equal(t, old.ID, Pick(v, Policy{}).Job.ID)
	require.Equal(t, old.ID, Order(v, Policy{})[0])
	v.Now = start.Add(9 * time.Minute)
	require.NotEqual(t, old.ID, Pick(v, Policy{}).Job.ID)
}

// An overdue job that waits for a running one's memory is not overtaken for ever by small ones on its device, and does
// not stop the CPU.
func TestOverdueHoldsItsDevice(t *testing.T) {
	big := Job{
		ID:       uuid.New(),
		Lane:     "video",
		QueuedAt: start,
		Model:    "v",
		Device:   "hip:0",
		Need:     device.Memory{VRAM: 11 * gib},
	}
	small := Job{
		ID:       uuid.New(),
		Lane:     "audio",
		QueuedAt: start.Add(20 * time.Minute),
		Model:    "a",
		Device:   "hip:0",
		Need:     device.Memory{VRAM: gib},
	}
	cpu := Job{ID: uuid.New(), Lane: "audio", Rank: 2, QueuedAt: start.Add(20 * time.Minute), Model: "d", Device: "cpu"}
	v := View{Now: start.Add(20 * time.Minute), Slots: 3, Waiting: []Job{small, big}, TotalRAM: gib, FreeRAM: gib,
		Running: []Running{{ID: uuid.New(), Model: "a", Device: "hip:0", Need: device.Memory{VRAM: 4 * gib}}},
		Devices: map[string]Device{"hip:0": {Free: 8 * gib, Total: 12 * gib}}}
	d := Pick(v, Policy{})
	require.Nil(t, d.Job)
	require.Empty(t, d.NoMemory, "it waits for the device, not for memory")
	v.Waiting = append(v.Waiting, cpu)
	require.Equal(t, cpu.ID, Pick(v, Policy{}).Job.ID)
}

func TestMemory(t *testing.T) {
	job := Job{
		ID:       uuid.New(),
		Lane:     "image",
		QueuedAt: start,
		Model:    "flux",
		Device:   "hip:0",
		Need:     device.Memory{RAM: 6 * gib, VRAM: 9 * gib},
	}
	idle := Loaded{
		Model:      "tts",
		Device:     "hip:0",
		Idle:       true,
		IdleFor:    time.Minute,
		ReloadCost: 5 * time.Second,
		Holds:      device.Memory{RAM: 2 * gib, VRAM: 5 * gib},
	}
	base := View{
		Now:      start,
		Slots:    2,
		Waiting:  []Job{job},
		FreeRAM:  20 * gib,
		TotalRAM: 28 * gib,
		Devices:  map[string]Device{"hip:0": {Free: 12 * gib, Total: 12 * gib}},
	}
	for name, c := range map[string]struct {
		change     func(*View)
		starts     bool
		evicts     int
		noMemory   bool
		impossible bool
	}{
		"free card": {change: func(*View) {}, starts: true},
		"idle model gives way": {change: func(v *View) {
			v.Loaded, v.Devices = []Loaded{idle},
				devices(7*gib)
		}, starts: true, evicts: 1},
		"busy model does not": {change: func(v *View) {
			l := idle
			l.Idle = false
			v.Loaded,
				v.Devices = []Loaded{l}, devices(7*gib)
		}},
		"pinned model does not": {change: func(v *View) {
			l := idle
			l.Pinned = true
			v.Loaded,
				v.Devices = []Loaded{l}, devices(7*gib)
		}, noMemory: true},
		"nothing is evicted in vain": {change: func(v *View) {
			v.Loaded, v.Devices = []Loaded{idle},
				devices(2*gib)
		}, noMemory: true},
		"host memory short": {change: func(v *View) { v.FreeRAM = 5 * gib }, noMemory: true},
		"host memory short, idle evicted": {change: func(v *View) { v.FreeRAM = 5 * gib; v.Loaded = []Loaded{idle} },
			starts: true, evicts: 1},
		"another program has the card": {change: func(v *View) { v.Devices = devices(3 * gib) }, noMemory: true},
		"card too small for ever": {change: func(v *View) {
			v.Devices = map[string]Device{
				"hip:0": {Free: 8 * gib, Total: 8 * gib}}
		}, impossible: true},
		"no such card": {change: func(v *View) { v.Devices = nil }, impossible: true},
		"its own model is loaded": {change: func(v *View) {
			v.Loaded = []Loaded{{Model: "flux", Device: "hip:0", Idle: true}}
			v.Devices = devices(gib)
		}, starts: true},
		"a running job may still grow": {change: func(v *View) {
			v.Running = []Running{{ID: uuid.New(), Model: "x", Device: "hip:0", Need: device.Memory{VRAM: 6 * gib}}}
		}},
		"no slot": {change: func(v *View) { v.Slots = 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			v := base
			c.change(&v)
			d := Pick(v, Policy{})
			require.Equal(t, c.starts, d.Job != nil)
			require.Len(t, d.Evict, c.evicts)
			require.Equal(t, c.noMemory, len(d.NoMemory) > 0)
			require.Equal(t, c.impossible, len(d.Impossible) > 0)
		})
	}
}

// A job waits for memory only if other programs hold it, whatever runs, and says so until there is a little more than
// enough.
func TestABusyCardIsNotAShortageOfMemory(t *testing.T) {
	job := Job{
		ID:       uuid.New(),
		Lane:     "image",
		QueuedAt: start,
		Model:    "flux",
		Device:   "hip:0",
		Need:     device.Memory{RAM: 6 * gib, VRAM: 8 * gib},
	}
	v := View{
		Now:      start,
		Slots:    2,
		Waiting:  []Job{job},
		FreeRAM:  20 * gib,
		TotalRAM: 28 * gib,
		Devices:  devices(12 * gib),
	}
	short := func() []Short { return Pick(v, Policy{}).NoMemory }
	v.Running = []Running{{ID: uuid.New(), Model: "x", Device: "hip:0",
		Need: device.Memory{RAM: 4 * gib, VRAM: 9 * gib}}}
	for _, free := range []int64{12 * gib, 6 * gib, gib, 0} { // before, while and after it loads
		v.Devices = devices(free)
		require.Empty(t, short(), "%d free", free)
	}
	v.Running, v.Devices = nil, devices(7*gib)
	require.Equal(
		t,
		[]Short{{ID: job.ID, Device: "hip:0", Need: job.Need, Free: device.Memory{RAM: 20 * gib, VRAM: 7 * gib}}},
		short(),
	)
	v.Waiting[0].Short = true
	v.Devices = devices(8*gib + gib/4)
	require.Len(t, short(), 1, "a little more is not yet enough to say something else")
	require.NotNil(t, Pick(v, Policy{}).Job, "and enough to start")
	v.Devices = devices(9 * gib)
	require.Empty(t, short())
	v.Waiting[0].Short, v.Devices, v.Running = false, devices(
		2*gib,
	), []Running{
		{ID: uuid.New(), Model: "x", Device: "cpu", Need: device.Memory{RAM: gib}},
	}
	require.Len(t, short(), 1, "what runs elsewhere gives no memory of the card back")
}

func devices(free int64) map[string]Device {
	return map[string]Device{"hip:0": {Free: free, Total: 12 * gib}}
}

// Nothing is ever started that does not fit what is free and what its evictions free.
func TestOnlyJobsThatFitAreAdmitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := randomView(t)
		d := Pick(v, Policy{})
		if d.Job == nil || v.servedBy(*d.Job) {
			return
		}
		free := device.Memory{RAM: v.FreeRAM, VRAM: v.freeVRAM(d.Job.Device)}
		for _, l := range d.Evict {
			require.True(t, l.Idle && !l.Pinned)
			free.RAM += l.Holds.RAM
			if l.Device == d.Job.Device {
				free.VRAM += l.Holds.VRAM
			}
		}
		require.True(t, enough(free, d.Job.Need))
	})
}

func TestPickIsDeterministicAndPicksAWaitingJob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := randomView(t)
		first, second := Pick(v, Policy{}), Pick(v, Policy{})
		require.Equal(t, first, second)
		if first.Job != nil {
			require.Contains(t, v.Waiting, *first.Job)
		}
		order := Order(v, Policy{})
		require.Len(t, order, len(v.Waiting))
		seen := map[uuid.UUID]bool{}
		for _, id := range order {
			require.False(t, seen[id])
			seen[id] = true
		}
	})
}

// However jobs come, none waits for ever: a job's wait is bounded by MaxWait and the jobs that were overdue before it.
func TestNoStarvation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{MaxWait: 20 * time.Second}
		victim := Job{
			ID:       uuid.New(),
			Lane:     "video",
			Rank:     1,
			Priority: -10,
			QueuedAt: start,
			Model:    "v",
			Device:   "hip:0",
			Need:     device.Memory{VRAM: 8 * gib},
		}
		waiting := []Job{victim}
		var shares Shares
		var loaded []Loaded
		for second := range 60 {
			now := start.Add(time.Duration(second) * time.Second)
			for range rapid.IntRange(1, 3).Draw(t, "arrivals") {
				waiting = append(
					waiting,
					Job{
						ID:       uuid.New(),
						Lane:     "audio",
						Priority: 10,
						Rank:     float64(second),
						QueuedAt: now,
						Model:    "a",
						Device:   "hip:0",
						Need:     device.Memory{VRAM: 8 * gib},
					},
				)
			}
			d := Pick(
				View{Now: now, Waiting: waiting, Loaded: loaded, TotalRAM: gib, FreeRAM: gib, Slots: 1, Shares: shares,
					Devices: map[string]Device{"hip:0": {Free: 12*gib - held(loaded), Total: 12 * gib}}},
				p,
			)
			require.NotNil(t, d.Job)
			if d.Job.ID == victim.ID {
				return
			}
			shares, loaded = d.Shares, []Loaded{{Model: d.Job.Model, Device: "hip:0", Idle: true, Holds: d.Job.Need}}
			for i, j := range waiting {
				if j.ID == d.Job.ID {
					waiting = append(waiting[:i:i], waiting[i+1:]...)
					break
				}
			}
		}
		t.Fatalf("the job never started")
	})
}

func TestPriorityAndRankWithinALane(t *testing.T) {
	v := View{Now: start, Slots: 1, TotalRAM: gib, FreeRAM: gib}
	for i, priority := range []int{0, 5, 5, -3} {
		v.Waiting = append(
			v.Waiting,
			Job{
				ID:       uuid.New(),
				Lane:     "audio",
				Priority: priority,
				Rank:     float64(10 - i),
				QueuedAt: start,
				Model:    "m",
				Device:   "cpu",
			},
		)
	}
	ids := func(order ...int) (list []uuid.UUID) {
		for _, i := range order {
			list = append(list, v.Waiting[i].ID)
		}
		return list
	}
	require.Equal(t, ids(2, 1, 0, 3), Order(v, Policy{}))
}

// A lane that was idle for long begins where the others are: it saved up nothing.
func TestIdleLaneEarnsNoCredit(t *testing.T) {
	shares := Shares{Pass: map[Lane]float64{"audio": 100, "video": 0}, Waited: map[Lane]bool{"audio": true}}
	v := View{Now: start, Slots: 1, TotalRAM: gib, FreeRAM: gib, Shares: shares}
	for i := range 40 {
		lane := []Lane{"audio", "video"}[i%2]
		v.Waiting = append(
			v.Waiting,
			Job{ID: uuid.New(), Lane: lane, Rank: float64(i), QueuedAt: start, Model: string(lane), Device: "cpu"},
		)
	}
	lanes := map[uuid.UUID]Lane{}
	for _, j := range v.Waiting {
		lanes[j.ID] = j.Lane
	}
	videos := 0
	for _, id := range Order(v, Policy{})[:12] {
		if lanes[id] == "video" {
			videos++
		}
	}
	require.InDelta(t, 3, videos, 1)
}

func randomView(t *rapid.T) View {
	memory := func(name string) device.Memory {
		return device.Memory{
			RAM:  rapid.Int64Range(0, 16).Draw(t, name+" ram") * gib,
			VRAM: rapid.Int64Range(0, 14).Draw(t, name+" vram") * gib,
		}
	}
	device := func(name string) string { return rapid.SampledFrom([]string{"cpu", "hip:0", "hip:1"}).Draw(t, name) }
	model := func(name string) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, name) }
	v := View{
		Now:      start,
		FreeRAM:  rapid.Int64Range(0, 24).Draw(t, "free") * gib,
		TotalRAM: 24 * gib,
		Slots:    rapid.IntRange(0, 3).Draw(t, "slots"),
		Devices: map[string]Device{
			"hip:0": {Free: rapid.Int64Range(0, 12).Draw(t, "free0") * gib, Total: 12 * gib},
			"hip:1": {Free: 8 * gib, Total: 8 * gib},
		},
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "waiting") {
		v.Waiting = append(
			v.Waiting,
			Job{
				ID:   uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)),
				Lane: rapid.SampledFrom([]Lane{"audio", "image", "video"}).Draw(t, "lane"),
				Priority: rapid.IntRange(-2, 2).
					Draw(t, "priority"),
				Rank: float64(
					i,
				),
				QueuedAt: start.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Minute),
				Model:    model("model"),
				Device:   device("device"),
				Need:     memory("need"),
			},
		)
	}
	for range rapid.IntRange(0, 3).Draw(t, "running") {
		v.Running = append(
			v.Running,
			Running{ID: uuid.New(), Model: model("m"), Device: device("d"), Need: memory("r")},
		)
	}
	for range rapid.IntRange(0, 4).Draw(t, "loaded") {
		v.Loaded = append(
			v.Loaded,
			Loaded{
				Model:  model("lm"),
				Device: device("ld"),
				Idle:   rapid.Bool().Draw(t, "idle"),
				Pinned: rapid.Bool().Draw(t, "pinned"),
				IdleFor: time.Duration(
					rapid.IntRange(0, 100).Draw(t, "idle for"),
				) * time.Second,
				ReloadCost: time.Duration(rapid.IntRange(0, 60).Draw(t, "cost")) * time.Second,
				Holds:      memory("holds"),
			},
		)
	}
	return v
}

// The order that users see is the order in which the rule would pick, one by one.
func TestOrderMatchesPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := randomView(t)
		v.Running, v.Loaded, v.Slots, v.TotalRAM, v.FreeRAM = nil, nil, 1, 100*gib, 100*gib
		v.Devices = map[string]Device{
			"cpu":   {Free: 100 * gib, Total: 100 * gib},
			"hip:0": {Free: 100 * gib, Total: 100 * gib},
			"hip:1": {Free: 100 * gib, Total: 100 * gib},
		}
		picked := []uuid.UUID{}
		step := v
		for len(step.Waiting) > 0 {
			d := Pick(step, Policy{})
			require.NotNil(t, d.Job)
			picked = append(picked, d.Job.ID)
			rest := make([]Job, 0, len(step.Waiting))
			for _, j := range step.Waiting {
				if j.ID != d.Job.ID {
					rest = append(rest, j)
				}
			}
			step.Waiting, step.Shares = rest, d.Shares
			if d.Job.Need.VRAM > 0 {
				var loaded []Loaded
				for _, l := range step.Loaded {
					if l.Device != d.Job.Device {
						loaded = append(loaded, l)
					}
				}
				step.Loaded = append(loaded, Loaded{Model: d.Job.Model, Device: d.Job.Device, Idle: true})
			}
		}
		require.Equal(t, picked, Order(v, Policy{}))
	})
}

func BenchmarkOrder(b *testing.B) {
	v := View{Now: start}
	for i := range 5000 {
		v.Waiting = append(
			v.Waiting,
			Job{
				ID:       uuid.New(),
				Lane:     []Lane{"audio", "image", "video"}[i%3],
				Rank:     float64(i),
				QueuedAt: start,
				Model:    fmt.Sprint(i % 4),
				Device:   "hip:0",
				Need:     device.Memory{VRAM: gib},
			},
		)
	}
	for b.Loop() {
		Order(v, Policy{})
	}
}
