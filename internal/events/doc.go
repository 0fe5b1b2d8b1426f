// Package events carries events to their listeners: browsers over WebSockets, clients over SSE, the other nodes.
//
// State events are rows of table events. Their numbers come from one counter row that is updated as the last statement
// of a transaction, so they are gap-free and in commit order; a reader that has seen N reads "seq > N" and has missed
// nothing. NOTIFY only wakes readers: it is sent after the commit, in a transaction of its own (inside, it would make
// Postgres commit one such transaction after the other), and when one gets lost the poll a second later finds the
// rows.
//
// Progress and previews are not stored. The newest wins: at most 10 progress messages and 2 previews a second and job
// reach a subscriber, and a subscriber that is too slow loses progress, never state. One that cannot even keep up with
// state is closed and resumes by number. Between nodes progress travels as notifications, at most two a second and
// job.
package events
