package forwarder

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
)

// uplink is one service on one port.
type uplink struct {
	cfg      Uplink
	config   iec104.Config
	replica  replica.Owner
	location *time.Location
	log      *slog.Logger
	table    atomic.Pointer[table]
	station  *iec104.Station
	server   *iec104.Server
	operator *operator
	files    fileSource

	conditions condition.Reporter
	onLoss     func(local netip.Addr, lost func(error)) (stop func()) // see Config.OnCarrierLoss; never nil
	started    *startedLinks
	groups     map[string]*group // by name
	kicked     chan struct{}     // capacity 1: whether to listen may have changed

	listening atomic.Bool

	serving context.Context // of run: ends with the service
	ctx     context.Context // ends after the sessions
	work    sync.WaitGroup  // commands under way
}

func newUplink(c Config, cfg Uplink, t *table, o *operator, started *startedLinks) (*uplink, error) {
	u := &uplink{
		cfg: cfg, config: cfg.IEC104, replica: c.Replica, location: cmp.Or(cfg.Location, c.Location), log: c.Log.With("uplink", cfg.Name),
		operator: o, conditions: c.Conditions, onLoss: c.OnCarrierLoss, started: started, groups: map[string]*group{}, kicked: make(chan struct{}, 1),
	}
	u.table.Store(t)
	d := iec104.DefaultConfig()
	u.config.Profile, u.config.K = cmp.Or(u.config.Profile, d.Profile), cmp.Or(u.config.K, d.K)
	u.config.T1, u.config.T2 = cmp.Or(u.config.T1, d.T1), cmp.Or(u.config.T2, d.T2)
	u.files = fileSource{copies: c.Files, rtus: cfg.Files, from: c.Location, to: u.location, log: u.log}
	u.station = newStation(u)
	server := iec104.ServerConfig{Config: u.config, TLS: cfg.TLS, Limits: cfg.Limits, Log: u.log}
	server.Panicked = func(v any, stack []byte) { panics.Note(u.log, "link of an uplink", v, stack) }
	if c.Tap != nil {
		server.Tap = func(s *iec104.Session) iec104.Tap { return c.Tap(cfg.Name, s.Group(), s.RemoteAddr()) }
	}
	for _, gc := range cfg.Groups {
		g := newGroup(u, gc.Name)
		u.groups[gc.Name] = g
		server.Groups = append(server.Groups, iec104.Group{
			Name: gc.Name, Clients: gc.Clients, CommonNames: gc.CommonNames,
			AllowConnect: g.allowConnect, AllowStart: g.allowStart, Source: g.source, Started: g.started,
			Handle: g.handle, Closed: g.closed,
		})
	}
	var err error
	if u.server, err = iec104.NewServer(server); err != nil {
		return nil, fmt.Errorf("%w: uplink %s: %w", ErrConfig, cfg.Name, err)
	}
	return u, nil
}

// run serves the uplink until ctx ends.
func (u *uplink) run(ctx context.Context) {
	// Commands and groups outlive the sessions, whose ends they still have to take in.
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	u.serving, u.ctx = ctx, inner
	var groups, serving sync.WaitGroup
	for _, g := range u.groups {
		groups.Go(func() { g.run(inner) })
		groups.Go(func() { g.watchWindow(inner) })
		groups.Go(func() { g.checkAlive(inner) })
	}
	u.listen(ctx, &serving)
	_ = u.server.Close()
	serving.Wait()
	cancel()
	u.work.Wait()
	groups.Wait()
}

// listen opens and closes the port as the groups' ownership says, until ctx ends.
func (u *uplink) listen(ctx context.Context, serving *sync.WaitGroup) {
	const retry = time.Second
	var open net.Listener
	again := time.NewTimer(0)
	defer again.Stop()
	failing := ""
	for {
		select {
		case <-ctx.Done():
			return // the server closes the listener
		case <-u.kicked:
		case <-again.C:
		}
		switch want := u.wantsToListen(); {
		case want && open == nil:
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", u.cfg.Listen)
			if err != nil {
				if err.Error() != failing {
					failing = err.Error()
					u.log.Error("can't listen, trying again", "address", u.cfg.Listen, "error", err)
				}
				again.Reset(retry)
				continue
			}
			failing, open = "", l
			u.listening.Store(true)
			u.log.Info("listening", "address", l.Addr())
			serving.Go(func() { _ = u.server.Serve(l) })
		case !want && open != nil:
			_ = open.Close()
			open = nil
			u.listening.Store(false)
			u.log.Info("not listening: this node stops, or is under maintenance")
		}
	}
}

// wantsToListen tells whether a client may come here: not while the node is away. One of an exclusive group may although
// the other node has it: that one is to find out whether its client is there.
func (u *uplink) wantsToListen() (want bool) {
	u.replica.View(func(s *fsm.State) {
		if n, _ := s.Node(u.replica.ID()); n.Away() {
			return
		}
		for _, g := range u.groups {
			_, declared := s.Resource(g.resource)
			want = want || declared
		}
	})
	return want
}

// kick makes the uplink and its groups look at the state again.
func (u *uplink) kick() {
	poke(u.kicked)
	for _, g := range u.groups {
		g.kick()
	}
}

// setTable puts other points in force, also for clients that are connected.
func (u *uplink) setTable(t *table) {
	if u.table.Load().equal(t) {
		return
	}
	u.table.Store(t)
	for _, g := range u.groups {
		g.retable()
	}
}
