package cluster

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// What nobody is prepared for, the leader takes back: the nodes' own files say something else. What all are prepared for
// stays, whoever leads, and counts as each node's own.
func TestPreparedConfigurationStays(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	inForce := func(node string) (digest string) {
		s.nodes[node].View(func(st *fsm.State) { digest = st.Config().GetDigest() })
		return digest
	}
	two := stationOf(s.members)
	two.Digest = "two"
	two.Rtus = append(two.Rtus, &fsmpb.Configure_RTU{Number: 3, Name: "third", Prefer: "fep2", Links: []uint32{1}})
	configure := func() replica.Result {
		return s.propose("fep2", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: proto.CloneOf(two)}})
	}
	until(t, "the first configuration is in force", func() bool { return inForce("fep2") == "one" })
	s.owned("fep1", rtu1)
	if r := configure(); r.Code != fsmpb.Result_OK {
		t.Fatal(r)
	}
	handOver := func() (to string) {
		if to = "fep1"; s.leader().ID() == to {
			to = "fep2"
		}
		if err := s.leader().Transfer(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		return to
	}
	to := handOver()
	until(t, "the next leader takes it back", func() bool { return s.nodes[to].IsLeader() && inForce(to) == "one" })

	if r := s.propose("wit", &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{}}}); r.Code != fsmpb.Result_OK {
		t.Fatal(r)
	}
	two.Stage = 1
	for _, n := range s.nodes {
		n.Prepare(two)
	}
	before := s.resource("fep1", rtu1).Epoch
	if r := configure(); r.Code != fsmpb.Result_OK {
		t.Fatal(r)
	}
	s.owned("fep2", fsm.RTUResource(3))
	to = handOver()
	until(t, "the next leader knows that all have it", func() bool {
		info := s.nodes[to].Info()
		for _, p := range info.Peers {
			if !p.Alive || p.Build == "" || p.ConfigDiffers {
				return false
			}
		}
		return info.State == "leader" && info.Quorum && len(info.Peers) == 3
	})
	for id := range s.nodes {
		if got := inForce(id); got != "two" {
			t.Errorf("%s is back at %q", id, got)
		}
	}
	if r := s.resource("fep1", rtu1); r.Epoch != before || r.Owner != "fep1" {
		t.Errorf("an RTU that isn't concerned moved: %+v", r)
	}
}

// What a configuration declares is what the state makes of it, whatever kinds of resources there are.
func TestDeclaredIsWhatTheStateHas(t *testing.T) {
	c := stationOf(newStation(t, nil).members)
	c.Fnp = true
	c.Exports = []*fsmpb.Configure_Export{{Name: "history", Events: true}}
	state := fsm.New()
	state.Apply(1, &fsmpb.Entry{Commands: []*fsmpb.Command{{Op: &fsmpb.Command_Configure{Configure: c}}}})
	declared := declaredBy(c)
	kinds := map[fsm.ResourceKind]bool{}
	for _, r := range state.Resources() {
		kinds[r.Kind] = true
		if !declared[r.ID] {
			t.Errorf("%s is not declared", r.ID)
		}
	}
	if len(declared) != len(state.Resources()) || len(kinds) != int(fsm.ResourceExport) {
		t.Errorf("%d declared, %d in the state, of %d kinds", len(declared), len(state.Resources()), len(kinds))
	}
}
