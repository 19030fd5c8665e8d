package channeltab

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/udp"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/loglimit"
	"github.com/fepha/fepha/internal/panics"
)

// Status is how a station stands.
type Status struct {
	State   State
	Outcome Outcome        // of the centre's last answer
	CN      chantable.CN   // channel number in force; 0: none was ever assigned
	Address netip.AddrPort // it listens at
	Centre  netip.AddrPort // it registers at
	Level   uint8          // of the centre that answered last

	Table    uint64 // identity of the table that the copy follows; 0: none yet
	Version  uint64 // the latest version heard of
	Complete bool   // the copy has all of it
	Hears    bool   // the table has come by multicast lately
	Stations int    // in the copy
	Waiting  int    // messages not yet acknowledged
}

// Station takes part in the network: it is registered, keeps its copy of the table, sends and receives. Its methods may
// be called from several goroutines.
type Station struct {
	sockets *udp.Sockets
	file    string
	log     *slog.Logger
	done    chan struct{}
	running sync.WaitGroup
	closing sync.Once
	closed  error
	saving  sync.Mutex // held while the file is written

	mu      sync.Mutex // guards all below
	core    *core.Station
	timer   *time.Timer
	waiting map[uint64]chan error // for the outcome of a message, by handle
	arrived chan struct{}         // closed and replaced when the inbox may have got something
	turned  chan struct{}         // closed and replaced when the state has changed
	state   State
	kept    uint64 // the follower's changes when the copy was last saved
	refused uint64 // datagrams that the system would not send
}

// OpenStation starts a station. It returns once its sockets are open, before any centre has answered. A saved copy that
// is damaged is logged and done without.
func OpenStation(cfg StationConfig) (*Station, error) {
	setup, err := cfg.setup()
	if err != nil {
		return nil, err
	}
	s := &Station{
		file: cfg.CopyFile, log: cfg.Log, done: make(chan struct{}), waiting: map[uint64]chan error{},
		arrived: make(chan struct{}), turned: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = loglimit.New(s.log) // a centre may take a station and lose it as often as it likes
	var held *saved
	if s.file != "" {
		if held, err = load(s.file, cfg.ID); err != nil {
			s.log.Warn("FNP station begins without its saved copy", "error", err)
		}
	}
	now := time.Now()
	identify(&setup, cfg, held, now)
	if s.file != "" {
		// Before anyone hears of this epoch: a station that starts anew must not come with one it had before.
		if err := store(s.file, savedOf(&setup).encode()); err != nil {
			return nil, err
		}
	}
	if s.sockets, err = udp.Open(cfg.Listen, cfg.Multicast); err != nil {
		return nil, err
	}
	if !setup.Address.IsValid() {
		bound := s.sockets.Own.LocalAddr().(*net.UDPAddr).AddrPort()
		setup.Address = netip.AddrPortFrom(bound.Addr().Unmap().WithZone(""), bound.Port())
	}
	if cfg.Guard != nil {
		s.sockets.Guard = cfg.Guard
	}
	s.core = core.NewStation(now, setup)
	s.timer = time.NewTimer(0)
	s.running.Go(s.run)
	s.running.Go(func() { udp.Read(s.sockets.Own, func(from netip.AddrPort, b []byte) { s.receive(from, false, b) }) })
	if s.sockets.Group != nil {
		s.running.Go(func() { udp.Read(s.sockets.Group, func(from netip.AddrPort, b []byte) { s.receive(from, true, b) }) })
	}
	return s, nil
}

// run does what falls due, and saves.
func (s *Station) run() {
	defer s.timer.Stop()
	saving := time.NewTicker(s.core.Timing.SaveEvery)
	defer saving.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.timer.C:
			s.mu.Lock()
			s.work(time.Now())
			s.mu.Unlock()
		case <-saving.C:
			if err := s.Save(); err != nil {
				s.log.Error("FNP station can't save its copy", "error", err)
			}
		}
	}
}

func (s *Station) receive(from netip.AddrPort, multicast bool, b []byte) {
	defer panics.Keep(s.log, "FNP datagram")
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.core.Receive(now, from, multicast, b)
	s.work(now)
}

// work does what is due in the core and carries out what it wants done. It is called with mu held.
func (s *Station) work(now time.Time) {
	s.timer.Reset(max(0, s.core.Tick(now).Sub(now)))
	s.refused += s.sockets.Send(s.core.Out)
	s.core.Out = s.core.Out[:0]
	for _, d := range s.core.Settled {
		if w, ok := s.waiting[d.Handle]; ok {
			w <- d.Err
			delete(s.waiting, d.Handle)
		}
	}
	s.core.Settled = s.core.Settled[:0]
	if s.core.Inbox.Waiting() {
		close(s.arrived)
		s.arrived = make(chan struct{})
	}
	if r := &s.core.Reg; r.State != s.state {
		s.state = r.State
		s.log.Info("FNP station", "state", r.State, "outcome", r.Outcome, "cn", r.CN, "centre", r.Target())
		close(s.turned)
		s.turned = make(chan struct{})
	}
}

// SendData sends a message to the station on a channel and waits until it is acknowledged. Since the channel of a
// station may change, SendDataByID is the safer one. The error wraps ErrUnknownCN, or is one of SendDataByID.
func (s *Station) SendData(ctx context.Context, cn chantable.CN, payload []byte, stream Stream) error {
	s.mu.Lock()
	e, ok := s.core.Table.Copy.ByCN(cn)
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: %d", ErrUnknownCN, cn)
	}
	return s.SendDataByID(ctx, e.ID, payload, stream)
}

