package fsm

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/mailbox"
)

// mail is what is kept, as number:from:octets.
func mail(s *State) (text string) {
	for _, m := range s.Mailbox().After(0, 1000) {
		text += fmt.Sprintf("%d:%d:%d ", m.Number, m.From, len(m.Payload))
	}
	return text
}

func keeps(want string) func(*testing.T, *State) {
	return func(t *testing.T, s *State) {
		t.Helper()
		mustEqual(t, "kept", mail(s), want)
	}
}

func TestReceiveMessage(t *testing.T) {
	base := []string{testStation, "lead assign fnp epoch=0 owner=fep1", "fep1 receive 7/70/0/5 epoch=1 base=3 text=one"}
	runCases(t, base, []commandCase{
		{name: "the next one", do: "fep1 receive 7/70/0/6 epoch=1 base=3 text=four", check: keeps("1:7:3 2:7:4 ")},
		{name: "empty", do: "fep1 receive 7/70/0/6 epoch=1 base=3", check: keeps("1:7:3 2:7:0 ")},
		{name: "one before it", do: "fep1 receive 7/70/0/4 epoch=1 base=3 text=x", check: keeps("1:7:3 2:7:1 ")},
		{name: "again", do: "fep1 receive 7/70/0/5 epoch=1 base=3 text=one", code: duplicate},
		{name: "again, its sender has settled more", do: "fep1 receive 7/70/0/5 epoch=1 base=5 text=one", code: duplicate},
		{name: "again, as the next owner", after: []string{"lead assign fnp epoch=1 owner=fep2"}, do: "fep2 receive 7/70/0/5 epoch=2 base=3 text=one", code: duplicate},
		{name: "another, as the next owner", after: []string{"lead assign fnp epoch=1 owner=fep2"}, do: "fep2 receive 7/70/0/6 epoch=2 base=3 text=x", check: keeps("1:7:3 2:7:1 ")},
		{name: "what its sender has given up", do: "fep1 receive 7/70/0/2 epoch=1 base=1 text=late", code: duplicate},
		{name: "the same number in order", do: "fep1 receive 7/70/1/5 epoch=1 base=3 text=x", check: keeps("1:7:3 2:7:1 ")},
		{name: "the same number of another session", do: "fep1 receive 7/71/0/5 epoch=1 base=3 text=x", check: keeps("1:7:3 2:7:1 ")},
		{name: "the same number of another sender", do: "fep1 receive 8/70/0/5 epoch=1 base=3 text=x", check: keeps("1:7:3 2:8:1 ")},
		{name: "far ahead", do: "fep1 receive 7/70/0/500 epoch=1 base=490 text=x", check: func(t *testing.T, s *State) {
			floor, marks := s.Mailbox().Delivered(7, 70, 0)
			mustEqual(t, "floor", floor, 490)
			mustEqual(t, "marks", marks, 1<<10)
		}},
		{name: "as long as may be", do: "fep1 receive 7/70/0/6 epoch=1 base=3 size=65536", check: keeps("1:7:3 2:7:65536 ")},
		{name: "too long", do: "fep1 receive 7/70/0/6 epoch=1 base=3 size=65537", code: invalid, say: "65537 octets: expected at most 65536"},
		{name: "former owner", after: []string{"lead assign fnp epoch=1 owner=fep2"}, do: "fep1 receive 7/70/0/6 epoch=1 base=3", code: staleEpoch, say: "epoch 1 is over"},
		{name: "not the owner", do: "fep2 receive 7/70/0/6 epoch=1 base=3", code: staleEpoch, say: `"fep2" does not own it`},
		{name: "no sender", do: "fep1 receive 0/70/0/6 epoch=1 base=3", code: invalid, say: "message from 0"},
		{name: "no such stream", do: "fep1 receive 7/70/2/6 epoch=1 base=3", code: invalid, say: "stream 2"},
		{name: "below its base", do: "fep1 receive 7/70/0/6 epoch=1 base=7", code: invalid, say: "number 6 with base 7"},
		{name: "too far above its base", do: "fep1 receive 7/70/0/67 epoch=1 base=3", code: invalid, say: "number 67 with base 3"},
		{name: "without FNP", after: []string{"a configure node=fep1/1/fep"}, do: "fep1 receive 7/70/0/6 epoch=1 base=3", code: notFound, say: "has no FNP"},
		{name: "after FNP was taken out", after: []string{"a configure node=fep1/1/fep"}, do: testStation, check: keeps("")},
	})
}

