package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// A Quirk is a way in which devices in the field differ from the standard.
type Quirk string

// The quirks of a device.
const (
	NeverTerminates Quirk = "never-terminates"
	NeverConfirms   Quirk = "never-confirms"
	Malformed       Quirk = "malformed"
	NoCause         Quirk = "no-cause"
)

type described struct {
	name  Quirk
	about string
}

// quirks are what each does.
var quirks = []described{
	{NeverTerminates, "confirms commands, and never terminates them"},
	{NeverConfirms, "answers no command; the n-th output's new state comes as the n-th single or double point's, cause 11"},
	{Malformed, "sends an ASDU a second that can't be parsed: no object, count and length disagree, an octet too many or too few"},
	{NoCause, "sends data a second with cause 0, with cause 44, or with P/N = 1"},
}

// ParseQuirks reads names; the error lists those that there are.
func ParseQuirks(names []string) (list []Quirk, err error) {
	for _, name := range names {
		if !slices.ContainsFunc(quirks, func(q described) bool { return string(q.name) == name }) {
			return nil, fmt.Errorf("quirk %q: expected one of\n%s", name, DescribeQuirks())
		}
		list = append(list, Quirk(name))
	}
	return list, nil
}

// DescribeQuirks lists the quirks, one a line.
func DescribeQuirks() string {
	var b strings.Builder
	for _, q := range quirks {
		fmt.Fprintf(&b, "  %-18s %s\n", q.name, q.about)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (d *Device) has(q Quirk) bool { return slices.Contains(d.cfg.Quirks, q) }

// Pester sends what the device's quirks make it send by itself, once a period, until ctx ends.
func (d *Device) Pester(ctx context.Context, period time.Duration) {
	for n := 0; sleepUntil(ctx, time.Now().Add(period)); n++ {
		if d.has(Malformed) {
			d.pushRaw(malformed[n%len(malformed)])
		}
		if d.has(NoCause) {
			d.pushRaw(noCause[n%len(noCause)])
		}
	}
}

// rawASDU is an ASDU that says of itself what isn't so.
type rawASDU struct {
	header asdu.Header
	count  int
	body   []byte
}

var (
	malformed = []rawASDU{
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous}, 0, nil},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous}, 3, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous}, 1, []byte{1, 0, 0, 1, 0, 0, 0, 10, 13, 11, 26, 0}},
		{asdu.Header{Type: asdu.M_SP_TB_1, Cause: asdu.Spontaneous}, 1, []byte{1, 0, 0, 1, 0, 0, 0, 10, 13}},
	}
	noCause = []rawASDU{
		{asdu.Header{Type: asdu.M_SP_NA_1}, 1, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.UnknownType}, 1, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous, Negative: true}, 1, []byte{1, 0, 0, 1}},
	}
)

// pushRaw queues an ASDU that the codec would refuse.
func (d *Device) pushRaw(r rawASDU) {
	h := r.header
	h.Type, h.CommonAddress = 127, d.cfg.CommonAddress // of no known type, so nothing is checked
	a, err := d.profile().NewRaw(h, r.count, r.body)
	if err != nil {
		panic(err) // the tables above are right by themselves
	}
	a.Type = r.header.Type
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.queue.Push(a) != nil {
		return // full
	}
	for _, s := range d.started {
		s.Wake()
	}
}

// returned reports the state of the n-th digital point that the n-th output has brought about.
func (d *Device) returned(c *iec104.Call) {
	n := -1
	for _, p := range d.cfg.Points {
		if p.Type.IsCommand() {
			n++
			if p.Address == c.Object.Address && p.Type == c.ASDU.Type {
				break
			}
		}
	}
	for _, p := range d.cfg.Points {
		switch p.Type.Untimed() {
		case asdu.M_SP_NA_1, asdu.M_DP_NA_1:
		default:
			continue
		}
		if n--; n >= 0 {
			continue
		}
		on := c.Object.Value == 1
		if c.ASDU.Type.Untimed() != asdu.C_SC_NA_1 {
			on = c.Object.Value == 2
		}
		o := asdu.Object{Address: p.Address, Time: asdu.NewCP56Time2a(time.Now(), d.cfg.Location)}
		if on {
			o.Value = 1
		}
		if p.Type.Untimed() == asdu.M_DP_NA_1 {
			o.Value++
		}
		a, err := d.profile().New(asdu.Header{Type: p.Type.WithCP56(), Cause: asdu.RemoteReturn, CommonAddress: d.cfg.CommonAddress}, o)
		if err == nil {
			_ = d.Play(a, time.Now()) // full: the state was not told, as with any event
		}
		return
	}
}
