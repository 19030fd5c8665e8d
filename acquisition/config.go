package acquisition

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// Config is what a [Manager] works with.
type Config struct {
	Replica replica.Owner
	RTUs    []RTU // by number; the same on every node

	// Location is the station's time zone, in which the state has time tags. nil: UTC.
	Location *time.Location

	// Conditions is told what is wrong with the RTUs that this node owns; nil: nobody is.
	Conditions condition.Reporter

	// Tap, if not nil, is asked for each connection as it is made and may return what is to see its frames, or nil.
	Tap func(LinkID) iec104.Tap

	// OnCarrierLoss has lost called, with the reason, when the interface that has a local address loses its carrier; stop takes
	// that back. nil: nobody is told.
	OnCarrierLoss func(local netip.Addr, lost func(error)) (stop func())

	// Files is where copies of devices' files are kept; nil: none are fetched.
	Files *filestore.Store

	// Dial makes the connections; nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Log *slog.Logger // nil: slog.Default
}

// LinkID names a link of the station.
type LinkID struct {
	RTU     uint32
	Channel int // from 1
	Link    int // from 1
}

// RTU is a field device, or several behind one session.
type RTU struct {
	Number        uint32
	Sharing       []uint32 // numbers of the RTUs that share its links, and so its owner, itself too, ascending; nil: none
	CommonAddress asdu.CommonAddress
	Location      *time.Location // time zone of the device's clock: of its time tags, and of the time to which it is set; nil: the station's
	Points        []Point
	Channels      []Channel     // in the order in which they are tried
	Retry         time.Duration // wait between attempts and between channels; more than 0
	StandbyProbe  Probe
	LinkCheck     time.Duration // how long a started link may be silent before it's asked by TESTFR; 0: as t3 says

	TLS *TLS // nil: plain TCP

	Files bool // the device's files are fetched (types 120 to 126)

	// NoTermination says that the devices confirm controls and never terminate them: the confirmation is the end.
	NoTermination bool

	// ConfirmByState says that the devices may answer no command to a DO: it's done when the DI that shows its state has it.
	ConfirmByState bool

	// Controls are how controls are operated; those that aren't in it as they are asked for.
	Controls map[ControlKey]Operation

	// Periods; 0: only after the start.
	Interrogation        time.Duration
	CounterInterrogation time.Duration
	ClockSync            time.Duration

	// Order is what is asked after a start, one after the other; nil: interrogation, counters, clock. The interrogation is
	// asked for in any case.
	Order []Step

	// CounterFreeze is FRZ of the request that goes before counters are asked for; asdu.FreezeRead: none does.
	CounterFreeze uint8
	CounterGroups []uint8 // of counters to ask for, 1 to 4; none: all at once

	Protocol iec104.Config // ManualAck is set here, whatever it says
}

// Step is something that a device is asked after a start.
type Step uint8

const (
	StepTest Step = iota // a test command
	StepClock
	StepInterrogation
	StepCounters
)

// Probe is how links that this node doesn't use are looked after. No kind of it sends an I-frame.
type Probe uint8

const (
	ProbeConnect Probe = iota // connect and close, now and then
	ProbeHold                 // stay connected, not started
	ProbeOff                  // not at all: such a link is reported down
)

// LinkMode is how the links of one channel are used.
type LinkMode uint8

const (
	OneActive LinkMode = iota // one is started, the others are held
	AllActive                 // distinct devices, each of them started
)

// Channel is a path to an RTU.
type Channel struct {
	Mode  LinkMode
	Links []string // addresses, host:port
}

// Point is a monitored point or a control of an RTU. A value of the device becomes value*Scale + Offset, and the other
// way round for a set point.
type Point struct {
	Kind    fsmpb.Kind
	Number  uint32 // unique within kind
	Address asdu.InformationObjectAddress
	Type    asdu.TypeID // of a control: what it is sent as; of a monitored point: told where another one comes; 0: any
	Bit     uint8       // of a DI that is a bit of its object, counted from 1 (types 7, 20, 33, 39, 40); 0: the object is the point
	Invert  bool        // DI and DO: 0 and 1 of a single, 1 and 2 of a double point are swapped
	Event   bool        // AI and counter: a spontaneous value goes into the journal; DI always does
	Chatter *Chatter    // of DI and AI; nil: it never does
	// Transient is for how long an intermediate or indeterminate state of a double point isn't told; 0: it's told at once.
	Transient time.Duration
	Analog    *Analog // nil: as the device sends it
}

// TLS is how links are secured (IEC 62351-3). Another pointer is another configuration.
type TLS struct {
	Client func() *tls.Config // asked for each connection, so that a renewed certificate is in use from the next one on
}

// ControlKey is a DO or AO of an RTU.
type ControlKey struct {
	Kind   fsmpb.Kind
	Number uint32
}

