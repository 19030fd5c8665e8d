package node

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/replica"
)

// fnp is a node's part in FNP: a node of the centre and, on a FEP, the pair's endpoint. It is what the API asks.
type fnp struct {
	config   *configs.FNP
	node     *member
	table    *channeltab.Replicated
	centre   *channeltab.Centre
	endpoint *channeltab.Endpoint // nil: none here
}

// fnpKeys reads the keys that the configuration names.
func fnpKeys(file configs.File) (channeltab.Keys, error) {
	if file.IsZero() {
		return channeltab.OpenKeys(), nil
	}
	keys, err := channeltab.ReadKeys(file.Path)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	return keys, nil
}

// newFNP makes a node's part in FNP, of a station that has one.
func newFNP(station *configs.Station, node *member, log *slog.Logger) (*fnp, error) {
	c := station.FNP
	keys, err := fnpKeys(c.KeyFile)
	if err != nil {
		return nil, err
	}
	f := &fnp{config: c, node: node, table: channeltab.NewReplicated(node)}
	if e := c.Endpoint; e != nil && e.Listen[node.ID()].IsValid() {
		f.endpoint, err = channeltab.NewEndpoint(channeltab.EndpointConfig{
			Station: endpointStation(station, node.ID(), keys, log), Tenures: channeltab.TenuresOf(node), Registry: f.table, Mailbox: f.table,
		})
		if err != nil {
			return nil, err
		}
	}
	f.centre, err = channeltab.NewCentre(channeltab.CentreConfig{
		ID: chantable.ID(c.ID), Name: c.Name, Level: uint8(c.Level), Node: node.ID(), Nodes: c.Listen, Multicast: multicast(c.Multicast),
		Others: c.Others, Keys: keys, Registry: f.table, Log: log,
	})
	return f, err
}

// start runs it.
func (f *fnp) start(parts *parts) {
	parts.run("FNP table", f.table.Run, nil)
	parts.run("FNP centre", f.centre.Run, nil)
	if f.endpoint != nil {
		parts.run("FNP endpoint", f.endpoint.Run, nil)
	}
}

func multicast(group *netip.AddrPort) channeltab.MulticastConfig {
	if group == nil {
		return channeltab.MulticastConfig{}
	}
	return channeltab.MulticastConfig{Group: *group}
}

// endpointRetry makes the endpoint say soon that it has moved: a new leader may not be ready to hear it the first time.
const endpointRetry = 100 * time.Millisecond

// endpointStation is the pair's endpoint as it is on a node. Its own node of the centre is asked first, then the others.
func endpointStation(s *configs.Station, node string, keys channeltab.Keys, log *slog.Logger) channeltab.StationConfig {
	f := s.FNP
	cfg := channeltab.StationConfig{
		ID: chantable.ID(f.Endpoint.ID), Name: f.Name, Level: uint8(f.Level), Listen: f.Endpoint.Listen[node],
		Centres: []netip.AddrPort{f.Listen[node]}, Multicast: multicast(f.Multicast), Keys: keys,
		Timing: channeltab.Timing{RetryAfter: endpointRetry}, Instance: endpointInstance(s), Log: log,
	}
	for _, n := range s.Cluster.Nodes {
		if a := f.Listen[n.ID]; n.ID != node {
			cfg.Centres = append(cfg.Centres, a)
		}
	}
	return cfg
}

// endpointInstance is the number of the pair as an installation: the same on both FEPs and after a restart, and another
// one for a pair that was given this one's id by mistake.
func endpointInstance(s *configs.Station) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, "fepha FNP endpoint", s.ID)
	for _, n := range s.Cluster.Nodes {
		fmt.Fprintln(h, n.ID, n.Address)
	}
	return h.Sum64() | 1 // never 0
}

// Status implements api.FNP.
func (f *fnp) Status() api.FNPStatus {
	c := f.centre.Status()
	st := api.FNPStatus{Centre: api.FNPCentre{
		ID: uint64(f.config.ID), Name: f.config.Name, Level: uint8(f.config.Level), Addresses: texts(f.config.Listen),
		Listening: c.Listening, Defers: c.Deferring, Table: fmt.Sprintf("%x", c.Table), Version: c.Version,
		Stations: c.Stations, Online: c.Online, Contested: c.Contested, Served: c.Served, Counters: fnpCounts(f.centre.Stats(), false),
	}}
	if f.config.Multicast != nil {
		st.Centre.Multicast = f.config.Multicast.String()
	}
	if c.To.IsValid() {
		st.Centre.DefersTo = c.To.String()
	}
	e := f.config.Endpoint
	if e == nil {
		return st
	}
	st.Endpoint = &api.FNPEndpoint{ID: uint64(e.ID), Name: f.config.Name, Addresses: texts(e.Listen)}
	if s, ok := f.station(); ok {
		now := s.Status()
		st.Endpoint.State, st.Endpoint.CN, st.Endpoint.Waiting = now.State.String(), uint16(now.CN), now.Waiting
		st.Endpoint.Counters = fnpCounts(s.Stats(), true)
		if now.Outcome != 0 {
			st.Endpoint.Outcome = now.Outcome.String()
		}
	}
	return st
}

