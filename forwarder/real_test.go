package forwarder

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// realStation is three nodes of a real cluster in this process, with their logs on disk.
func realStation(t testing.TB, mode fsmpb.Configure_Mode) []*cluster.Node {
	t.Helper()
	station := &fsmpb.Configure{Digest: "real", Retain: 200_000, Nodes: configuration.Nodes, Rtus: configuration.Rtus,
		Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "a", Mode: mode}}}
	var members []cluster.Member
	for i, n := range station.Nodes {
		role := replica.RoleFEP
		if n.Role == "witness" {
			role = replica.RoleWitness
		}
		members = append(members, cluster.Member{ID: n.Id, Host: i + 1, Role: role, Address: freeAddress(t)})
	}
	nodes := make([]*cluster.Node, len(members))
	for i, m := range members {
		n, err := cluster.Start(cluster.Config{ID: m.ID, Members: members, DataDir: t.TempDir(), Station: station, TimeTag: stamp})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		nodes[i] = n
	}
	for _, rtu := range []uint32{1, 2} {
		eventually(t, "RTUs have an owner", func() (ok bool) {
			nodes[0].View(func(s *fsm.State) {
				r, _ := s.Resource(fsm.RTUResource(rtu))
				ok = r.Phase == fsm.Owned
			})
			return ok
		})
	}
	return nodes
}

// ownerOf is the node that owns a resource, and the epoch, as one of them knows.
func ownerOf(nodes []*cluster.Node, known *cluster.Node, resource string) (owner *cluster.Node, epoch uint64) {
	known.View(func(s *fsm.State) {
		r, _ := s.Resource(resource)
		epoch = r.Epoch
		for _, n := range nodes {
			if n.ID() == r.Owner {
				owner = n
			}
		}
	})
	return owner, epoch
}

// A node of a real cluster goes away in the middle of a stream of events, as do its links. What was committed arrives.
func TestMainStandbyOverARealCluster(t *testing.T) {
	nodes := realStation(t, fsmpb.Configure_MAIN_STANDBY)
	var clients []*centre
	var addresses []string
	for _, n := range nodes[:2] {
		listen := freeAddress(t)
		f, err := New(Config{Replica: n, Uplinks: []Uplink{{Name: "occ", Listen: listen, CommonAddress: commonAddress,
			Mode: fsm.MainStandby, Groups: []Group{{Name: "a"}}, Points: points, RoleIOA: roleIOA}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = f.Run(ctx) }()
		defer func() { cancel(); <-done }()
		clients = append(clients, begin(t, listen))
		addresses = append(addresses, listen)
	}
	newest := []*centre{clients[0], clients[1]} // at each address
	again := func(i int) *centre {
		if newest[i].Err() != nil { // a busy machine may take the lease away for a moment
			newest[i] = begin(t, addresses[i])
			clients = append(clients, newest[i])
		}
		return newest[i]
	}
	eventually(t, "one main link", func() bool { return again(0).role()+again(1).role() == 1 })

	survivor := nodes[1]
	emitted, batch := uint64(0), uint64(0)
	var epoch uint64
	emit := func() {
		owner, e := ownerOf(nodes, survivor, "rtu/1")
		if e != epoch {
			epoch, batch = e, 0
		}
		if owner == nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := owner.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{
			Rtu: 1, Epoch: epoch, Batch: batch + 1, Items: []*fsmpb.Item{di(1, float64(emitted&1), emitted)}}}})
		if err == nil && (r.Code == fsmpb.Result_OK || r.Code == fsmpb.Result_DUPLICATE) {
			batch++
			emitted++
		}
	}
	for range 200 {
		emit()
	}
	eventually(t, "the clients are known", func() (ok bool) {
		again(0)
		again(1)
		survivor.View(func(s *fsm.State) {
			g, _ := s.Group(groupA)
			ok = len(g.Clients) == 2
		})
		return ok
	})
	if err := nodes[0].Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the link at the other node is main", func() bool { return again(1).role() == 1 })
	for end := emitted + 50; emitted < end; {
		emit()
	}
	eventually(t, "every event at one of them", func() bool {
		again(1)
		got := map[uint64]bool{}
		for _, cl := range clients {
			for _, n := range cl.numbers() {
				got[n] = true
			}
		}
		for n := range emitted {
			if !got[n] {
				return false
			}
		}
		return true
	})
	for _, cl := range clients {
		if got := cl.numbers(); !slices.IsSorted(got) {
			t.Errorf("events out of order on one link: %v", got)
		}
	}
}

// BenchmarkRealCluster sends events through a real cluster to a client that counts, n at a time in one batch: what a
// device's ASDU has. The client acknowledges as usual (w = 8), and the cursor is replicated as ever.
func BenchmarkRealCluster(b *testing.B) {
	for _, objects := range []int{1, 20} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			nodes := realStation(b, fsmpb.Configure_EXCLUSIVE)
			owner, epoch := ownerOf(nodes, nodes[0], "rtu/1")
			listen := freeAddress(b)
			f, err := New(Config{Replica: owner, Uplinks: []Uplink{{
				Name: "occ", Listen: listen, CommonAddress: commonAddress, Mode: fsm.Exclusive, Groups: []Group{{Name: "a"}}, Points: points}}})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); _ = f.Run(ctx) }()
			defer func() { cancel(); <-done }()

			var got atomic.Int64
			var cl *iec104.Client
			eventually(b, "started", func() bool {
				cl, err = iec104.Dial(ctx, iec104.ClientConfig{Address: listen, Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
					if a.Type == asdu.M_SP_TB_1 {
						got.Add(int64(a.Len()))
					}
				}})
				if err != nil {
					return false
				}
				if cl.StartDT(ctx) != nil {
					cl.Close()
					return false
				}
				return true
			})
			defer cl.Close()
			batch := uint64(0)
			b.ResetTimer()
			began := time.Now()
			const ahead = 2000 // events on their way, as a device's window allows
			for i := 0; i < b.N; {
				if int64(i)-got.Load() > ahead {
					time.Sleep(200 * time.Microsecond)
					continue
				}
				items := make([]*fsmpb.Item, objects)
				for j := range items {
					items[j] = di(1, float64(j&1), uint64(i+j))
				}
				batch++
				owner.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: epoch, Batch: batch, Items: items}}})
				i += objects
			}
			for end := time.Now().Add(30 * time.Second); got.Load() < int64(b.N) && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			b.ReportMetric(float64(got.Load())/time.Since(began).Seconds(), "events/s")
		})
	}
}

// stamp is what commands are stamped with.
func stamp(at time.Time) uint64 { return asdu.NewCP56Time2a(at, time.UTC).Uint64() }
