package app

import (
	"os"
	"runtime/debug"
)

// limitMemory tells Go's collector how much this process should stay below. GOMEMLIMIT, which the runtime has read,
// wins.
func (a *App) limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(a.memoryLimit())
	}
}

// memoryLimit in bytes: the setting, or a share of the computer's memory.
func (a *App) memoryLimit() int64 {
	if limit := int64(a.config.Server.MemoryLimit); limit > 0 {
		return limit
	}
	const share, least, most = 8, 1 << 30, 4 << 30
	total, _, err := a.host.Memory()
	if err != nil {
		total = 0
	}
	return min(max(total/share, least), most)
}
