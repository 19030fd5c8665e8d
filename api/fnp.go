package api

import "github.com/fepha/fepha/fsm/chantable"

// FNPStatus is the answer of GET /v1/fnp.
type FNPStatus struct {
	Node     string       `json:"node"` // that answers
	Centre   FNPCentre    `json:"centre"`
	Endpoint *FNPEndpoint `json:"endpoint"` // null: the pair has none
}

// FNPCentre is the centre as the node that answers sees it.
type FNPCentre struct {
	Listening bool              `json:"listening"` // the address of the node that answers is there
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