// The newest messages are kept, at most 256 and at most 1 MiB; what came is remembered beyond that.
func TestMailboxIsBounded(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign fnp epoch=0 owner=fep1")
	for i := range mailbox.MaxMessages + 10 {
		x.ok(fmt.Sprintf("fep1 receive 7/70/0/%d epoch=1 base=%d text=x", i+1, i+1))
	}
	all := x.s.Mailbox().After(0, 1000)
	mustEqual(t, "kept", len(all), mailbox.MaxMessages)
	mustEqual(t, "the oldest", all[0].Number, 11)
	page := x.s.Mailbox().After(all[4].Number, 3)
	mustEqual(t, "a page", len(page) == 3 && page[0].Number == all[5].Number, true)
	mustEqual(t, "after the last", len(x.s.Mailbox().After(all[len(all)-1].Number, 3)), 0)
	mustEqual(t, "an old one again", x.do("fep1 receive 7/70/0/1 epoch=1 base=1 text=x").Code, duplicate)
	for i := range mailbox.MaxSize/mailbox.MaxMessage + 3 {
		x.ok(fmt.Sprintf("fep1 receive 8/80/1/%d epoch=1 base=%d size=65536", i+1, i+1))
	}
	mustEqual(t, "large ones kept", len(x.s.Mailbox().After(0, 1000)), mailbox.MaxSize/mailbox.MaxMessage)
	octets := 0
	for _, m := range x.s.Mailbox().After(0, 1000) {
		octets += len(m.Payload)
	}
	mustEqual(t, "octets", octets, mailbox.MaxSize)
}

// Sessions are forgotten with their sender's entry in the table.
func TestMailboxForgetsSessions(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign fnp epoch=0 owner=fep1",
		"fep1 receive 7/70/0/1 epoch=1 base=1", "fep1 receive 7/71/0/1 epoch=1 base=1", "fep1 receive 8/80/0/1 epoch=1 base=1")
	x.index += 2
	claim := chantable.Claim{ID: 7, Address: netip.MustParseAddrPort("10.0.0.7:7401"), Name: "pump", Instance: 1}
	x.s.Apply(x.index-1, tableCommand(t, 5, chantable.Change{Kind: chantable.Register, Claim: claim}, chantable.Change{Kind: chantable.Leave, Claim: claim}))
	e, _ := x.s.ChannelTable().ByID(7)
	remove := chantable.Change{Kind: chantable.Remove, CN: e.CN, ID: 7, Changed: e.Changed}
	r := x.s.Apply(x.index, tableCommand(t, 1<<40, remove, chantable.Change{Kind: chantable.Remove, CN: 9, ID: 8}))[0]
	mustEqual(t, "removed", chantable.Outcome(r.Fnp[0].Outcome), chantable.Done)
	mustEqual(t, "8's is known", x.do("fep1 receive 8/80/0/1 epoch=1 base=1").Code, duplicate)
	floor, marks := x.s.Mailbox().Delivered(7, 70, 0)
	mustEqual(t, "what is known of 7's", floor|marks, 0)
	floor, marks = x.s.Mailbox().Delivered(7, 71, 0)
	mustEqual(t, "what is known of 7's other", floor|marks, 0)
}

// A message belongs to the state: neither the entry it came in nor a reader can change it.
func TestMessageIsTheStatesOwn(t *testing.T) {
	x := newScripted(t).ok(testStation, "lead assign fnp epoch=0 owner=fep1")
	c := parseCommand(t, "fep1 receive 7/70/0/1 epoch=1 base=1 text=hello", 0)
	x.s.Apply(9, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})
	c.GetFnpReceive().Payload[0] = 'x'
	mustEqual(t, "payload", bytes.Equal(x.s.Mailbox().After(0, 1)[0].Payload, []byte("hello")), true)
}
