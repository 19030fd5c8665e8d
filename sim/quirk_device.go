package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

func (d *Device) has(q Quirk) bool { return slices.Contains(*d.quirks.Load(), q) }

// SetQuirks gives the device other quirks, from the next connection on where they are those of a link. SmallWindow alone has to be
// there from the start.
func (d *Device) SetQuirks(quirks ...Quirk) { d.quirks.Store(&quirks) }

// Pester sends what the device's quirks make it send by itself, once a period, until ctx ends.
func (d *Device) Pester(ctx context.Context, period time.Duration) {
	for n := 0; sleepUntil(ctx, time.Now().Add(period)); n++ {
		for _, q := range *d.quirks.Load() {
			if sends := pestering[q]; len(sends.raw) > 0 {
				d.pushRaw(sends.raw[n%len(sends.raw)], sends.of)
			}
		}
	}
}

// pestered is what a device sends by itself.
type pestered struct {
	raw []rawASDU
	of  []asdu.TypeID // the object is the first point of one of these types; none: as it stands
}

// rawASDU is an ASDU that says of itself what isn't so.
type rawASDU struct {
	header asdu.Header
	count  int
	body   []byte // with an object address of three octets
}

var (
	spontaneous = asdu.Spontaneous
	single      = []asdu.TypeID{asdu.M_SP_NA_1, asdu.M_SP_TB_1}
)

// pestering is what each quirk makes a device send.
var pestering = map[Quirk]pestered{
	Malformed: {raw: []rawASDU{
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous}, 0, nil},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous}, 3, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_TB_1, Cause: spontaneous}, 1, []byte{1, 0, 0, 1, 0, 0, 0, 10, 13, 11, 26, 0}},
		{asdu.Header{Type: asdu.M_SP_TB_1, Cause: spontaneous}, 1, []byte{1, 0, 0, 1, 0, 0, 0, 10, 13}},
	}},
	NoCause: {raw: []rawASDU{
		{asdu.Header{Type: asdu.M_SP_NA_1}, 1, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.UnknownType}, 1, []byte{1, 0, 0, 1}},
		{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous, Negative: true}, 1, []byte{1, 0, 0, 1}},
	}},
	OtherAddress:     {raw: []rawASDU{{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous, CommonAddress: 9998}, 1, []byte{1, 0, 0, 1}}}},
	UnknownObject:    {raw: []rawASDU{{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous}, 1, []byte{0x0f, 0x27, 0, 1}}}},
	PrivateType:      {raw: []rawASDU{{asdu.Header{Type: 140, Cause: spontaneous}, 1, []byte{1, 0, 0, 1}}}},
	OtherType:        {single1(asdu.M_ME_NB_1, 5, 0, 0), single},
	TestBit:          {[]rawASDU{{asdu.Header{Type: asdu.M_SP_NA_1, Cause: spontaneous, Test: true}, 1, []byte{0, 0, 0, 1}}}, single},
	ProtectionEvents: {single1(asdu.M_EP_TD_1, 1, 10, 0, 0, 0, 0, 0, 0, 0, 0), single}, // SEP 1 is off; pushRaw puts the time
	NotANumber:       {single1(asdu.M_ME_NC_1, 0, 0, 0xc0, 0x7f, 0), []asdu.TypeID{asdu.M_ME_NC_1, asdu.M_ME_TF_1}},
	Transient:        {single1(asdu.M_ST_NA_1, 0x85, 0), []asdu.TypeID{asdu.M_ST_NA_1, asdu.M_ST_TB_1}},
	Bitstring:        {single1(asdu.M_BO_NA_1, 0xef, 0xbe, 0xad, 0xde, 0), []asdu.TypeID{asdu.M_ME_NC_1, asdu.M_ME_TF_1, asdu.M_ME_NB_1, asdu.M_ME_TE_1}},
	PackedPoints:     {single1(asdu.M_PS_NA_1, 1, 0, 1, 0, 0), []asdu.TypeID{asdu.M_PS_NA_1}}, // ST 1 and CD 1 of the first
	Intermediate:     {single1(asdu.M_DP_NA_1, 0), []asdu.TypeID{asdu.M_DP_NA_1, asdu.M_DP_TB_1}},
}

// single1 is one object of a type, of a point.
func single1(t asdu.TypeID, element ...byte) []rawASDU {
	return []rawASDU{{asdu.Header{Type: t, Cause: spontaneous}, 1, append([]byte{0, 0, 0}, element...)}}
}

