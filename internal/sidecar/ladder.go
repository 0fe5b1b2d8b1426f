package sidecar

import "time"

// ladder is how a canceled run ends: the flag in the sidecar, then SIGTERM, then SIGKILL to the group.
type ladder struct {
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

// start begins the ladder and tells whether it had not begun before: a second cancel changes nothing.
func (l *ladder) start(now time.Time) bool {
	if l.stage != notCanceled {
		return false
	}
	l.stage, l.since = flagged, now
	return true
}

func (l *ladder) active() bool { return l.stage != notCanceled }

// step tells the stage that was reached now, or notCanceled when nothing is to be done yet.
func (l *ladder) step(now time.Time) ladderStage {
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
