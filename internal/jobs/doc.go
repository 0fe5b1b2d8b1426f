// Package jobs is the domain: jobs, their states, and every transition between those.
//
// The tables hold the truth and each transition is one transaction whose last statement appends its events, so that a
// reader of the events table sees transitions in commit order. A running attempt is known by its fence, a number that
// grows with every claim: every write for a run names the fence, and a write that no longer owns the job changes
// nothing and fails with ErrFenced. So a process that was paused for a minute, or that lost its database and came back,
// can never finish a job that another process has taken over.
//
// The ways of a job:
//
//	Submit -> queued -> Claim -> processing -> Finish | Fail | Canceled
//	                       ^---- Requeue (a fault, a soft stop), Reap, Recover (the node died)
//	failed | canceled -> Retry -> queued
//
// The transaction that makes a job runnable inserts its River ticket too (package queue); the ticket names no job, the
// runner chooses with package sched.
package jobs
