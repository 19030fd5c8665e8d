package server

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
)

// FNP is this node's part in FNP. What its methods return as an error is an [api.Error], or one of those that the group gives.
type FNP interface {
	// Status fills in what this node knows by itself: not the owner of the endpoint.
	Status() api.FNPStatus
	// Table returns the stations by channel number, and what they are versions of.
	Table() (table, version uint64, stations []chantable.Entry)
	// Send sends a message from the pair's endpoint and waits until it is acknowledged.
	Send(ctx context.Context, m api.FNPMessage) (api.FNPSent, error)
	// SetOffline makes a station offline as if it had left.
	SetOffline(ctx context.Context, id chantable.ID) error
	// Received returns what the endpoint has got after a number, oldest first, as far as it is kept and this node knows.
	Received(after uint64, limit int) []api.FNPReceived
}

// Limits of FNP.
const (
	maxFNPMessage  = 65536 // octets
	fnpSendTimeout = 30 * time.Second
)

// fnp is this node's part in FNP.
func (s *Server) fnp() (FNP, error) {
	if s.cfg.FNP == nil {
		return nil, rest.NotFound("this station has no FNP")
	}
	return s.cfg.FNP, nil
}

func (s *Server) fnpStatus(w http.ResponseWriter, _ *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	st := f.Status()
	info := s.cfg.Node.Info()
	st.Node, st.Centre.Leader = info.ID, info.Leader
	if e := st.Endpoint; e != nil {
		var r fsm.Resource
		s.cfg.Node.View(func(state *fsm.State) { r, _ = state.Resource(fsm.FNPResource()) })
		e.Owner, e.Epoch, e.Phase, e.SinceMs, e.Reason = r.Owner, r.Epoch, r.Phase.String(), r.SinceMs, r.Reason
		e.Address, e.API = e.Addresses[r.Owner], s.cfg.APIs[r.Owner]
	}
	return s.json.Reply(w, st)
}

// listFNP answers ?after=CN&limit=N with a page of the table.
func (s *Server) listFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	after, limit, err := rest.PageOf(r, math.MaxUint16)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	table, version, stations := f.Table()
	page := api.FNPTable{Table: strconv.FormatUint(table, 16), Version: version, Stations: []api.FNPEntry{}}
	for _, e := range stations {
		if uint64(e.CN) <= after {
			continue
		}
		if len(page.Stations) == int(limit) {
			page.Next = page.Stations[limit-1].CN
			break
		}
		page.Stations = append(page.Stations, api.NewFNPEntry(e, now))
	}
	return s.json.Reply(w, page)
}

func (s *Server) showFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	id, err := fnpID(r)
	if err != nil {
		return err
	}
	_, _, stations := f.Table()
	for _, e := range stations {
		if e.ID == id {
			return s.json.Reply(w, api.NewFNPEntry(e, time.Now().UnixMilli()))
		}
	}
	return rest.NotFound("no station %d in the channel table", id)
}

// leaveFNP makes a station offline. One that is alive is back with its next Register.
func (s *Server) leaveFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	id, err := fnpID(r)
	if err != nil {
		return err
	}
	if err := rest.Decode(r, &struct{}{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), api.ProposeTimeout)
	defer cancel()
	if err := f.SetOffline(ctx, id); err != nil {
		return err
	}
	return s.showFNP(w, r)
}

func fnpID(r *http.Request) (chantable.ID, error) {
	n, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil || n == 0 || n > uint64(chantable.MaxID) {
		return 0, rest.Invalid("id %q: expected 1 to %d", r.PathValue("id"), chantable.MaxID)
	}
	return chantable.ID(n), nil
}

// sendFNP answers when the message is acknowledged, or is known not to be.
func (s *Server) sendFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	var m api.FNPMessage
	if err := rest.Decode(r, &m); err != nil {
		return err
	}
	timeout := time.Duration(m.TimeoutMs) * time.Millisecond
	if m.TimeoutMs == 0 {
		timeout = fnpSendTimeout
	}
	switch {
	case (m.To == 0) == (m.CN == 0):
		return rest.Invalid("expected either to, a station's id, or cn, its channel")
	case m.To > uint64(chantable.MaxID):
		return rest.Invalid("to %d: expected 1 to %d", m.To, chantable.MaxID)
	case m.Text != "" && m.Data != nil:
		return rest.Invalid("expected either data or text")
	case len(m.Data)+len(m.Text) > maxFNPMessage:
		return rest.Invalid("%d octets: expected at most %d", len(m.Data)+len(m.Text), maxFNPMessage)
	case m.TimeoutMs < 0 || timeout > api.SendTimeout:
		return rest.Invalid("timeout_ms %d: expected 1 to %d", m.TimeoutMs, api.SendTimeout.Milliseconds())
	}
	if m.Text != "" {
		m.Data = []byte(m.Text)
	}
	if err := rest.TakesLong(w, timeout+closeTimeout); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	sent, err := f.Send(ctx, m)
	if err != nil {
		return err
	}
	return s.json.Reply(w, sent)
}

// listFNPMessages answers ?after=N&limit=N with what the endpoint has got.
func (s *Server) listFNPMessages(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	after, limit, err := rest.PageOf(r, math.MaxInt64)
	if err != nil {
		return err
	}
	return s.json.Reply(w, api.FNPMessages{Node: s.cfg.Node.Info().ID, Messages: f.Received(after, int(limit))})
}
