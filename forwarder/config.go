package forwarder

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// Config is what a forwarder needs to know. It must not be changed after New.
type Config struct {
	Replica  replica.Owner
	Uplinks  []Uplink       // those of the station, with this node's listen addresses
	Location *time.Location // the station's, in which the state has time tags; nil: UTC
	Log      *slog.Logger   // nil: silent

	// Conditions is told what is wrong with the clients; nil: nobody is.
	Conditions condition.Reporter

	// Files has the copies of devices' files; nil: there are none.
	Files *filestore.Store

	// Tap, if set, is asked for each client who sees its frames.
	Tap func(uplink, group string, client netip.AddrPort) iec104.Tap

	// OnCarrierLoss has lost called, with the reason, when the interface that has a local address loses its carrier; stop takes
	// that back. nil: nobody is told.
	OnCarrierLoss func(local netip.Addr, lost func(error)) (stop func())
}

// Uplink is a 104s service for a control centre.
type Uplink struct {
	Name          string // unique
	Listen        string // host:port on this node; "": this node does not serve it
	CommonAddress asdu.CommonAddress
	Sectors       []asdu.CommonAddress // more stations on the same port, each with its points; none: only CommonAddress
	Location      *time.Location       // of time tags and clock synchronization; nil: the station's
	Mode          fsm.Mode
	Groups        []Group
	Points        []Point
	RoleIOA       uint32 // of the M_SP_TB_1 that tells the link's role, 1 main and 0 standby; 0: not told
	PlainTime     bool   // no time tag bears the bit for a substituted time (101, clause 7.2.6.18)
	Controls      bool   // otherwise commands are answered as an unknown type

	// Files are the RTUs whose files may be read, by the common address under which they are. In others file transfer is
	// answered as an unknown type.
	Files map[asdu.CommonAddress]uint32

	IEC104 iec104.Config // zero fields have the standard's defaults; ManualAck is not used
	TLS    *tls.Config   // nil: plain TCP; another pointer is another configuration
	Limits iec104.Limits // zero fields have iec104's defaults

	// SetClock is called with the time of a client's clock synchronization; an error is logged. Nil: this host's clock is
	// left alone. A synchronization is confirmed in any case.
	SetClock func(t time.Time) error
	// LinkCheck is how long the main link of a main-standby group may be silent before it's asked by TESTFR, while another node
	// has a started link: that one takes over if the main link doesn't answer within 1 s, and it does. 0: as t3 says.
	LinkCheck time.Duration
	// ControlTimeout is how long a control may take until the device's answer; 0 means 10 s.
	ControlTimeout time.Duration
	// SelectTimeout is how long a selection lasts; 0 means 30 s.
	SelectTimeout time.Duration
	// CommandAge is how far the time tag of a command may be from this node's clock; 0 means 30 s, negative any.
	CommandAge time.Duration
}

// Group is a redundancy group (IEC 60870-5-104 Ed. 2, clause 10): clients that share one cursor.
type Group struct {
	Name        string         // unique in the uplink
	Clients     []netip.Prefix // none: any address
	CommonNames []string       // of client certificates; none: any. Needs TLS
}

// Point is a row of an uplink's table.
type Point struct {
	Sector   asdu.CommonAddress // 0: the uplink's CommonAddress
	IOA      uint32             // unique in its sector
	RTU      uint32             // real or virtual
	Kind     fsm.Kind
	Point    uint32
	Type     asdu.TypeID // as which it is sent, or of the command
	Name     string
	Category string // of a control, for the operator: DO, AO, 20, 26, 27 or 29
}

const (
	defaultControlTimeout = 10 * time.Second
	defaultSelectTimeout  = 30 * time.Second
	defaultCommandAge     = 30 * time.Second
)

// stations are the common addresses of the uplink, its own first.
func (u *Uplink) stations() []asdu.CommonAddress {
	return append([]asdu.CommonAddress{u.CommonAddress}, u.Sectors...)
}

// withDefaults fills in what was left out.
func (u Uplink) withDefaults() Uplink {
	if u.ControlTimeout == 0 {
		u.ControlTimeout = defaultControlTimeout
	}
	if u.SelectTimeout == 0 {
		u.SelectTimeout = defaultSelectTimeout
	}
	if u.CommandAge == 0 {
		u.CommandAge = defaultCommandAge
	}
	return u
}

// same tells whether two uplinks differ in nothing but their points, which may change while clients are connected.
func (u Uplink) same(o Uplink) bool {
	if u.TLS != o.TLS || (u.SetClock == nil) != (o.SetClock == nil) {
		return false
	}
	for _, x := range []*Uplink{&u, &o} {
		*x = x.withDefaults()
		x.Points, x.TLS, x.SetClock = nil, nil, nil
	}
	return reflect.DeepEqual(u, o)
}

// Concerned tells whether an uplink's clients lose their connections when it is to be another, see [Forwarder.Configure].
func (u Uplink) Concerned(next Uplink) bool { return !u.same(next) }

// validate reports everything that is wrong at once, but for the points; each error wraps ErrConfig.
func validate(uplinks []Uplink) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
	}
	names := map[string]bool{}
	for _, u := range uplinks {
		if u.Name == "" || names[u.Name] {
			bad("uplink %q: the name is missing or taken", u.Name)
		}
		names[u.Name] = true
		if u.Mode.Proto() == fsmpb.Configure_MODE_NONE {
			bad("uplink %s: mode %q, expected exclusive, main-standby or dual-active", u.Name, u.Mode)
		}
		if u.CommonAddress == 0 || u.CommonAddress == asdu.BroadcastAddress {
			bad("uplink %s: common address %d, expected 1 to 65534", u.Name, u.CommonAddress)
		}
		for i, a := range u.Sectors {
			if a == 0 || a == asdu.BroadcastAddress || a == u.CommonAddress || slices.Contains(u.Sectors[:i], a) {
				bad("uplink %s: sector with common address %d, expected another one of 1 to 65534", u.Name, a)
			}
		}
		for a := range u.Files {
			if !slices.Contains(u.stations(), a) {
				bad("uplink %s: files with common address %d, expected one of the uplink's", u.Name, a)
			}
		}
		if u.ControlTimeout < 0 || u.SelectTimeout < 0 || u.LinkCheck < 0 {
			bad("uplink %s: control timeout %v, select timeout %v, link check %v, expected none below 0", u.Name, u.ControlTimeout, u.SelectTimeout, u.LinkCheck)
		}
		if err := u.IEC104.Validate(); err != nil {
			bad("uplink %s: %w", u.Name, err)
		}
		if len(u.Groups) == 0 {
			bad("uplink %s: no group", u.Name)
		}
		groups := map[string]bool{}
		for _, g := range u.Groups {
			if g.Name == "" || groups[g.Name] {
				bad("uplink %s: group %q: the name is missing or taken", u.Name, g.Name)
			}
			groups[g.Name] = true
		}
	}
	return errors.Join(errs...)
}
