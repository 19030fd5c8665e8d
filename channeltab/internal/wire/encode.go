package wire

import (
	"encoding/binary"
	"net/netip"

	"github.com/fepha/fepha/fsm/chantable"
)

// Flags, each in the octet named after its body.
const (
	flagRemembers = 1 // Hello
	flagUnicast   = 1 // Register
	flagMulticast = 1 // Answer
	flagConfirm   = 1 // Table
	flagAckNow    = 1 // Data
	flagDelivered = 1 // Ack

	flagStation   = 1 // entry: there is a station
	flagOnline    = 2 // entry
	flagContested = 4 // entry
)

// append appends the datagram without its tag.
func (d *Datagram) append(b []byte) []byte {
	b = append(b, 'F', 'N', wireVersion, byte(d.Body.Kind()), d.Key, 0, 0, 0)
	b = be64(b, uint64(d.From))
	b = be64(b, d.Session)
	b = be64(b, d.Counter)
	b = be64(b, uint64(d.To))
	b = be64(b, d.Contact)
	return d.Body.append(b)
}

func (Knock) append(b []byte) []byte { return b }

func (h Hello) append(b []byte) []byte {
	b = be64(b, uint64(h.EchoTo))
	b = be64(b, h.EchoSession)
	b = be64(b, h.EchoCounter)
	b = be64(b, h.Offer)
	return append(b, bit(h.Remembers, flagRemembers))
}

func (r Register) append(b []byte) []byte {
	b = append(b, bit(r.Unicast, flagUnicast), r.Level)
	b = be16(b, uint16(r.CN))
	b = be64(b, r.Instance)
	b = be64(b, r.Epoch)
	b = be64(b, r.Table)
	b = be64(b, r.Floor)
	b = appendAddress(b, r.Address)
	return appendText(b, r.Name)
}

func (l Leave) append(b []byte) []byte {
	b = be64(b, l.Instance)
	return be64(b, l.Epoch)
}

func (a Answer) append(b []byte) []byte {
	b = be64(b, a.EchoSession)
	b = be64(b, a.EchoCounter)
	b = append(b, byte(a.Outcome), a.Level)
	b = be16(b, uint16(a.CN))
	b = append(b, bit(a.Multicast, flagMulticast))
	b = be64(b, a.Table)
	b = be64(b, a.Version)
	b = be32(b, a.Every)
	return appendAddress(b, a.Centre)
}

func (t Table) append(b []byte) []byte {
	b = append(b, bit(t.Confirm, flagConfirm), t.Level)
	b = be16(b, uint16(len(t.Page.Entries)))
	b = be64(b, t.Page.Table)
	b = be64(b, t.Page.Version)
	b = be64(b, t.Page.From)
	b = be64(b, t.Page.To)
	for _, e := range t.Page.Entries {
		b = appendEntry(b, e)
	}
	return b
}

// appendEntry appends an entry. Times are told in whole seconds.
func appendEntry(b []byte, e chantable.Entry) []byte {
	b = be16(b, uint16(e.CN))
	b = append(b, bit(e.ID != 0, flagStation)|bit(e.Online, flagOnline)|bit(e.Contested, flagContested))
	b = be64(b, e.Changed)
	if e.ID == 0 {
		return b
	}
	b = be64(b, uint64(e.ID))
	b = append(b, e.Level)
	b = be32(b, uint32(e.Since/1000))
	b = be32(b, uint32(e.OnlineBefore/1000))
	b = appendAddress(b, e.Address)
	return appendText(b, e.Name)
}

// EntrySize is the number of octets that appendEntry appends.
func EntrySize(e chantable.Entry) int {
	if e.ID == 0 {
		return 11
	}
	n := 11 + 17 + 3 + 1 + len(e.Name)
	if e.Address.Addr().Is4() {
		return n + 4
	}
	return n + 16
}

func (a Ask) append(b []byte) []byte {
	b = be64(b, a.Table)
	b = be64(b, a.Floor)
	b = append(b, byte(len(a.Missing)))
	for _, r := range a.Missing {
		b = be64(b, r.From)
		b = be64(b, r.To)
	}
	return b
}

func (d Data) append(b []byte) []byte {
	b = append(b, byte(d.Stream), bit(d.AckNow, flagAckNow), byte(d.Count()), d.Index)
	b = be64(b, d.Seq)
	b = be64(b, d.Base)
	b = be32(b, d.Length)
	return append(b, d.Payload...)
}

func (a Ack) append(b []byte) []byte {
	b = be64(b, a.EchoSession)
	b = be64(b, a.EchoCounter)
	b = append(b, byte(a.Stream), bit(a.Delivered, flagDelivered))
	b = be64(b, a.Seq)
	return be64(b, a.Fragments)
}

func (r Relay) append(b []byte) []byte   { return append(appendAddress(b, r.Origin), r.Inner...) }
func (r Relayed) append(b []byte) []byte { return append(appendAddress(b, r.Destination), r.Inner...) }

// appendAddress appends the length of the address (0, 4 or 16), the address and the port.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap().AsSlice()
	b = append(b, byte(len(ip)))
	b = append(b, ip...)
	return be16(b, a.Port())
}

func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func be16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func be32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func be64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func bit(set bool, mask byte) byte {
	if set {
		return mask
	}
	return 0
}
