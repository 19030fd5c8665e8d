package rtdb

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica"
)

// Three nodes of a real group: both FEPs, leader or not, show what was committed, and one that was started again too.
func TestWithARealGroup(t *testing.T) {
	station := &fsmpb.Configure{Digest: "real"}
	var members []cluster.Member
	for i, id := range []string{"fep1", "fep2", "wit"} {
		role := replica.RoleFEP
		if id == "wit" {
			role = replica.RoleWitness
		}
		members = append(members, cluster.Member{ID: id, Host: i + 1, Role: role, Address: fmt.Sprintf("127.0.0.1:%d", freePort(t))})
		station.Nodes = append(station.Nodes, &fsmpb.Configure_Node{Id: id, Host: uint32(i + 1), Role: string(role)})
	}
	for n := range uint32(4) {
		station.Rtus = append(station.Rtus, &fsmpb.Configure_RTU{Number: n + 1, Links: []uint32{1}})
	}
	dirs := map[string]string{}
	start := func(id string) *cluster.Node {
		if dirs[id] == "" {
			dirs[id] = t.TempDir()
		}
		n, err := cluster.Start(cluster.Config{ID: id, Members: members, DataDir: dirs[id], Lease: time.Second, Station: station, TimeTag: stamp})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		return n
	}
	nodes := []*cluster.Node{start("fep1"), start("fep2"), start("wit")}
	shows := func(n *cluster.Node, r *running) {
		t.Helper()
		look := lookAt(t, r.Addr(), "")
		within(t, 30*time.Second, "the view of "+n.ID()+" is that of the state", func() bool {
			if !r.Stats().Complete {
				return false
			}
			var want content
			n.View(func(s *fsm.State) { want = expected(s) })
			return len(want) == 8 && want["useflag:rtu:4"]["host"] != "0" && difference(read(t, look), want) == ""
		})
	}
	first := run(t, Config{Replica: nodes[0], Mode: redismode.Embedded, Describe: describeAll})
	second := run(t, Config{Replica: nodes[1], Mode: redismode.Embedded})
	shows(nodes[0], first)
	shows(nodes[1], second)

	// Nobody executes it, so the state ends it.
	look := lookAt(t, first.Addr(), "")
	ask(t, look, requestOf("x", "deadline", fmt.Sprint(time.Now().Add(time.Second).UnixMilli())))
	if a := awaitAnswer(t, look, "x"); a["result"] != "refused" || a["reason"] != "deadline" {
		t.Errorf("answer %v", a)
	}

	second.stop()
	must(t, nodes[1].Close())
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := nodes[0].Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Links{Links: &fsmpb.Links{
		Rtu: 1, Node: "fep1", Links: []*fsmpb.Links_Link{{Channel: 1, Link: 1, State: fsmpb.LinkState_ACTIVE}},
	}}}); err != nil {
		t.Fatal(err)
	}
	again := start("fep2")
	shows(again, run(t, Config{Replica: again, Mode: redismode.Embedded}))
}

// stamp is what commands are stamped with; no test here looks at it.
func stamp(time.Time) uint64 { return 0 }
