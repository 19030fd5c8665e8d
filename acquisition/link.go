package acquisition

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/acquisition/internal/ledger"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/panics"
)

// acknowledgeWithin is how long an acknowledgement of what is committed waits for more of it. t2 allows more, but all that
// isn't acknowledged when another FEP takes over is sent again.
const acknowledgeWithin = 200 * time.Millisecond

// session is one connection to a link: held stopped, or started within a tenure.
type session struct {
	key       linkKey
	address   string
	client    *iec104.Client
	collector atomic.Pointer[collector] // nil while it's held
	heard     atomic.Int64              // when the last ASDU came, or TESTFR was confirmed, by the worker's clock, ns
	silent    bool                      // TESTFR was not confirmed in time; the worker's loop's
	turn      chan struct{}             // 1 long: has room for whoever asks the device something that takes time
	slots     []slot                    // by place of the sector
	ledger    ledger.Ledger
}

// slot is what a session knows of a sector.
type slot struct {
	again chan struct{} // 1 long: it's to be interrogated
	event time.Time     // when its newest event with a time tag came; guarded by the sector's pipeline
}

func newSession(k linkKey, address string, sectors int) *session {
	s := &session{key: k, address: address, turn: make(chan struct{}, 1), slots: make([]slot, sectors)}
	for i := range s.slots {
		s.slots[i].again = make(chan struct{}, 1)
	}
	return s
}

func (s *session) String() string {
	return fmt.Sprintf("link %d:%d %s", s.key.channel+1, s.key.link+1, s.address)
}

// handle gets what the device sends.
func (s *session) handle(_ *iec104.Client, a asdu.ASDU, index uint64) {
	t := s.collector.Load()
	if t == nil {
		return
	}
	s.heard.Store(int64(t.w.now()))
	place, known := t.w.sectorOf(a.CommonAddress)
	if a.Type == asdu.M_EI_NA_1 {
		if known {
			s.askAgain(place)
		} else {
			s.askAll()
		}
	}
	p := t.parts[place]
	if a.Type.IsFile() && p.files != nil && known {
		p.files.Receive(s, a)
		p.pipeline.receiveFile(s, index)
		return
	}
	p.pipeline.receive(s, a, index)
}

// askAgain has a sector interrogated.
func (s *session) askAgain(place int) {
	select {
	case s.slots[place].again <- struct{}{}:
	default:
	}
}

// askAll has all sectors interrogated.
func (s *session) askAll() {
	for i := range s.slots {
		s.askAgain(i)
	}
}

// malformed gets what the device sends and what can't be parsed.
func (s *session) malformed(_ *iec104.Client, octets []byte, index uint64, err error) {
	if t := s.collector.Load(); t != nil {
		t.parts[t.w.sectorOfOctets(octets)].pipeline.receiveMalformed(s, octets, index, err)
	}
}

// guard is asked before each write to the link once it is to be started.
func (s *session) guard() error {
	t := s.collector.Load()
	if t == nil {
		return ErrEnded
	}
	return t.tenure.Check()
}

// acknowledge tells the device what is committed, now that everything for a sector is up to this ASDU.
func (s *session) acknowledge(sector int, upTo uint64) { s.ledger.Commit(sector, upTo, s.client.Ack) }

// What links tell their worker.
type (
	connectedEvent struct{ session *session }
	startedEvent   struct{ session *session }
	waitingEvent   struct{ session *session } // STARTDT has not been confirmed for a while
	lostEvent      struct {
		key linkKey
		err error
	}
	checkedEvent struct {
		key linkKey
		err error // nil: reachable
	}
)

// connect runs a connection to a link from the attempt to its end.
func (w *worker) connect(k linkKey) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.cancels[k] = cancel
	w.wg.Go(func() {
		defer cancel()
		w.post(lostEvent{k, w.keep(ctx, k)})
	})
}

// keep connects, tells the worker, and stays until the connection is gone or ctx ends. It returns why it's gone.
func (w *worker) keep(ctx context.Context, k linkKey) error {
	s := newSession(k, w.address(k), len(w.sectors))
	cfg := iec104.ClientConfig{
		Config:     w.rtu.Protocol,
		Address:    s.address,
		Dial:       w.env.Dial,
		Handle:     s.handle,
		Malformed:  s.malformed,
		WriteGuard: s.guard,
		Tap:        w.tap(k),
	}
	if w.rtu.TLS != nil {
		cfg.TLS = w.rtu.TLS.Client()
	}
	cfg.ManualAck, cfg.RepeatStart = true, true
	cfg.Panicked = func(v any, stack []byte) { panics.Note(w.log, "link of an RTU", v, stack) }
	cfg.T2 = min(cfg.T2, acknowledgeWithin)
	client, err := iec104.Dial(ctx, cfg)
	if err != nil {
		return err
	}
	s.client = client
	if w.env.OnCarrierLoss != nil {
		stop := w.env.OnCarrierLoss(client.LocalAddr().Addr(), client.Abort)
		defer stop()
	}
	w.post(connectedEvent{s})
	select {
	case <-client.Done():
	case <-ctx.Done():
		client.Close()
	}
	<-client.Done()
	return client.Err()
}

