// Package netlimit bounds what a connection may cost: how long a peer may send or take nothing, how much of a refused
// body is read, and how many connections are open.
//
// Limits.Handler paces the bodies of requests, and makes sure that an answer reaches the caller even when it is given
// before the whole body was read. Listener paces answers and caps connections. Both count progress, not time: a slow
// transfer that makes progress is never cut, however long it takes.
package netlimit