// pushRaw queues an ASDU that the codec would refuse, of the device's first point of some types.
func (d *Device) pushRaw(r rawASDU, of []asdu.TypeID) {
	body := slices.Clone(r.body)
	if of != nil {
		i := slices.IndexFunc(d.cfg.Points, func(p DevicePoint) bool { return slices.Contains(of, p.Type) })
		if i < 0 {
			return
		}
		ioa := d.cfg.Points[i].Address
		body[0], body[1], body[2] = byte(ioa), byte(ioa>>8), byte(ioa>>16)
	}
	if r.header.Type.TimeTag() == asdu.CP56 && len(body) >= 7 && of != nil {
		// The present time: the station takes an event that is older than what it has interrogated since for one of the backlog.
		tag := asdu.NewCP56Time2a(time.Now().Add(d.early()), d.cfg.Location)
		copy(body[len(body)-len(tag):], tag[:])
	}
	h := r.header
	h.Type, h.CommonAddress = 140, cmp.Or(h.CommonAddress, d.cfg.CommonAddress) // of no known type, so nothing is checked
	a, err := d.profile().NewRaw(h, r.count, body)
	if err != nil {
		panic(err) // the tables above are right by themselves
	}
	a.Type = r.header.Type
	_ = d.line.push(a) // full: it is not sent
}

// early is by how much the device's clock is.
func (d *Device) early() time.Duration {
	switch {
	case d.has(WrongClock):
		return -10 * time.Second
	case d.has(WrongZone):
		return 8 * time.Hour
	}
	return 0
}

// handle answers, or does not.
func (d *Device) handle(s *iec104.Session, a asdu.ASDU, index uint64) {
	if a.Type == asdu.C_IC_NA_1 && a.Cause == asdu.Activation {
		switch {
		case d.has(IgnoresInterrogation):
			return
		case d.has(EndlessInterrogation):
			_ = s.Send(a.Mirror(asdu.ActivationCon, false)) // a closed link needs no answer
			for _, p := range d.cfg.Points {
				if t, o, ok := d.read(d.cfg.CommonAddress, p.Address); ok {
					if v, err := d.profile().New(asdu.Header{Type: t.Untimed(), Cause: asdu.InterrogatedStation, CommonAddress: d.cfg.CommonAddress}, o); err == nil {
						_ = s.Send(v)
					}
				}
			}
			return
		}
	}
	d.station.Handle(s, a, index)
}

// allowStart lets a start wait as long as another client's link is started.
func (d *Device) allowStart(ctx context.Context, s *iec104.Session) error {
	busy := func(o *iec104.Session) bool { return o != s && o.State() == iec104.Started }
	for d.has(KeepsOldLink) && slices.ContainsFunc(d.server.Sessions(), busy) {
		if !sleepUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			return ctx.Err()
		}
	}
	return nil
}

// allowConnect drops the client that a device has, if it serves one alone.
func (d *Device) allowConnect(s *iec104.Session) error {
	if d.has(OneClient) {
		for _, o := range d.server.Sessions() {
			if o != s {
				o.Abort(errOneClient)
			}
		}
	}
	return nil
}

var errOneClient = errors.New("another client")

// rude is a connection on which the device breaks the rules of the APCI.
type rude struct {
	net.Conn
	d *Device

	mu   sync.Mutex
	held []byte // STARTDT con that waits for data
}

var (
	startCon = []byte{0x68, 4, 0x0b, 0, 0, 0}
	oddFrame = []byte{0x68, 4, 0x03, 0, 0, 0}
	plainS   = []byte{0x68, 4, 0x01, 0, 0, 0}
)

// rudely makes a connection one on which the rules are broken, if that's a quirk of the device.
func (d *Device) rudely(c net.Conn) net.Conn {
	if !d.has(EarlyData) && !d.has(OddFrames) && !d.has(StoppedFrames) {
		return c
	}
	if d.has(StoppedFrames) {
		_, _ = c.Write(plainS) // an error shows at the next read
	}
	return &rude{Conn: c, d: d}
}

// Write writes frames, in another order or with others.
func (r *rude) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := b
	if r.d.has(OddFrames) {
		out = append(slices.Clone(oddFrame), b...)
	}
	switch {
	case r.d.has(EarlyData) && bytes.Equal(b, startCon):
		r.held = startCon
		return len(b), nil
	case r.d.has(EarlyData) && bytes.HasPrefix(b, startCon):
		out = append(slices.Clone(b[len(startCon):]), startCon...)
	case r.held != nil:
		out = append(slices.Clone(out), r.held...)
		r.held = nil
	}
	_, err := r.Conn.Write(out)
	return len(b), err
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
