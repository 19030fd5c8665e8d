package sim

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// The quirks of a control centre.
const (
	NoInterrogation     Quirk = "no-interrogation"
	GroupInterrogation  Quirk = "group-interrogation"
	Broadcast           Quirk = "broadcast"
	OtherStation        Quirk = "other-station"
	LateAcknowledgement Quirk = "late-acknowledgement"
	TwoCentres          Quirk = "two-centres"
	NoSubstitutedTime   Quirk = "no-substituted-time"
	FreezesCounters     Quirk = "freezes-counters"
	ResetsCounters      Quirk = "resets-counters"
	CancelsSelection    Quirk = "cancels-selection"
)

// centreQuirks are what each does.
var centreQuirks = []described{
	{NoInterrogation, "never interrogates"},
	{GroupInterrogation, "interrogates groups 1 to 16 instead of the station"},
	{Broadcast, "interrogates common address 65535"},
	{OtherStation, "asks for another common address"},
	{LateAcknowledgement, "acknowledges what it got 12 s later, whatever w is"},
	{TwoCentres, "is two: a second one at 127.0.0.2 connects to the same group whenever the first one has"},
	{NoSubstitutedTime, "closes the link at a time tag that bears the bit for a substituted time"},
	{FreezesCounters, "freezes the counters and reads them, every second"},
	{ResetsCounters, "freezes the counters with reset, every second"},
	{CancelsSelection, "selects its output, takes that back, and executes it"},
}

// ParseCentreQuirks reads names; the error lists those that there are.
func ParseCentreQuirks(names []string) ([]Quirk, error) { return parseQuirks(centreQuirks, names) }

// DescribeCentreQuirks lists a control centre's quirks, one a line.
func DescribeCentreQuirks() string { return describeQuirks(centreQuirks) }

// CentreQuirks are the names of all.
func CentreQuirks() []Quirk { return namesOf(centreQuirks) }

func (c *Centre) has(q Quirk) bool { return slices.Contains(c.cfg.Quirks, q) }

// lateBy is how late a centre that is late acknowledges: less than t1, or the link would be closed.
const lateBy = 12 * time.Second

// acknowledgeLate acknowledges what has come, now and then, until the link is lost.
func (c *Centre) acknowledgeLate(ctx context.Context, client *iec104.Client, newest *atomic.Uint64) {
	for client.Err() == nil && sleepUntil(ctx, time.Now().Add(lateBy)) {
		client.Ack(newest.Load())
	}
}

// interrogate asks for all values, as the centre's quirks have it.
func (c *Centre) interrogate(ctx context.Context, client *iec104.Client) {
	sectors := append([]asdu.CommonAddress{c.cfg.CommonAddress}, c.cfg.Sectors...)
	qois := []uint8{asdu.QOIStation}
	switch {
	case !c.cfg.Interrogate, c.has(NoInterrogation), c.has(LateAcknowledgement): // which would not end
		return
	case c.has(Broadcast):
		sectors = []asdu.CommonAddress{asdu.BroadcastAddress}
	case c.has(OtherStation):
		sectors = []asdu.CommonAddress{c.cfg.CommonAddress + 1}
	case c.has(GroupInterrogation):
		qois = qois[:0]
		for q := asdu.QOIGroup1; q <= asdu.QOIGroup16; q++ {
			qois = append(qois, q)
		}
	}
	for _, ca := range sectors {
		for _, q := range qois {
			if client.Interrogate(ctx, ca, q) != nil {
				return
			}
		}
	}
	c.mu.Lock()
	c.ends++
	c.mu.Unlock()
}

// pester asks what the centre's quirks make it ask, every second until the link is lost.
func (c *Centre) pester(ctx context.Context, client *iec104.Client) {
	ask := func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.refused++
		} else {
			c.answered++
		}
	}
	for ctx.Err() == nil && client.Err() == nil {
		switch {
		case c.has(FreezesCounters):
			ask(client.CounterInterrogate(ctx, c.cfg.CommonAddress, asdu.RQTGeneral|asdu.Freeze))
			ask(client.CounterInterrogate(ctx, c.cfg.CommonAddress, asdu.RQTGeneral))
		case c.has(ResetsCounters):
			ask(client.CounterInterrogate(ctx, c.cfg.CommonAddress, asdu.RQTGeneral|asdu.FreezeWithReset))
		case c.has(CancelsSelection):
			cmd := iec104.Command{CommonAddress: c.cfg.CommonAddress, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: c.cfg.Output, Value: 1, Qualifier: asdu.SelectBit}}
			ask(client.Command(ctx, cmd))
			ask(client.Cancel(ctx, cmd))
			cmd.Object.Qualifier = 0
			ask(client.Command(ctx, cmd))
		default:
			return
		}
		sleepUntil(ctx, time.Now().Add(time.Second))
	}
}

// Answers are how many requests of the centre's quirks were answered positively and otherwise.
func (c *Centre) Answers() (positive, other int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered, c.refused
}

// disturb looks at a time tag that the centre may not be able to take.
func (c *Centre) disturb(client *iec104.Client, t asdu.CP56Time2a) {
	if c.has(NoSubstitutedTime) && t.Substituted() {
		client.Abort(errNoSubstitutedTime)
	}
}

// rival connects as a second control centre.
func (c *Centre) rival(ctx context.Context) {
	local := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	other := NewCentre(CentreConfig{Addresses: c.cfg.Addresses, CommonAddress: c.cfg.CommonAddress, Retry: c.cfg.Retry, Dial: local.DialContext})
	_ = other.Run(ctx) // ends with ctx
}
