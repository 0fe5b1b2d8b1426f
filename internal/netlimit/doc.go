// Package netlimit bounds what a connection may cost: how long a peer may send or take nothing, how much of a refused
// body is read, and how many connections there are.
//
// Limits.Handler paces the bodies of requests and sees that an answer that is given before the whole body was read
// reaches the caller. Listener paces answers and caps connections. Both count progress, not time: a slow transfer that goes
// on is never cut, however long it takes.
package netlimit
