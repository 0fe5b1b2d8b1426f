// Package runner carries jobs from the queue through a sidecar to their result, on one node.
//
// One dispatcher goroutine decides: it looks at the whole queue, asks the scheduler, claims by compare-and-set and
// gives the claimed job a goroutine of its own (attempt). It is woken by submits on this node, by River tickets, by a
// job's end and once a second. A River ticket therefore names no job; its worker only wakes the dispatcher and holds
// the ticket until something started or nothing waits.
//
// An attempt is one function per stage: stage the inputs, get the engine ready, run, keep segments, finish the files,
// write the outcome. Whatever ends it is turned into one call of the jobs service in outcome.go; a call that finds the
// job in other hands (jobs.ErrFenced) throws this run's files away.
package runner
