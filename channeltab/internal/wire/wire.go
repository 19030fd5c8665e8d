// Package wire is a datagram of FNP as values and as octets: PROTOCOL.md in Go. It keeps nothing and decides nothing.
package wire

import (
	"net/netip"

	"github.com/fepha/fepha/fsm/chantable"
)

// Sizes on the wire, in octets. See PROTOCOL.md.
const (
	MaxDatagram = 1232  // UDP payload that fits the smallest MTU of IPv6 (1280) without fragmentation
	MaxMessage  = 65536 // longest message of an application

	wireVersion = 1
	HeadSize    = 48
	TagSize     = 16
	MaxBody     = MaxDatagram - HeadSize - TagSize

	dataHead    = 24                 // of a Data before its octets
	MaxFragment = MaxBody - dataHead // octets of a message in one datagram
	maxRoute    = 1 + 16 + 2         // of an address with its port
	MaxRelayed  = MaxBody - maxRoute // datagram inside another
	MaxRanges   = 16                 // ranges in an Ask
	TableHead   = 36                 // of a Table before its entries
)

// Kind is what a datagram is for.
type Kind uint8

// Kinds of datagram.
const (
	KindKnock    Kind = 1  // is my contact still good?
	KindHello    Kind = 2  // answer to whatever bears no good contact: the contact to use
	KindRegister Kind = 3  // station to centre, periodically
	KindLeave    Kind = 4  // station to centre
	KindAnswer   Kind = 5  // centre to station, to Register and Leave
	KindTable    Kind = 6  // centre to all or to one: a part of the table
	KindAsk      Kind = 7  // station to centre: what my copy has and misses
	KindData     Kind = 8  // station to station: a message or a fragment
	KindAck      Kind = 9  // station to station: what of a message has come
	KindRelay    Kind = 10 // node to leading node: what a station sent to the centre
	KindRelayed  Kind = 11 // leading node to node: what to send to a station
)

// Datagram is one datagram, decoded.
type Datagram struct {
	Key     uint8 // id of the key it is authenticated with
	From    chantable.ID
	Session uint64 // random, of the sender's process
	Counter uint64 // grows with each datagram from this sender's session to this receiver
	To      chantable.ID
	Contact uint64 // number that the receiver gave to the sender's session; 0 for none
	Body    Body
}

// Body is what a datagram says: one of the types below.
type Body interface {
	Kind() Kind
	append(b []byte) []byte
}

// Knock is an empty request, sent before data after a pause.
type Knock struct{}

// Hello tells the sender of the echoed datagram which contact to use.
type Hello struct {
	EchoTo      chantable.ID // whom the echoed datagram was for
	EchoSession uint64
	EchoCounter uint64
	Offer       uint64 // 0: you are not speaking to the station you mean
	Remembers   bool   // messages under way may go on under the offer: it's known which of them were delivered before
}

// Register is a station's claim to its entry, and what its copy has.
type Register struct {
	Unicast  bool // multicast does not reach this station
	Level    uint8
	CN       chantable.CN
	Instance uint64
	Epoch    uint64
	Table    uint64         // table that the copy follows; 0 for none
	Floor    uint64         // version up to which the copy misses nothing
	Address  netip.AddrPort // unspecified or invalid address: where the datagram comes from
	Name     string
}

// Leave ends a registration.
type Leave struct {
	Instance uint64
	Epoch    uint64
}

// Outcome is a centre's answer to a station. The first ones are those of chantable.
type Outcome uint8

// Outcomes.
const (
	Granted            = Outcome(chantable.Done)
	Clash              = Outcome(chantable.Clash)
	Superseded         = Outcome(chantable.Superseded)
	Full               = Outcome(chantable.Full)
	Invalid            = Outcome(chantable.Invalid)
	Stale              = Outcome(chantable.Stale)
	Deferred   Outcome = 7 // another centre of a higher level serves the network
)

func (o Outcome) String() string {
	switch o {
	case 0:
		return "none yet"
	case Granted:
		return "granted"
	case Deferred:
		return "deferred"
	}
	return chantable.Outcome(o).String()
}

// Answer is what the centre makes of a Register or Leave.
type Answer struct {
	EchoSession uint64
	EchoCounter uint64
	Outcome     Outcome
	Level       uint8 // of the centre
	CN          chantable.CN
	Multicast   bool // the table is sent by multicast
	Table       uint64
	Version     uint64
	Every       uint32         // ms until the next Register is expected
	Centre      netip.AddrPort // with Deferred: where to register
}

// Table is a page of the table.
type Table struct {
	Confirm bool  // the station is to send an Ask at once, if only to say that it misses nothing
	Level   uint8 // of the centre
	Page    chantable.Page
}

// Ask tells what a copy has and which ranges of versions it misses, lowest first.
type Ask struct {
	Table   uint64
	Floor   uint64
	Missing []chantable.Range
}

// Stream says how messages are delivered. Each stream has its own sequence numbers.
type Stream uint8

// Streams.
const (
	AnyOrder Stream = 0 // each message as soon as it is complete
	InOrder  Stream = 1 // in the order they were sent in, among those of the same sender
	Streams         = 2
)

// Data is a fragment of a message.
type Data struct {
	Stream  Stream
	AckNow  bool // last of a burst: tell what has come
	Index   uint8
	Seq     uint64
	Base    uint64 // all messages of this stream below it are settled: acknowledged or given up
	Length  uint32 // of the whole message
	Payload []byte // octets from Index*maxFragment on
}

// Count is the number of fragments of the message.
func (d Data) Count() int { return Fragments(int(d.Length)) }

func Fragments(length int) int { return max(1, (length+MaxFragment-1)/MaxFragment) }

// Fragment returns the octets of a message's fragment.
func Fragment(message []byte, index int) []byte {
	return message[index*MaxFragment : min(len(message), (index+1)*MaxFragment)]
}

// Ack tells what has come of a message. Its datagram's Contact is that of the Data.
type Ack struct {
	EchoSession uint64
	EchoCounter uint64 // of the Data that caused it
	Stream      Stream
	Delivered   bool // the application has it
	Seq         uint64
	Fragments   uint64 // bit i: fragment i has come
}

// Relay is a station's datagram on its way to the leading node.
type Relay struct {
	Origin netip.AddrPort
	Inner  []byte
}

// Relayed is a datagram of the leading node on its way to a station.
type Relayed struct {
	Destination netip.AddrPort
	Inner       []byte
}

func (Knock) Kind() Kind    { return KindKnock }
func (Hello) Kind() Kind    { return KindHello }
func (Register) Kind() Kind { return KindRegister }
func (Leave) Kind() Kind    { return KindLeave }
func (Answer) Kind() Kind   { return KindAnswer }
func (Table) Kind() Kind    { return KindTable }
func (Ask) Kind() Kind      { return KindAsk }
func (Data) Kind() Kind     { return KindData }
func (Ack) Kind() Kind      { return KindAck }
func (Relay) Kind() Kind    { return KindRelay }
func (Relayed) Kind() Kind  { return KindRelayed }
