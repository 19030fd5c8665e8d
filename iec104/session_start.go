package iec104

import (
	"context"
	"fmt"
)

// startRequested runs when STARTDT act came: the application is asked on a
// goroutine of its own. conn.mu is held.
func (s *Session) startRequested() {
	s.startCtx, s.cancelStart = context.WithCancel(context.Background())
	if !s.starter && !s.closing {
		s.starter = true
		s.others.Add(1)
		go s.start()
	}
}

// stopped runs when the link was stopped or closed. conn.mu is held.
func (s *Session) stopped() {
	if s.cancelStart != nil {
		s.cancelStart()
	}
}

// start asks for permission and starts the link, until no STARTDT act is
// waiting: a client may take one back and send another while we ask.
func (s *Session) start() {
	defer s.others.Done()
	defer s.caught()
	for {
		s.mu.Lock()
		if s.link.state != Starting || s.closing || s.reason.Load() != nil {
			s.starter = false
			s.mu.Unlock()
			return
		}
		ctx := s.startCtx
		s.mu.Unlock()
		err := s.group.allowStart(ctx, s)
		if err == nil {
			s.group.start(s)
		} else if ctx.Err() == nil {
			s.fail(fmt.Errorf("%w: %w", ErrVeto, err))
			return
		}
	}
}

// confirm sends STARTDT con and returns false if the client has gone or taken
// back its act.
func (s *Session) confirm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := s.reason.Load() == nil && s.link.confirmStart()
	s.carryOut(s.now())
	return ok
}

// feed gives the started link its source, which is stopped at once if the link
// isn't started any more.
func (s *Session) feed(source Source) {
	s.mu.Lock()
	ok := s.link.state == Started && !s.closing
	if ok {
		s.outbox.source = source
		s.kick()
	}
	err := s.Err()
	s.mu.Unlock()
	if !ok {
		source.Stopped(err)
	}
}

// supersede closes the link if it is started, and waits until its source has
// been stopped.
func (s *Session) supersede() {
	if st := s.State(); st == Started || st == Stopping {
		s.fail(ErrSuperseded)
	}
	s.awaitSource()
}

// awaitSource waits until the source of the last start has been stopped.
func (s *Session) awaitSource() {
	if s.await(context.Background(), func() bool { return s.outbox.source == nil }) != nil {
		<-s.detached
	}
}
