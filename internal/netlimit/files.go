package netlimit

import "golang.org/x/sys/unix"

// reserve is how many descriptors stay free for everything but connections: the database, sidecars, files of jobs.
const reserve = 256

// Affordable is how many connections this process can hold when each may have a file beside it, with the open files that it
// may have in all. At most wanted, at least 16. Go's runtime has raised the soft limit to the hard one.
func Affordable(wanted int) (connections int, openFiles uint64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return wanted, 0
	}
	const fewest, each = 16, 2
	if limit.Cur >= uint64(wanted)*each+reserve {
		return wanted, limit.Cur
	}
	if limit.Cur <= reserve+fewest*each {
		return fewest, limit.Cur
	}
	return int(limit.Cur-reserve) / each, limit.Cur
}
