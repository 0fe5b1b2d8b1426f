package netlimit

import (
	"errors"
	"log/slog"
	"time"
)

// ErrSlow ends the reading of a body that stops or arrives more slowly than MinRate.
var ErrSlow = errors.New("netlimit: the request arrives too slowly")

// Limits of one server. The zero value has the defaults.
type Limits struct {
	// ReadPause is the longest time in which nothing of a body arrives. Default 30 s.
	ReadPause time.Duration
	// WritePause is the longest time in which a peer takes nothing of an answer. Default 30 s.
	WritePause time.Duration
	// MinRate is the lowest average rate in bytes a second: of a body over ReadPause, and of an answer whose
	// reader is slow over WritePause. Default 1 KiB.
	MinRate int64
	// DrainBytes and DrainTime bound how much of a refused body is read, and for how long. It is read so that its
	// sender sees the answer and not a broken connection. Defaults 1 GiB and one minute.
	DrainBytes int64
	DrainTime  time.Duration
	// MaxConnections in all, and of one remote address that is not this computer. Defaults 512 and 256.
	MaxConnections, MaxPerAddress int
	// Log takes failures to accept connections. Default: nothing is logged.
	Log *slog.Logger
}

const (
	defaultPause     = 30 * time.Second
	defaultMinRate   = 1 << 10
	defaultDrain     = 1 << 30
	defaultDrainTime = time.Minute
	defaultConns     = 512
	defaultPerHost   = 256
	// drainPause is the longest pause of a body that is only read to be thrown away.
	drainPause = 5 * time.Second
)

func (l Limits) withDefaults() Limits {
	orElse(&l.ReadPause, defaultPause)
	orElse(&l.WritePause, defaultPause)
	orElse(&l.MinRate, defaultMinRate)
	orElse(&l.DrainBytes, defaultDrain)
	orElse(&l.DrainTime, defaultDrainTime)
	orElse(&l.MaxConnections, defaultConns)
	orElse(&l.MaxPerAddress, defaultPerHost)
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	return l
}

func orElse[T int | int64 | time.Duration](value *T, otherwise T) {
	if *value <= 0 {
		*value = otherwise
	}
}

// enough says whether a transfer keeps to the rate.
func (l Limits) enough(bytes int64, in time.Duration) bool {
	return float64(bytes) >= float64(l.MinRate)*in.Seconds()
}
