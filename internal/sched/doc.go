// Package sched decides which job runs next on one node, and which loaded model goes for it.
//
// It is pure: Pick is a function from what waits, what runs, what is loaded and what is free to one decision. It owns
// no clock, no process and no row; its caller brings those. That is why its promises (shares of 3:2:1 over any 60
// starts, no wait beyond MaxWait, a bounded run of the loaded model, nothing admitted that does not fit) are property
// tests that run in milliseconds. design.md in this folder tells why the rule is a stride with a bounded lead.
package sched
