package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/fepha/fepha/fsm/chantable"
)

// decode reads a datagram without its tag. The payloads and inner datagrams of the result share b's memory. Every
// datagram it accepts encodes to the same octets again; the error wraps ErrDatagram.
func decode(b []byte) (Datagram, error) {
	r := octets{b: b}
	var d Datagram
	if string(r.take(2)) != "FN" {
		r.fail("does not begin with FN")
	}
	if v := r.u8(); v != wireVersion {
		r.fail("version %d, want %d", v, wireVersion)
	}
	kind := Kind(r.u8())
	d.Key = r.u8()
	if z := r.take(3); z != nil && (z[0]|z[1]|z[2]) != 0 {
		r.fail("reserved octets are % x, want zeros", z)
	}
	d.From, d.Session, d.Counter = r.id(), r.u64(), r.u64()
	d.To, d.Contact = r.id(), r.u64()
	d.Body = r.body(kind)
	if r.err == nil && r.at != len(b) {
		r.fail("%d octets too many", len(b)-r.at)
	}
	return d, r.err
}

// octets reads the values of a datagram. After the first mistake it returns zeros and err tells what that was.
type octets struct {
	b   []byte
	at  int
	err error
}

func (r *octets) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: octet %d: %s", ErrDatagram, r.at, fmt.Sprintf(format, args...))
	}
}

func (r *octets) take(n int) []byte {
	if r.err != nil || len(r.b)-r.at < n {
		r.fail("%d octets expected, %d are left", n, len(r.b)-r.at)
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

func (r *octets) rest() []byte { return r.take(len(r.b) - r.at) }

func (r *octets) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *octets) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *octets) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *octets) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// flags reads an octet in which only the given bits may be set.
func (r *octets) flags(allowed uint8) uint8 {
	v := r.u8()
	if v&^allowed != 0 {
		r.fail("flags %#02x, want none but %#02x", v, allowed)
	}
	return v
}

func (r *octets) id() chantable.ID {
	v := chantable.ID(r.u64())
	if v > chantable.MaxID {
		r.fail("id %d, want at most %d", v, chantable.MaxID)
	}
	return v
}

func (r *octets) address() netip.AddrPort {
	n := r.u8()
	if n != 0 && n != 4 && n != 16 {
		r.fail("address of %d octets, want 0, 4 or 16", n)
		return netip.AddrPort{}
	}
	ip, _ := netip.AddrFromSlice(r.take(int(n)))
	if ip.Is4In6() {
		r.fail("IPv4 address %s in 16 octets, want 4", ip)
	}
	return netip.AddrPortFrom(ip, r.u16())
}

func (r *octets) text() string {
	s := string(r.take(int(r.u8())))
	if err := chantable.ValidateName(s); err != nil {
		r.fail("%v", err)
	}
	return s
}

func (r *octets) stream() Stream {
	s := Stream(r.u8())
	if s >= Streams {
		r.fail("stream %d, want less than %d", s, Streams)
	}
	return s
}

func (r *octets) body(k Kind) Body {
	if r.err != nil {
		return nil
	}
	switch k {
	case KindKnock:
		return Knock{}
	case KindHello:
		return Hello{EchoTo: r.id(), EchoSession: r.u64(), EchoCounter: r.u64(), Offer: r.u64(), Remembers: r.flags(flagRemembers) != 0}
	case KindRegister:
		return Register{
			Unicast: r.flags(flagUnicast) != 0, Level: r.u8(), CN: chantable.CN(r.u16()), Instance: r.u64(), Epoch: r.u64(),
			Table: r.u64(), Floor: r.u64(), Address: r.address(), Name: r.text(),
		}
	case KindLeave:
		return Leave{Instance: r.u64(), Epoch: r.u64()}
	case KindAnswer:
		return Answer{
			EchoSession: r.u64(), EchoCounter: r.u64(), Outcome: r.outcome(), Level: r.u8(), CN: chantable.CN(r.u16()),
			Multicast: r.flags(flagMulticast) != 0, Table: r.u64(), Version: r.u64(), Every: r.u32(), Centre: r.address(),
		}
	case KindTable:
		return r.table()
	case KindAsk:
		return r.ask()
	case KindData:
		return r.data()
	case KindAck:
		return Ack{EchoSession: r.u64(), EchoCounter: r.u64(), Stream: r.stream(), Delivered: r.flags(flagDelivered) != 0, Seq: r.u64(), Fragments: r.u64()}
	case KindRelay:
		return Relay{Origin: r.address(), Inner: r.rest()}
	case KindRelayed:
		return Relayed{Destination: r.address(), Inner: r.rest()}
	}
	r.fail("kind %d is unknown", k)
	return nil
}

