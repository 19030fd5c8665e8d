package configs

import (
	"fmt"
	"math"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// Category marks a control for the operator. All are executed as DO or AO are.
type Category uint8

const (
	CategoryNone    Category = 0 // monitored points
	CategoryDO      Category = 1
	CategoryAO      Category = 2
	CategoryGeneral Category = 20
	CategoryPA      Category = 26
	CategoryPIS     Category = 27
	CategoryCCTV    Category = 29
)

// String gives the category as in the tables: DO, AO, 20, 26, 27 or 29; "" for none.
func (c Category) String() string {
	switch c {
	case CategoryNone:
		return ""
	case CategoryDO:
		return "DO"
	case CategoryAO:
		return "AO"
	}
	return fmt.Sprint(uint8(c))
}

// Point is a row of an RTU's table. There may be a million of them, so what only few points have is behind Analog.
type Point struct {
	Name      string
	Number    uint32 // unique within the RTU and kind
	IOA       uint32 // unique within the RTU in its direction, monitored or operated
	Kind      fsm.Kind
	Type      asdu.TypeID   // 0: any type of the kind; never 0 for controls
	Category  Category      // controls only
	Invert    bool          // digital only
	Transient time.Duration // di of double points: how long an intermediate or indeterminate state lasts before it is told; 0: at once
	Event     bool          // a change is an event in the journal; always true for di and bitstring
	Bit       uint8         // di that are bits of one object: which, counted from 1; 0: the object is the point's alone
	Analog    *Analog       // nil: scale 1, offset 0, no unit, deadband or range
}

// Analog is how a value of a point in engineering units comes from the device's. Points with the same share one.
type Analog struct {
	Scale, Offset float64 // engineering = device × Scale + Offset; Scale is never 0
	Deadband      float64 // 0: none; in engineering units, or in percent (of the range, of the value where there's none)
	Percent       bool    // Deadband is in percent
	Low, High     float64 // engineering range; -Inf and +Inf: none
	Unit          string
}

var unscaled = Analog{Scale: 1, Low: math.Inf(-1), High: math.Inf(1)}

// Scaling returns Analog, or its defaults where there's none.
func (p *Point) Scaling() Analog {
	if p.Analog == nil {
		return unscaled
	}
	return *p.Analog
}

// UplinkPoint is a row of an uplink's table: a point of an RTU, or a virtual point, under the uplink's own address.
type UplinkPoint struct {
	Name   string // default: the point's
	IOA    uint32
	RTU    uint32 // an RTU's number, or that of a virtual RTU
	Number uint32 // the point's number
	Kind   fsm.Kind
	Type   asdu.TypeID // never 0
	Sector uint16      // common address of the sector; 0: the uplink's own
}

// SourceKind is what a virtual point shows.
type SourceKind string

const (
	SourceChannel  SourceKind = "channel"  // channel:<rtu>:<n>: one of its links is up
	SourceLink     SourceKind = "link"     // link:<rtu>:<n>:<m>: the link is up
	SourceRTU      SourceKind = "rtu"      // rtu:<rtu>: the RTU is online
	SourceNode     SourceKind = "node"     // node:<id>: the node is alive
	SourceUplink   SourceKind = "uplink"   // uplink:<name>:<group>: a client of the group is started
	SourceOverflow SourceKind = "overflow" // overflow:<name>:<group>: events of the group were dropped

	SourceCondition SourceKind = "condition" // condition:alarm, condition:warning, condition:<id>: something is wrong
)

// Source is what a virtual point shows: what the kind doesn't need is zero.
type Source struct {
	Kind    SourceKind
	RTU     uint32
	Channel int // from 1
	Link    int // from 1
	Node    string
	Uplink  string
	Group   string

	Condition string // alarm, warning, or the id of a condition
}

// String gives the source as in the table.
func (s Source) String() string {
	switch s.Kind {
	case SourceChannel:
		return fmt.Sprintf("channel:%d:%d", s.RTU, s.Channel)
	case SourceLink:
		return fmt.Sprintf("link:%d:%d:%d", s.RTU, s.Channel, s.Link)
	case SourceRTU:
		return fmt.Sprintf("rtu:%d", s.RTU)
	case SourceNode:
		return "node:" + s.Node
	case SourceCondition:
		return "condition:" + s.Condition
	}
	return fmt.Sprintf("%s:%s:%s", s.Kind, s.Uplink, s.Group)
}

// VirtualPoint is a digital point of a virtual RTU that fepha itself produces.
type VirtualPoint struct {
	RTU    uint32 // never the number of a real RTU
	Number uint32
	Name   string
	Source Source
}
