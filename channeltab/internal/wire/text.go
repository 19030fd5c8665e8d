package wire

import (
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm/chantable"
)

func (k Kind) String() string {
	names := [...]string{"", "Knock", "Hello", "Register", "Leave", "Answer", "Table", "Ask", "Data", "Ack", "Relay", "Relayed"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}

func (s Stream) String() string {
	if s == InOrder {
		return "in order"
	}
	return "any order"
}

// String tells in a line what the datagram says, for traces.
func (d Datagram) String() string {
	return fmt.Sprintf("%s from %d session %x counter %d to %d contact %x key %d: %s",
		d.Body.Kind(), d.From, d.Session, d.Counter, d.To, d.Contact, d.Key, Describe(d.Body))
}

// Describe tells in a line what a body says.
func Describe(b Body) string {
	switch b := b.(type) {
	case Hello:
		return fmt.Sprintf("to the one to %d session %x counter %d, offer %x%s", b.EchoTo, b.EchoSession, b.EchoCounter, b.Offer, when(b.Remembers, ", remembers"))
	case Register:
		return fmt.Sprintf("cn %d address %s level %d name %q instance %x epoch %d, copy of table %x to version %d%s",
			b.CN, b.Address, b.Level, b.Name, b.Instance, b.Epoch, b.Table, b.Floor, when(b.Unicast, ", by unicast"))
	case Leave:
		return fmt.Sprintf("instance %x epoch %d", b.Instance, b.Epoch)
	case Answer:
		return fmt.Sprintf("to session %x counter %d: %s cn %d, level %d, table %x version %d, every %s%s%s", b.EchoSession,
			b.EchoCounter, b.Outcome, b.CN, b.Level, b.Table, b.Version, time.Duration(b.Every)*time.Millisecond,
			when(b.Multicast, ", multicast"), when(b.Centre.IsValid(), ", see "+b.Centre.String()))
	case Table:
		p := b.Page
		text := fmt.Sprintf("table %x version %d level %d, changes after %d to %d%s", p.Table, p.Version, b.Level, p.From, p.To,
			when(b.Confirm, ", confirm"))
		for _, e := range p.Entries {
			text += "; " + describeEntry(e)
		}
		return text
	case Ask:
		text := fmt.Sprintf("table %x to version %d", b.Table, b.Floor)
		for _, r := range b.Missing {
			text += fmt.Sprintf(", misses after %d to %d", r.From, r.To)
		}
		return text
	case Data:
		return fmt.Sprintf("%s seq %d base %d fragment %d of %d, %d of %d octets%s", b.Stream, b.Seq, b.Base, b.Index, b.Count(),
			len(b.Payload), b.Length, when(b.AckNow, ", ack now"))
	case Ack:
		return fmt.Sprintf("to session %x counter %d: %s seq %d fragments %b%s", b.EchoSession, b.EchoCounter, b.Stream, b.Seq,
			b.Fragments, when(b.Delivered, ", delivered"))
	case Relay:
		return fmt.Sprintf("%d octets from %s", len(b.Inner), b.Origin)
	case Relayed:
		return fmt.Sprintf("%d octets to %s", len(b.Inner), b.Destination)
	}
	return "nothing more"
}

func describeEntry(e chantable.Entry) string {
	if e.ID == 0 {
		return fmt.Sprintf("%d empty (change %d)", e.CN, e.Changed)
	}
	state := "offline"
	if e.Online {
		state = "online"
	}
	return fmt.Sprintf("%d id %d %q %s level %d %s since %s, %s before%s (change %d)", e.CN, e.ID, e.Name, e.Address, e.Level,
		state, time.UnixMilli(e.Since).UTC().Format(time.DateTime), time.Duration(e.OnlineBefore)*time.Millisecond,
		when(e.Contested, ", contested"), e.Changed)
}

func when(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}
