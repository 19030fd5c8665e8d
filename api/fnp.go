package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
)

// FNP is this node's part in FNP. What its methods return as an error is an [Error], or one of those that the group gives.
type FNP interface {
	// Status fills in what this node knows by itself: not the owner of the endpoint.
	Status() FNPStatus
	// Table returns the stations by channel number, and what they are versions of.
	Table() (table, version uint64, stations []chantable.Entry)
	// Send sends a message from the pair's endpoint and waits until it is acknowledged.
	Send(ctx context.Context, m FNPMessage) (FNPSent, error)
	// SetOffline makes a station offline as if it had left.
	SetOffline(ctx context.Context, id chantable.ID) error
	// Received returns what the endpoint has got after a number, oldest first, as far as it is kept and this node knows.
	Received(after uint64, limit int) []FNPReceived
}

// FNPStatus is the answer of GET /v1/fnp.
type FNPStatus struct {
	Node     string       `json:"node"` // that answers
	Centre   FNPCentre    `json:"centre"`
	Endpoint *FNPEndpoint `json:"endpoint"` // null: the pair has none
}

// FNPCentre is the centre as the node that answers sees it.
type FNPCentre struct {
	ID        uint64            `json:"id"`
	Name      string            `json:"name"`
	Level     uint8             `json:"level"`
	Addresses map[string]string `json:"addresses"` // by node
	Multicast string            `json:"multicast"` // "": to each station in turn
	Leader    string            `json:"leader"`    // that hears and judges the stations
	Defers    bool              `json:"defers"`    // to a centre of a higher level; the leader alone knows
	DefersTo  string            `json:"defers_to,omitempty"`
	Table     string            `json:"table"` // identity, in hex; "0": none yet
	Version   uint64            `json:"version"`
	Stations  int               `json:"stations"`
	Online    int               `json:"online"`
	Contested int               `json:"contested"` // ids that two stations claim
	Served    int               `json:"served"`    // sessions of stations that this node remembers
	Counters  map[string]uint64 `json:"counters"`  // of this node since its start
}

// FNPEndpoint is the pair's own station.
type FNPEndpoint struct {
	ID      uint64 `json:"id"`
	Name    string `json:"name"`
	Owner   string `json:"owner"` // "" if nobody
	Epoch   uint64 `json:"epoch"`
	Phase   string `json:"phase"`
	SinceMs int64  `json:"since_ms"`
	Reason  string `json:"reason"`
	Address string `json:"address"` // on its owner
	API     string `json:"api"`     // of its owner, to send from there

	// While it runs on the node that answers:
	State    string            `json:"state,omitempty"` // registering, registered, refused
	Outcome  string            `json:"outcome,omitempty"`
	CN       uint16            `json:"cn,omitempty"`
	Waiting  int               `json:"waiting"` // messages not yet acknowledged
	Counters map[string]uint64 `json:"counters,omitempty"`

	Addresses map[string]string `json:"addresses"` // by FEP
}

// FNPTable is a page of the channel table.
type FNPTable struct {
	Table    string     `json:"table"`
	Version  uint64     `json:"version"`
	Stations []FNPEntry `json:"stations"`
	Next     uint16     `json:"next,omitempty"` // after which the next page begins
}

// FNPEntry is a station in the channel table.
type FNPEntry struct {
	CN        uint16    `json:"cn"`
	ID        uint64    `json:"id"`
	Name      string    `json:"name"`
	Level     uint8     `json:"level"`
	Addr      string    `json:"addr"`
	Port      uint16    `json:"port"`
	Online    bool      `json:"online"`
	Time      int64     `json:"time"`     // s online in all; stands still while it is offline
	SinceMs   int64     `json:"since_ms"` // since when online is what it is
	Version   uint64    `json:"version"`  // of its last change
	Contested bool      `json:"contested"`
	Rival     *FNPRival `json:"rival,omitempty"` // where it is known who claims the id too
}

// FNPRival is a station that was refused, since its id is another's.
type FNPRival struct {
	Name    string `json:"name"`
	Addr    string `json:"addr"`
	Port    uint16 `json:"port"`
	SinceMs int64  `json:"since_ms"` // of its first refusal
}

// FNPMessage asks for data to be sent from the pair's endpoint: of To and CN one, of Data and Text one.
type FNPMessage struct {
	To        uint64 `json:"to,omitempty"` // id of the station
	CN        uint16 `json:"cn,omitempty"` // or its channel, as it is now
	Data      []byte `json:"data,omitempty"`
	Text      string `json:"text,omitempty"`
	InOrder   bool   `json:"in_order,omitempty"`   // after those that were sent in order before
	TimeoutMs int64  `json:"timeout_ms,omitempty"` // 0 is 30 s, at most 120 s
}

// FNPSent says what was acknowledged.
type FNPSent struct {
	To     uint64 `json:"to"`
	CN     uint16 `json:"cn"` // of the station when it was sent
	Octets int    `json:"octets"`
	Ms     int64  `json:"ms"` // until it was acknowledged
}