func texts(addresses map[string]netip.AddrPort) map[string]string {
	out := make(map[string]string, len(addresses))
	for id, a := range addresses {
		out[id] = a.String()
	}
	return out
}

// station is the endpoint's, if it runs here.
func (f *fnp) station() (*channeltab.Station, bool) {
	if f.endpoint == nil {
		return nil, false
	}
	return f.endpoint.Station()
}

// Table implements api.FNP.
func (f *fnp) Table() (table, version uint64, stations []chantable.Entry) {
	st := f.centre.Status()
	return st.Table, st.Version, f.centre.Table()
}

// SetOffline implements api.FNP.
func (f *fnp) SetOffline(ctx context.Context, id chantable.ID) error {
	return FNPError(f.centre.SetOffline(ctx, id))
}

// Send implements api.FNP.
func (f *fnp) Send(ctx context.Context, m api.FNPMessage) (api.FNPSent, error) {
	if f.config.Endpoint == nil {
		return api.FNPSent{}, &api.Error{Status: http.StatusNotFound, Code: api.CodeNotFound, Message: "this pair has no FNP endpoint: see fnp.endpoint in station.yaml"}
	}
	s, ok := f.station()
	if !ok {
		return api.FNPSent{}, &api.Error{Status: http.StatusConflict, Code: api.CodeConflict, Message: "the FNP endpoint does not run on this node: send on its owner, which /v1/fnp names"}
	}
	entry, known := chantable.Entry{}, false
	if m.To != 0 {
		entry, known = s.Lookup(chantable.ID(m.To))
	} else {
		entry, known = s.LookupCN(chantable.CN(m.CN))
	}
	switch {
	case !known && m.To != 0:
		return api.FNPSent{}, FNPError(fmt.Errorf("%w: %d", channeltab.ErrUnknownID, m.To))
	case !known:
		return api.FNPSent{}, FNPError(fmt.Errorf("%w: %d", channeltab.ErrUnknownCN, m.CN))
	}
	stream := channeltab.AnyOrder
	if m.InOrder {
		stream = channeltab.InOrder
	}
	begun := time.Now()
	if err := s.SendDataByID(ctx, entry.ID, m.Data, stream); err != nil {
		return api.FNPSent{}, FNPError(err)
	}
	return api.FNPSent{To: uint64(entry.ID), CN: uint16(entry.CN), Octets: len(m.Data), Ms: time.Since(begun).Milliseconds()}, nil
}

// Received implements api.FNP.
func (f *fnp) Received(after uint64, limit int) []api.FNPReceived {
	out := []api.FNPReceived{}
	f.node.View(func(s *fsm.State) {
		for _, m := range s.Mailbox().After(after, limit) {
			sender, _ := s.ChannelTable().ByID(m.From)
			out = append(out, api.FNPReceived{
				Number: m.Number, TimeMs: m.TimeMs, From: uint64(m.From), CN: uint16(sender.CN), InOrder: m.InOrder, Data: append([]byte{}, m.Payload...),
			})
		}
	})
	return out
}

// fnpFailure gives an error of channeltab its code.
type fnpFailure struct {
	is     error
	status int
	code   api.Code
}

var fnpFailures = []fnpFailure{
	{channeltab.ErrUnknownID, http.StatusNotFound, api.CodeNotFound},
	{channeltab.ErrUnknownCN, http.StatusNotFound, api.CodeNotFound},
	{channeltab.ErrNotAcknowledged, http.StatusGatewayTimeout, api.CodePeerOff},
	{channeltab.ErrWrongStation, http.StatusBadGateway, api.CodePeerOff},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, api.CodeInDoubt},
	{channeltab.ErrInDoubt, http.StatusBadGateway, api.CodeInDoubt},
	{channeltab.ErrClosed, http.StatusConflict, api.CodeInDoubt}, // the endpoint has moved meanwhile
	{channeltab.ErrTooLong, http.StatusBadRequest, api.CodeInvalid},
	{channeltab.ErrPoolFull, http.StatusServiceUnavailable, api.CodeOverloaded},
}

// FNPError gives an error of package channeltab the code that the API has for it.
func FNPError(err error) error {
	if errors.Is(err, replica.ErrNoLeader) || errors.Is(err, replica.ErrUnknownOutcome) {
		return err // the API knows them
	}
	for _, f := range fnpFailures {
		if errors.Is(err, f.is) {
			return &api.Error{Status: f.status, Code: f.code, Message: err.Error()}
		}
	}
	return err
}
