// Package lifecycle starts services in order and stops them in reverse.
//
// Each service has a context of its own, because the order of stopping matters: the cluster must outlive the last
// fenced write, and the hub the last subscriber. When one service fails, or the caller's context ends, all are
// stopped, last started first, and each is waited for before the next is told.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Stack is a set of running services.
type Stack struct {
	log      *slog.Logger
	services []*service
	failed   chan error
}

type service struct {
	name  string
	stop  context.CancelFunc
	ended chan struct{}
}

// New makes an empty stack.
func New(log *slog.Logger) *Stack { return &Stack{log: log, failed: make(chan error, 1)} }

// Start starts a service. serve returns when its context has ended; if it returns earlier, with or without an error,
// the stack stops.
func (s *Stack) Start(name string, serve func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	entry := &service{name: name, stop: cancel, ended: make(chan struct{})}
	s.services = append(s.services, entry)
	go func() {
		defer close(entry.ended)
		err := serve(ctx)
		if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return
		}
		if err == nil {
			err = errors.New("ended by itself")
		}
		select {
		case s.failed <- fmt.Errorf("%s: %w", name, err):
		default:
		}
	}()
}

// Wait returns when ctx has ended (with nil) or a service has failed (with its error), after everything has been
// stopped.
func (s *Stack) Wait(ctx context.Context) error {
	var cause error
	select {
	case <-ctx.Done():
	case cause = <-s.failed:
		s.log.Error("a part of the studio failed; stopping", "err", cause)
	}
	s.Stop()
	return cause
}

// Stop stops every service, last started first.
func (s *Stack) Stop() {
	for i := len(s.services) - 1; i >= 0; i-- {
		entry := s.services[i]
		s.log.Debug("stopping", "service", entry.name)
		entry.stop()
		<-entry.ended
	}
	s.services = nil
}
