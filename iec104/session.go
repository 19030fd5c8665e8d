package iec104

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// Session is one client's connection to a [Server]. It is held stopped,
// answering TESTFR, until the client starts it. Its methods may be called from
// any goroutine; none waits for the network unless it takes a context.
type Session struct {
	conn
	id     uint64
	name   string // of the client's certificate
	server *Server
	group  *group

	writeGuard func() error // nil: none. Set before the session begins

	answering map[answerKey]*atomic.Bool // of Station, on the dispatcher
	files     *filesRead                 // of Station, on the dispatcher

	// Guarded by conn.mu.
	starter     bool            // the goroutine of start is running
	startCtx    context.Context // of the STARTDT act that is not confirmed
	cancelStart context.CancelFunc
}

// ID numbers the sessions of a server from 1, in the order they came.
func (s *Session) ID() uint64 { return s.id }

// SetWriteGuard makes guard be asked right before every write to the socket of
// the started link, and before STARTDT con. An error closes the connection, and
// nothing is written. It is for AllowConnect, and for nothing after it.
func (s *Session) SetWriteGuard(guard func() error) { s.writeGuard = guard }

// Group is the name of the session's group.
func (s *Session) Group() string { return s.group.Name }

// CommonName is the subject's name in the client's certificate, if it has
// shown one that was verified.
func (s *Session) CommonName() string { return s.name }

// Send queues an ASDU that goes before all that the Source still has: an
// answer to the client. It copies the ASDU. It returns ErrNoRoom when 64 wait
// already, ErrNotStarted or ErrClosed. What is not sent when the link stops is
// dropped: an answer belongs to its link.
func (s *Session) Send(a asdu.ASDU) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sendable(); err != nil {
		return err
	}
	if len(s.outbox.asdus) >= maxOutgoing {
		return fmt.Errorf("%w: %d ASDUs wait to be sent to %v", ErrNoRoom, maxOutgoing, s.RemoteAddr())
	}
	s.outbox.asdus = append(s.outbox.asdus, outgoing{asdu: a.Clone()})
	s.kick()
	return nil
}

// Stream queues a series of ASDUs, such as the answer to an interrogation. It
// is drawn from as the window has room and the Source has nothing, so it never
// delays an event, and series follow one another. An ASDU may alias a buffer
// that is used anew for the next one. If the link stops, the rest is dropped.
// It returns ErrNoRoom when 64 series wait already, ErrNotStarted or ErrClosed.
func (s *Session) Stream(asdus iter.Seq[asdu.ASDU]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sendable(); err != nil {
		return err
	}
	if len(s.outbox.streams) >= maxOutgoing {
		return fmt.Errorf("%w: %d series wait to be sent to %v", ErrNoRoom, maxOutgoing, s.RemoteAddr())
	}
	s.outbox.streams = append(s.outbox.streams, &stream{seq: asdus})
	s.kick()
	return nil
}

// WindowClosed tells for how long k I-frames have waited for the client's acknowledgement, so that nothing more may be sent
// (5.1); 0 while there is room.
func (s *Session) WindowClosed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.windowClosed(s.now())
}

// Wake makes the link ask its Source again. It never waits.
func (s *Session) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kick()
}

func (s *Session) malformed([]byte, uint64, error) bool { return false }

func (s *Session) handle(a asdu.ASDU, index uint64) {
	if s.group.Handle != nil {
		s.group.Handle(s, a, index)
	}
}

func (s *Session) guard() error {
	if s.writeGuard == nil {
		return nil
	}
	return s.writeGuard()
}

func (s *Session) closed(err error) {
	s.endFile()
	s.group.ended(s)
	s.server.ended(s, err)
	if s.group.Closed != nil {
		s.group.Closed(s, err)
	}
}

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