// Operation is how a control is operated.
type Operation struct {
	Select    SelectMode
	Qualifier uint8 // QU or QL, its bits as in the octet, for what is asked without one

	// State is the number of the DI that shows the state of a DO, if Shown.
	State uint32
	Shown bool
}

// SelectMode is whether a control is selected before it's operated.
type SelectMode uint8

const (
	SelectAsked    SelectMode = iota // as it's asked for
	SelectDevice                     // a direct command is selected and executed at the device
	SelectRequired                   // a direct command is refused
)

// Analog is how an AI, counter or AO is converted.
type Analog struct {
	Scale, Offset float64 // Scale is not 0
	Deadband      float64 // a smaller change isn't taken over; in units, or in percent if Percent
	Percent       bool    // of the range, or of the value where Low or High is infinite
	Low, High     float64 // engineering range: a value beyond gets quality OV; -Inf and +Inf: none
}

// withDefaults is the RTU without its points, and with the link parameters that are needed here filled in as iec104 would.
func (r RTU) withDefaults() RTU {
	r.Points = nil
	if r.Order == nil {
		r.Order = []Step{StepInterrogation, StepCounters, StepClock}
	}
	c, d := &r.Protocol, iec104.DefaultConfig()
	if c.K == 0 {
		c.K = d.K
	}
	if c.W == 0 {
		c.W = min(d.W, iec104.MaxW(c.K))
	}
	if c.T0 == 0 {
		c.T0 = d.T0
	}
	if c.T1 == 0 {
		c.T1 = d.T1
	}
	if c.T2 == 0 {
		c.T2 = d.T2
	}
	return r
}

// sameLinks tells whether two RTUs may share their links.
func (r RTU) sameLinks(o RTU) bool {
	links := func(r RTU) RTU {
		return RTU{Channels: r.Channels, Retry: r.Retry, StandbyProbe: r.StandbyProbe, LinkCheck: r.LinkCheck, TLS: r.TLS, Protocol: r.Protocol}
	}
	return reflect.DeepEqual(links(r), links(o))
}

// check returns everything that is wrong with the RTUs.
func check(rtus []RTU) error {
	var errs []error
	numbers, links, by := map[uint32]bool{}, map[string]*RTU{}, map[uint32]*RTU{}
	for i := range rtus {
		by[rtus[i].Number] = &rtus[i]
	}
	type address struct {
		line   uint32
		common asdu.CommonAddress
	}
	behind := map[address]uint32{}
	for i := range rtus {
		r := &rtus[i]
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%w: RTU %d: %s", ErrConfig, r.Number, fmt.Sprintf(format, args...)))
		}
		if r.Number == 0 || numbers[r.Number] {
			bad("number taken, or 0")
		}
		numbers[r.Number] = true
		if at := (address{r.line(), r.CommonAddress}); behind[at] != 0 {
			bad("common address %d is that of RTU %d behind the same links", r.CommonAddress, behind[at])
		} else {
			behind[at] = r.Number
		}
		if of := by[r.line()]; of == nil || !slices.Equal(of.Sharing, r.Sharing) || !of.sameLinks(*r) {
			bad("shares the links of RTU %d, expected one whose links are configured in the same way", r.line())
		}
		if r.CommonAddress == 0 || r.CommonAddress == asdu.BroadcastAddress {
			bad("common address %d, expected that of one station", r.CommonAddress)
		}
		if r.Retry <= 0 {
			bad("retry %v, expected more than 0", r.Retry)
		}
		if err := r.Protocol.Validate(); err != nil {
			bad("%v", err)
		}
		if len(r.Channels) == 0 {
			bad("no channel")
		}
		for i, c := range r.Channels {
			if len(c.Links) == 0 {
				bad("channel %d has no link", i+1)
			}
			for j, link := range c.Links {
				if _, _, err := net.SplitHostPort(link); err != nil {
					bad("channel %d, link %d: address %q, expected host:port", i+1, j+1, link)
				} else if other := links[link]; other != nil && (other == r || other.line() != r.line()) {
					bad("channel %d, link %d: %s is a link of RTU %d already", i+1, j+1, link, other.Number)
				}
				links[link] = r
			}
		}
		t := newTable(r.Points)
		for i, p := range t.monitored {
			if i > 0 && t.monitored[i-1].Address == p.Address {
				bad("address %d of %v %d is that of another point", p.Address, p.Kind, p.Number)
			}
		}
		for i, p := range t.controls {
			if i > 0 && t.controls[i-1].Kind == p.Kind && t.controls[i-1].Number == p.Number {
				bad("%v %d is there twice", p.Kind, p.Number)
			}
		}
		for _, p := range r.Points {
			if err := p.check(); err != nil {
				bad("%v %d: %v", p.Kind, p.Number, err)
			}
		}
	}
	return errors.Join(errs...)
}
