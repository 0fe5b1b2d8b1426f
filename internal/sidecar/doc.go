// Package sidecar starts and watches the long-lived Python processes that hold the models, and speaks the sidecar
// protocol with them: JSON-RPC 2.0, one message a line, over stdin and stdout.
//
// A Pool owns every process. Acquire gives one as an exclusive Lease: an idle process that already holds the model,
// else a spare that has done its imports, else a new one. Lease.Run sends one run and returns its verified files.
// Between leases a process stays loaded until Evict ends it; only a process that has ended is trusted to have freed a
// card.
//
// # Ownership
//
// One goroutine per process (life.loop) owns the state of that process: what is in flight, how far the cancel ladder
// is, when the phase last moved, why it was killed. Everything else talks to it: a reader goroutine gives it frames and
// never stops draining, a writer goroutine takes frames to stdin under a deadline, a waiter tells it about the exit
// before the process is reaped (so that its group can be killed while the number is still ours), leases send it
// closures. Handlers of a run are called in the goroutine of Lease.Run, so a slow handler delays neither a cancel nor a
// hang limit.
//
// Processes are started by one goroutine that is locked to its thread for the life of the Pool, since the parent-death
// signal follows the thread and not the process.
//
// # How a process ends
//
// Asked (shutdown, Evict), canceled (flag, SIGTERM, SIGKILL; while loading at once), hung (phase limit or no sign of
// life), killed by the memory guard, for breaking the protocol, or by itself. The first cause is kept and is what the
// caller gets: ErrCanceled, *HangError, *GuardError, *EngineError, *CrashError. In every case the whole process group
// is killed, and then whatever else carries the process's token in its environment. If this server is killed, the
// kernel kills the sidecar; what even that leaves (a child of a sidecar in a session of its own) is found by the orphan
// reaper at the next start, through the runtime files in <WorkDir>/sidecars.
//
// # Pure parts
//
// hang.go, cancel.go, breaker.go and the rules of guard.go are given the time and the numbers and own no clock. Their
// tests run in microseconds; the tests with real processes are in faults_test.go, with the program in sidecartest.
//
// Any program can stand in for an engine (`sidecars.<engine>.command`); internal/sidecar/conformance checks one.
package sidecar