// SendDataByID sends a message of at most MaxMessage octets to a station and waits until it is acknowledged, which
// means that its application's Receive has it or will have it, or has kept it. The error wraps ErrUnknownID, ErrTooLong or ErrPoolFull,
// and then nothing was sent; or ErrNotAcknowledged, ErrInDoubt, ErrWrongStation, the context's or ErrClosed.
func (s *Station) SendDataByID(ctx context.Context, id chantable.ID, payload []byte, stream Stream) error {
	if stream >= wire.Streams {
		return fmt.Errorf("%w: stream %d", ErrConfig, stream)
	}
	settled := make(chan error, 1)
	s.mu.Lock()
	select {
	case <-s.done:
		s.mu.Unlock()
		return ErrClosed
	default:
	}
	now := time.Now()
	handle, err := s.core.Submit(now, id, slices.Clone(payload), stream)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.waiting[handle] = settled
	s.work(now)
	s.mu.Unlock()

	select {
	case err := <-settled:
		return err
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-settled: // while we waited for the lock
		return err
	default:
	}
	delete(s.waiting, handle)
	s.core.Pool.Cancel(handle)
	s.work(time.Now())
	return fmt.Errorf("channeltab: message to station %d: %w", id, ctx.Err())
}

// Receive waits for a message. The error is the context's or ErrClosed.
func (s *Station) Receive(ctx context.Context) (Message, error) {
	for {
		s.mu.Lock()
		m, ok := s.core.Inbox.Pop()
		arrived := s.arrived
		s.mu.Unlock()
		if ok {
			return m, nil
		}
		select {
		case <-arrived:
		case <-s.done:
			return Message{}, ErrClosed
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// Keep acknowledges a message of Receive, once, after the application has kept it. It's for a station with
// StationConfig.Kept.
func (s *Station) Keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.core.Settle(m)
	s.work(time.Now())
}

// Registered waits until the centre has granted the registration. The error is the context's, with the last outcome,
// or ErrClosed.
func (s *Station) Registered(ctx context.Context) error { return s.await(ctx, core.Registered) }

// Leave tells the centre that the station leaves and waits for its answer. After that, or when the context ends, the
// station can still send and receive, but is no longer registered. The error is the context's or ErrClosed.
func (s *Station) Leave(ctx context.Context) error {
	s.mu.Lock()
	now := time.Now()
	s.core.Leave(now)
	s.work(now)
	s.mu.Unlock()
	return s.await(ctx, core.Left)
}

func (s *Station) await(ctx context.Context, want State) error {
	for {
		s.mu.Lock()
		state, outcome, turned := s.state, s.core.Reg.Outcome, s.turned
		s.mu.Unlock()
		if state == want {
			return nil
		}
		select {
		case <-turned:
		case <-s.done:
			return ErrClosed
		case <-ctx.Done():
			if state == core.Refused {
				return fmt.Errorf("%w: %s: %w", ErrRefused, outcome, ctx.Err())
			}
			return fmt.Errorf("channeltab: station is %s: %w", state, ctx.Err())
		}
	}
}

// Table returns the stations of the copy by channel number. While the copy is turning from one table to another, those
// that only the former has come last.
func (s *Station) Table() []chantable.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(s.core.Table.Copy.All())
}

// Lookup returns the copy's entry of a station.
func (s *Station) Lookup(id chantable.ID) (chantable.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Table.Copy.ByID(id)
}

// LookupCN returns the copy's entry of a channel.
func (s *Station) LookupCN(cn chantable.CN) (chantable.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Table.Copy.ByCN(cn)
}

// Status tells how the station stands.
func (s *Station) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, c := &s.core.Reg, s.core.Table.Copy
	st := Status{
		State: r.State, Outcome: r.Outcome, CN: r.CN, Address: s.core.Address, Centre: r.Target(), Level: r.Level,
		Table: c.Table(), Version: c.Version(), Complete: c.Complete(), Stations: c.Len(),
	}
	st.Hears = s.core.Hears(time.Now())
	for _, p := range s.core.Pool.Active {
		st.Waiting += p.Pending()
	}
	return st
}

// Stats returns the counters.
func (s *Station) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.core.Stats
	st.Unsent = s.refused
	return st
}

// Save saves the copy, if it has changed since it was saved last. It is done every Timing.SaveEvery and by Close.
func (s *Station) Save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	changes := s.core.Table.Changes
	if s.file == "" || changes == s.kept {
		s.mu.Unlock()
		return nil
	}
	c := &saved{id: s.core.ID, instance: s.core.Instance, epoch: s.core.Epoch, cn: s.core.Reg.CN, copy: s.core.Table.Copy}
	b := c.encode()
	s.mu.Unlock()
	if err := store(s.file, b); err != nil {
		return err
	}
	s.mu.Lock()
	s.kept = changes
	s.mu.Unlock()
	return nil
}

// Silence closes the sockets: nothing is sent or received from here on. It does not wait, and Close is still due.
func (s *Station) Silence() { _ = s.sockets.Close() }

// Close ends the station without telling the centre, which finds out by its silence; call Leave before for a clean
// end. It waits for all that the station has started, and saves the copy.
func (s *Station) Close() error {
	s.closing.Do(func() {
		close(s.done)
		s.closed = s.sockets.Close()
		s.running.Wait()
		if err := s.Save(); err != nil {
			s.closed = err
		}
	})
	return s.closed
}
