package fsm

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func tableCommand(t *testing.T, atMs int64, changes ...chantable.Change) *fsmpb.Entry {
	t.Helper()
	b, err := chantable.Command{At: 1, Changes: changes}.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &fsmpb.Entry{Commands: []*fsmpb.Command{{AtMs: atMs, Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{Changes: b}}}}}
}

func TestChannelTable(t *testing.T) {
	register := chantable.Change{Kind: chantable.Register, Claim: chantable.Claim{
		ID: 7, Address: netip.MustParseAddrPort("10.0.0.7:7401"), Name: "pump", Instance: 1,
	}}
	s := New()
	mustEqual(t, "without FNP", s.Apply(1, tableCommand(t, 5, register))[0].Code, notFound)

	x := newScripted(t).ok(testStation)
	r := x.s.Apply(2, tableCommand(t, 5, chantable.Change{Kind: chantable.Renew, Table: 3}, register, chantable.Change{Kind: chantable.Renew}))[0]
	mustEqual(t, "code", r.Code, ok)
	mustEqual(t, "results", len(r.Fnp), 3)
	mustEqual(t, "outcome", chantable.Outcome(r.Fnp[1].Outcome), chantable.Done)
	mustEqual(t, "channel", r.Fnp[1].Cn, 1)
	mustEqual(t, "outcome of renewing to 0", chantable.Outcome(r.Fnp[2].Outcome), chantable.Stale)
	mustEqual(t, "changes", x.s.Revisions().FNP, 1)
	x.s.Apply(3, tableCommand(t, 6, register))
	mustEqual(t, "changes after a repetition", x.s.Revisions().FNP, 1)

	var b bytes.Buffer
	if _, err := x.s.Snapshot().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*State{x.s, restored} {
		e, found := s.ChannelTable().ByID(7)
		mustEqual(t, "station 7 is there", found, true)
		mustEqual(t, "on line since the command's time", e.Since, 5)
		mustEqual(t, "table", s.ChannelTable().ID(), 3)
	}

	damaged := &fsmpb.Entry{Commands: []*fsmpb.Command{{Op: &fsmpb.Command_Fnp{Fnp: &fsmpb.Fnp{Changes: []byte{9, 9}}}}}}
	mustEqual(t, "damaged", x.s.Apply(4, damaged)[0].Code, invalid)

	x.ok("a configure node=fep1/1/fep")
	mustEqual(t, "stations after FNP was taken out", x.s.ChannelTable().Len(), 0)
}
