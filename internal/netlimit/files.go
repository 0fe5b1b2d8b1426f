package netlimit

import "golang.org/x/sys/unix"

// reserve is how many descriptors are kept for the database, sidecars and files of jobs.
const reserve = 256

// Affordable is how many connections this process can hold under its limit of open files, if each has one file open
// too: at most wanted, at least 16. Go's runtime has raised the soft limit to the hard one.
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