// check connects to a link and closes at once.
func (w *worker) check(k linkKey) {
	ctx, cancel := context.WithTimeout(w.ctx, w.rtu.Protocol.T0)
	w.wg.Go(func() {
		defer cancel()
		dial := w.env.Dial
		if dial == nil {
			dial = new(net.Dialer).DialContext
		}
		c, err := dial(ctx, "tcp", w.address(k))
		if err == nil {
			c.Close()
		}
		w.post(checkedEvent{k, err})
	})
}

func (w *worker) address(k linkKey) string { return w.rtu.Channels[k.channel].Links[k.link] }

// tap is who wants to see the frames of a link.
func (w *worker) tap(k linkKey) iec104.Tap {
	if w.env.Tap == nil {
		return nil
	}
	return w.env.Tap(LinkID{w.rtu.Number, k.channel + 1, k.link + 1})
}

const (
	// aliveWithin is how long a silent link may take to confirm TESTFR before the RTU goes to another FEP that reaches it.
	aliveWithin = time.Second

	// doubtAfter is how long it may take before the others are told, so that they find out whether they reach the device:
	// what they had found out before may have the same cause.
	doubtAfter = 300 * time.Millisecond
)

// ErrSilent: a link has not confirmed TESTFR, and the other FEP reaches the device.
var ErrSilent = errors.New("link is silent, and the other FEP reaches the device")

// doubtEvent says that a session is asked whether it's alive, and what came of that.
type doubtEvent struct {
	session *session
	doubted bool
	silent  bool
}

// checkAlive challenges a started session whenever it has been silent for LinkCheck, until it ends. TCP alone would find out
// after t3 and t1, some 35 s, that a cable was pulled beyond the next switch.
func (w *worker) checkAlive(ctx context.Context, s *session) {
	if w.rtu.LinkCheck <= 0 {
		return
	}
	s.heard.Store(int64(w.now()))
	timer := time.NewTimer(w.rtu.LinkCheck)
	defer timer.Stop()
	doubted := false
	for {
		select {
		case <-timer.C:
		case <-s.client.Done():
			return
		case <-ctx.Done():
			return
		}
		if left := w.rtu.LinkCheck - (w.now() - time.Duration(s.heard.Load())); left > 0 {
			if doubted { // an ASDU came instead of the confirmation
				doubted = false
				w.post(doubtEvent{session: s})
			}
			timer.Reset(left)
			continue
		}
		confirmed := w.challenge(ctx, s, doubtAfter)
		if !confirmed && !doubted {
			w.post(doubtEvent{session: s, doubted: true})
			doubted = true
			confirmed = w.challenge(ctx, s, aliveWithin-doubtAfter)
		}
		switch {
		case confirmed && doubted:
			doubted = false
			w.post(doubtEvent{session: s})
		case !confirmed:
			w.post(doubtEvent{session: s, doubted: true, silent: true})
		}
		timer.Reset(min(w.rtu.LinkCheck, aliveWithin))
	}
}

// challenge tells whether a session confirms TESTFR within a time.
func (w *worker) challenge(ctx context.Context, s *session, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if s.client.Challenge(ctx) != nil {
		return false
	}
	s.heard.Store(int64(w.now()))
	return true
}

// leaveSilent closes a silent link once another FEP is known to reach the device: then the leader moves the RTU there. While
// both are silent nothing moves.
func (w *worker) leaveSilent(s *seen) {
	if w.collector == nil || !s.peerGood {
		return
	}
	for _, session := range w.collector.started {
		if session.silent {
			session.client.Abort(ErrSilent)
		}
	}
}

// examine finds out over which other links this FEP reaches the device, since the started one, here or elsewhere, is silent, or
// has lost its carrier.
func (w *worker) examine(now time.Duration) {
	challenge := w.seq.examine(now)
	w.rouse() // what is doubted is to be told
	for _, k := range challenge {
		s := w.sessions[k]
		w.wg.Go(func() {
			if w.challenge(w.ctx, s, aliveWithin) {
				w.post(doubtEvent{session: s})
			} else {
				s.client.Abort(ErrSilent)
			}
		})
	}
}