// FNPReceived is a message that the endpoint has got. It is in the replicated state.
type FNPReceived struct {
	Number  uint64 `json:"number"` // from 1, without gaps, whoever owns the endpoint
	TimeMs  int64  `json:"time_ms"`
	From    uint64 `json:"from"`
	CN      uint16 `json:"cn"` // of the sender as the table is now; 0: it is not in it
	InOrder bool   `json:"in_order"`
	Data    []byte `json:"data"`
}

// FNPMessages is the answer of GET /v1/fnp/messages.
type FNPMessages struct {
	Node     string        `json:"node"` // that answers
	Messages []FNPReceived `json:"messages"`
}

// Limits of FNP.
const (
	maxFNPMessage  = 65536 // octets
	fnpSendTimeout = 30 * time.Second
	maxFNPTimeout  = 120 * time.Second
)

// fnp is this node's part in FNP.
func (s *Server) fnp() (FNP, error) {
	if s.cfg.FNP == nil {
		return nil, notFound("this station has no FNP")
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
	return reply(w, st)
}

// listFNP answers ?after=CN&limit=N with a page of the table.
func (s *Server) listFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	after, limit, err := pageOf(r, math.MaxUint16)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	table, version, stations := f.Table()
	page := FNPTable{Table: strconv.FormatUint(table, 16), Version: version, Stations: []FNPEntry{}}
	for _, e := range stations {
		if uint64(e.CN) <= after {
			continue
		}
		if len(page.Stations) == int(limit) {
			page.Next = page.Stations[limit-1].CN
			break
		}
		page.Stations = append(page.Stations, NewFNPEntry(e, now))
	}
	return reply(w, page)
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
			return reply(w, NewFNPEntry(e, time.Now().UnixMilli()))
		}
	}
	return notFound("no station %d in the channel table", id)
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
	if err := decode(r, &struct{}{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), proposeTimeout)
	defer cancel()
	if err := f.SetOffline(ctx, id); err != nil {
		return err
	}
	return s.showFNP(w, r)
}

func fnpID(r *http.Request) (chantable.ID, error) {
	n, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil || n == 0 || n > uint64(chantable.MaxID) {
		return 0, invalid("id %q: expected 1 to %d", r.PathValue("id"), chantable.MaxID)
	}
	return chantable.ID(n), nil
}

// sendFNP answers when the message is acknowledged, or is known not to be.
func (s *Server) sendFNP(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	var m FNPMessage
	if err := decode(r, &m); err != nil {
		return err
	}
	timeout := time.Duration(m.TimeoutMs) * time.Millisecond
	if m.TimeoutMs == 0 {
		timeout = fnpSendTimeout
	}
	switch {
	case (m.To == 0) == (m.CN == 0):
		return invalid("expected either to, a station's id, or cn, its channel")
	case m.To > uint64(chantable.MaxID):
		return invalid("to %d: expected 1 to %d", m.To, chantable.MaxID)
	case m.Text != "" && m.Data != nil:
		return invalid("expected either data or text")
	case len(m.Data)+len(m.Text) > maxFNPMessage:
		return invalid("%d octets: expected at most %d", len(m.Data)+len(m.Text), maxFNPMessage)
	case m.TimeoutMs < 0 || timeout > maxFNPTimeout:
		return invalid("timeout_ms %d: expected 1 to %d", m.TimeoutMs, maxFNPTimeout.Milliseconds())
	}
	if m.Text != "" {
		m.Data = []byte(m.Text)
	}
	if err := takesLong(w, timeout+closeTimeout); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	sent, err := f.Send(ctx, m)
	if err != nil {
		return err
	}
	return reply(w, sent)
}

// listFNPMessages answers ?after=N&limit=N with what the endpoint has got.
func (s *Server) listFNPMessages(w http.ResponseWriter, r *http.Request) error {
	f, err := s.fnp()
	if err != nil {
		return err
	}
	after, limit, err := pageOf(r, math.MaxInt64)
	if err != nil {
		return err
	}
	return reply(w, FNPMessages{Node: s.cfg.Node.Info().ID, Messages: f.Received(after, int(limit))})
}

// NewFNPEntry is an entry of the table as it is at an instant, Unix ms.
func NewFNPEntry(e chantable.Entry, now int64) FNPEntry {
	out := FNPEntry{
		CN: uint16(e.CN), ID: uint64(e.ID), Name: e.Name, Level: e.Level, Addr: e.Address.Addr().String(), Port: e.Address.Port(),
		Online: e.Online, Time: int64(e.Time(now).Seconds()), SinceMs: e.Since, Version: e.Changed, Contested: e.Contested,
	}
	if e.Contested && e.Rival.Address.IsValid() {
		out.Rival = &FNPRival{Name: e.Rival.Name, Addr: e.Rival.Address.Addr().String(), Port: e.Rival.Address.Port(), SinceMs: e.Rival.Since}
	}
	return out
}