func (r *octets) outcome() Outcome {
	o := Outcome(r.u8())
	if o < Granted || o > Deferred {
		r.fail("outcome %d, want %d to %d", o, Granted, Deferred)
	}
	return o
}

func (r *octets) table() Body {
	t := Table{Confirm: r.flags(flagConfirm) != 0, Level: r.u8()}
	n := int(r.u16())
	p := &t.Page
	p.Table, p.Version, p.From, p.To = r.u64(), r.u64(), r.u64(), r.u64()
	if p.From > p.To || p.To > p.Version {
		r.fail("range (%d, %d] of a table at version %d", p.From, p.To, p.Version)
	}
	last := p.From
	for range n {
		e := r.entry()
		if e.Changed <= last || e.Changed > p.To {
			r.fail("channel %d changed in version %d, want more than %d, at most %d", e.CN, e.Changed, last, p.To)
		}
		if r.err != nil {
			return nil
		}
		last = e.Changed
		p.Entries = append(p.Entries, e)
	}
	return t
}

func (r *octets) entry() chantable.Entry {
	e := chantable.Entry{CN: chantable.CN(r.u16())}
	flags := r.flags(flagStation | flagOnline | flagContested)
	e.Changed = r.u64()
	if e.CN == 0 {
		r.fail("entry with channel 0")
	}
	if flags&flagStation == 0 {
		if flags != 0 {
			r.fail("channel %d is empty and has flags %#02x", e.CN, flags)
		}
		return e
	}
	e.Online, e.Contested = flags&flagOnline != 0, flags&flagContested != 0
	e.ID, e.Level = r.id(), r.u8()
	e.Since, e.OnlineBefore = int64(r.u32())*1000, int64(r.u32())*1000
	e.Address, e.Name = r.address(), r.text()
	if r.err == nil && e.ID == 0 {
		r.fail("channel %d has a station with id 0", e.CN)
	}
	if r.err == nil {
		if err := chantable.ValidateAddress(e.Address); err != nil {
			r.fail("channel %d: %v", e.CN, err)
		}
	}
	return e
}

func (r *octets) ask() Body {
	a := Ask{Table: r.u64(), Floor: r.u64()}
	n := int(r.u8())
	if n > MaxRanges {
		r.fail("%d ranges, want at most %d", n, MaxRanges)
		return nil
	}
	last := a.Floor
	for range n {
		g := chantable.Range{From: r.u64(), To: r.u64()}
		if g.From < last || g.From >= g.To {
			r.fail("range (%d, %d] after %d", g.From, g.To, last)
			return nil
		}
		last = g.To
		a.Missing = append(a.Missing, g)
	}
	return a
}

func (r *octets) data() Body {
	d := Data{Stream: r.stream(), AckNow: r.flags(flagAckNow) != 0}
	count := int(r.u8())
	d.Index, d.Seq, d.Base, d.Length = r.u8(), r.u64(), r.u64(), r.u32()
	d.Payload = r.rest()
	switch {
	case r.err != nil:
	case d.Length > MaxMessage:
		r.fail("message of %d octets, want at most %d", d.Length, MaxMessage)
	case count != d.Count() || int(d.Index) >= count:
		r.fail("fragment %d of %d in a message of %d octets, want %d", d.Index, count, d.Length, d.Count())
	case len(d.Payload) != min(MaxFragment, int(d.Length)-int(d.Index)*MaxFragment):
		r.fail("fragment %d of %d octets in a message of %d", d.Index, len(d.Payload), d.Length)
	case d.Base > d.Seq:
		r.fail("message %d, base %d", d.Seq, d.Base)
	}
	return d
}
