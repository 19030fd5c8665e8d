package cluster

import (
	"crypto/sha256"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// inForce is the digest of the configuration in a node's state.
func (s *station) inForce(node string) (digest string) {
	s.nodes[node].View(func(st *fsm.State) { digest = st.Config().GetDigest() })
	return digest
}

// handOver gives leadership to another FEP.
func (s *station) handOver() (to string) {
	if to = "fep1"; s.leader().ID() == to {
		to = "fep2"
	}
	if err := s.leader().Transfer(s.t.Context(), to); err != nil {
		s.t.Fatal(err)
	}
	until(s.t, "leadership is handed over", s.nodes[to].IsLeader)
	return to
}

// ok proposes a command that has to be accepted.
func (s *station) ok(node string, c *fsmpb.Command) {
	s.t.Helper()
	if r := s.propose(node, c); r.Code != fsmpb.Result_OK {
		s.t.Fatalf("%v: %v", c, r)
	}
}

// withFiles puts a configuration in force with files, as a rollout does.
func (s *station) withFiles(node string, c *fsmpb.Configure, files string) {
	s.t.Helper()
	var stage uint64
	s.nodes[node].View(func(st *fsm.State) { stage = st.ConfigStage() })
	s.ok(node, &fsmpb.Command{Op: &fsmpb.Command_ConfigStage{ConfigStage: &fsmpb.ConfigStage{Expect: stage}}})
	s.ok(node, &fsmpb.Command{Op: &fsmpb.Command_ConfigPart{ConfigPart: &fsmpb.ConfigPart{Stage: stage + 1, Octets: []byte(files)}}})
	sum := sha256.Sum256([]byte(files))
	c = proto.CloneOf(c)
	c.Stage, c.Files = stage+1, sum[:]
	s.ok(node, &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: c}})
}

// Without files in the state the leader puts in force what most nodes' own files say. With them it doesn't: the nodes take theirs
// from the state; one that hasn't yet may keep what it owns, and one that starts begins to own nothing.
func TestConfigurationWithFilesStays(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	two := stationOf(s.members)
	two.Digest = "two"
	two.Rtus = append(two.Rtus, &fsmpb.Configure_RTU{Number: 3, Name: "third", Prefer: "fep2", Links: []uint32{1}})
	until(t, "the first configuration is in force", func() bool { return s.inForce("fep2") == "one" })
	s.owned("fep1", rtu1)
	s.ok("fep2", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: proto.CloneOf(two)}})
	to := s.handOver()
	until(t, "the next leader takes it back", func() bool { return s.inForce(to) == "one" })

	before := s.resource("fep1", rtu1).Epoch
	s.withFiles("fep2", two, "files of two")
	to = s.handOver()
	s.stop("wit")
	s.start("wit")
	until(t, "all say that they have another configuration", func() bool {
		differ := 0
		for _, p := range s.nodes[to].Info().Peers {
			if p.Alive && p.Level == fsm.Level && p.ConfigDiffers {
				differ++
			}
		}
		return differ == 3
	})
	for _, id := range []string{"fep1", "fep2"} {
		if got := s.inForce(id); got != "two" {
			t.Errorf("%s is back at %q", id, got)
		}
		if !s.nodes[id].Info().Lease {
			t.Errorf("%s, which owned, has lost its lease", id)
		}
	}
	if r := s.resource(to, rtu1); r.Epoch != before || r.Owner != "fep1" {
		t.Errorf("an RTU that isn't concerned moved: %+v", r)
	}
	if r := s.resource(to, fsm.RTUResource(3)); r.Owner != "" {
		t.Errorf("an RTU that no node has is owned: %+v", r)
	}

	other := s.others(to)[0] // a FEP that doesn't lead
	s.stop(other)
	s.owned(to, rtu1)
	s.start(other)
	until(t, "it's there again", func() bool {
		for _, p := range s.nodes[to].Info().Peers {
			if p.ID == other && p.Alive && p.AppliedIndex > 0 {
				return true
			}
		}
		return false
	})
	if s.nodes[other].Info().Lease {
		t.Errorf("%s may own with outdated files", other)
	}
	for _, n := range s.nodes {
		n.Runs(two)
	}
	s.owned("fep2", fsm.RTUResource(3))
	until(t, "each has its lease", func() bool { return s.nodes["fep1"].Info().Lease && s.nodes["fep2"].Info().Lease })
}

// Files that were changed by hand where a running station can't change are put in force once most nodes have them.
func TestKeptConfigurationIsProposed(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	until(t, "the first configuration is in force", func() bool { return s.inForce("fep2") == "one" })
	first := stationOf(s.members)
	first.Digest = "first"
	s.withFiles("fep1", first, "files")
	for _, n := range s.nodes {
		n.Runs(first)
	}
	for _, id := range []string{"fep1", "fep2"} {
		s.nodes[id].Runs(stationOf(s.members)) // edited
		s.nodes[id].Keeps("first", true)
	}
	if s.leader().ID() == "wit" {
		s.handOver()
	}
	until(t, "what most have is in force", func() bool { return s.inForce("fep1") == "one" })
	s.nodes["fep1"].View(func(st *fsm.State) {
		if v, ok := st.FilesInForce(); ok {
			t.Errorf("with files of version %d", v.Number)
		}
	})
}

// A group that is formed by builds of one level is at that level, and what needs it is accepted.
func TestNewGroupIsAtTheNewestLevel(t *testing.T) {
	s := newStation(t, nil)
	s.leader()
	until(t, "a configuration is in force", func() bool { return s.inForce("wit") != "" })
	s.nodes["wit"].View(func(st *fsm.State) {
		if st.Level() != fsm.Level {
			t.Errorf("level %d", st.Level())
		}
	})
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
