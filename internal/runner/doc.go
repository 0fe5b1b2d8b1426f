// Package runner carries jobs from the queue through a sidecar to their result, on one node.
//
// One dispatcher goroutine decides. In each scheduling pass it asks the scheduler which job of the queue starts next,
// claims that job by compare-and-set and gives it a goroutine of its own (attempt). It is woken by submits on this
// node, by River tickets, by a job's end and once a second. It keeps the queue as it read it last (known.go): a job
// that is submitted while a slot is free is claimed without another reading, and so is the next job of a slot that
// becomes free.
//
// A River ticket names no job. A claim takes a ticket that River has not fetched with it; the worker of a fetched one
// wakes the dispatcher and holds the ticket until something has started or nothing waits.
//
// An attempt is one function per stage: stage the inputs, get the engine ready, run, keep segments, finish the files,
// write the outcome. Whatever ends it is turned into one call of the jobs service in outcome.go; a call that finds the
// job of another attempt (jobs.ErrFenced) throws this run's files away.
package runner
