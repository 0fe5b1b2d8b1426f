package sidecar

import "time"

// cancelLadder is how a canceled run ends: the flag in the sidecar, then SIGTERM, then SIGKILL to the group.
type cancelLadder struct {
	flag, term time.Duration
	stage      ladderStage
	since      time.Time
}

type ladderStage int

const (
	notCanceled ladderStage = iota
	flagged
	terminated
	killed
)

// start begins the cancel ladder and tells whether it had not begun before: a second cancel changes nothing.
func (l *cancelLadder) start(now time.Time) bool {
	if l.stage != notCanceled {
		return false
	}
	l.stage, l.since = flagged, now
	return true
}

func (l *cancelLadder) active() bool { return l.stage != notCanceled }

// step tells the stage that was reached now, or notCanceled when nothing is to be done yet.
func (l *cancelLadder) step(now time.Time) ladderStage {
	switch {
	case l.stage == flagged && now.Sub(l.since) >= l.flag:
		l.stage, l.since = terminated, now
	case l.stage == terminated && now.Sub(l.since) >= l.term:
		l.stage, l.since = killed, now
	default:
		return notCanceled
	}
	return l.stage
}
