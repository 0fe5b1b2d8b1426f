package sched

import (
	"time"

	"github.com/google/uuid"

	"github.com/apibr/studio/internal/device"
)

// Lane is a class of jobs with a share of the starts.
type Lane string

// Job is one that waits.
type Job struct {
	ID       uuid.UUID
	Lane     Lane
	Priority int       // higher first, within the lane
	Rank     float64   // lower first, within lane and priority
	QueuedAt time.Time // since when it waits

	// Model names what must be loaded: engine and model. Jobs of the same Model need no switch between them.
	Model string
	// Device is where it runs: "cpu", or a GPU such as "hip:0".
	Device string
	// Need is the peak that its plan declares or that was learned.
	Need device.Memory
	// Short says that it was in Decision.NoMemory the last time: it stays there until there is a little more than
	// enough.
	Short bool
}

// Short is a job that waits for memory: what it needs and what there could be for it now.
type Short struct {
	ID         uuid.UUID
	Device     string
	Need, Free device.Memory
}

// Running is a job at work.
type Running struct {
	ID     uuid.UUID
	Model  string
	Device string
	Need   device.Memory
}

// Loaded is a process that holds a model.
type Loaded struct {
	Model  string
	Device string
	// Idle says that no job uses it: it can serve one at once, or be evicted.
	Idle bool
	// IdleFor is how long it has been idle.
	IdleFor time.Duration
	// ReloadCost is how long loading it again takes.
	ReloadCost time.Duration
	// Holds is what evicting it frees.
	Holds device.Memory
	// Pinned keeps it from being evicted.
	Pinned bool
}

// Device is a GPU's memory.
type Device struct {
	// Free is measured: what the driver says is free, and no more than the total less our own accounting.
	Free int64
	// Total is what the studio may use of it.
	Total int64
}

// View is everything a decision rests on.
type View struct {
	Now     time.Time
	Waiting []Job
	Running []Running
	Loaded  []Loaded
	// FreeRAM is what may be taken without touching the reserve; TotalRAM what could be taken if nothing else ran.
	FreeRAM  int64
	TotalRAM int64
	// Devices by name; "cpu" needs no entry.
	Devices map[string]Device
	// Slots is how many jobs this node runs at once.
	Slots int
	// Shares is what Decision.Shares of the last start was.
	Shares Shares
}

// Policy is the configured part of the rule.
type Policy struct {
	// Weights by lane. Default audio 3, image 2, video 1; a lane without one has 1.
	Weights map[Lane]int
	// MaxWait makes a job that has waited longer the next pick for its device. Default 10 minutes.
	MaxWait time.Duration
	// RunCap is how many jobs in a row a loaded model may serve while others wait for the device. Default 8.
	RunCap int
	// LookAhead is how many jobs of a lane may be passed over for one whose model is loaded. Default 32.
	LookAhead int
}

// Shares is the memory of the fair share: how far each lane is, and how long the loaded model has run on.
type Shares struct {
	// Pass is a lane's virtual time: it grows by 1/weight with each start.
	Pass map[Lane]float64
	// Waited are the lanes that had a job at the last start.
	Waited map[Lane]bool
	// Run counts starts in a row of one model, by device.
	Run map[string]Run
}

// Run is a stretch of starts of the same model.
type Run struct {
	Model  string
	Length int
}

// Decision is what to do now.
type Decision struct {
	// Job to start; nil when nothing can be.
	Job *Job
	// Evict these first, so that it fits.
	Evict []Loaded
	// NoMemory are the jobs that would not fit even if nothing of the studio's ran: other programs hold what they need.
	// A job that fits and waits for a busy device, or for memory that a running job will give back, is not among them.
	NoMemory []Short
	// Impossible are the jobs that this node can never run, with what it could give at most.
	Impossible map[uuid.UUID]device.Memory
	// Shares to bring to the next Pick if the job is started.
	Shares Shares
}
