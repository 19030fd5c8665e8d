package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cluster/internal/clustertest"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rtu1   = clustertest.RTU1
	uplink = clustertest.Uplink
	ms     = time.Millisecond
)

// testLease is longer than a station's: the tests share a busy machine, and what they prove doesn't depend on it.
const testLease = 500 * time.Millisecond

// patience is how long a test waits for what must happen at last.
const patience = 30 * time.Second

// station is a group of nodes in this process, over a fabric.
type station struct {
	t       testing.TB
	fabric  *fabric
	members []Member
	dir     string
	cfg     func(*Config) // changes each node's configuration; may be nil
	nodes   map[string]*Node
	disks   map[string]*faultyDisk
}

var threeMembers = []Member{
	{ID: "fep1", Host: 1, Role: replica.RoleFEP, Address: "127.0.0.1:1"},
	{ID: "fep2", Host: 2, Role: replica.RoleFEP, Address: "127.0.0.1:2"},
	{ID: "wit", Host: 3, Role: replica.RoleWitness, Address: "127.0.0.1:3"},
}

// newStation starts three nodes with two RTUs and one uplink group.
func newStation(t testing.TB, cfg func(*Config)) *station {
	s := &station{t: t, fabric: newFabric(), members: threeMembers, dir: t.TempDir(), cfg: cfg, nodes: map[string]*Node{}, disks: map[string]*faultyDisk{}}
	t.Cleanup(s.close)
	for _, m := range s.members {
		s.start(m.ID)
	}
	return s
}

func stationOf(members []Member) *fsmpb.Configure {
	var nodes []*fsmpb.Configure_Node
	for _, m := range members {
		nodes = append(nodes, &fsmpb.Configure_Node{Id: m.ID, Host: uint32(m.Host), Role: string(m.Role)})
	}
	return clustertest.Station(nodes)
}

func (s *station) config(id string) Config {
	cfg := Config{
		TimeTag: testTag,
		ID:      id, Members: s.members, DataDir: filepath.Join(s.dir, id), Lease: testLease,
		Station: stationOf(s.members), Build: "test",
		Vitals:  func() *replica.Vitals { return &replica.Vitals{Memory: 1000, Reaches: []string{"all but " + id}} },
		OnStuck: func(err error) { s.t.Logf("%s: %v", id, err) },
	}
	if os.Getenv("CLUSTER_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", id)
	}
	if s.cfg != nil {
		s.cfg(&cfg)
	}
	return cfg
}

// start starts a node, anew if it ran before.
func (s *station) start(id string) *Node {
	s.t.Helper()
	cfg := s.config(id)
	m, _ := cfg.member(id)
	disk := &faultyDisk{}
	s.disks[id] = disk
	n, err := start(cfg, outside{network: s.fabric.of(id, m.Address), files: disk.over})
	if err != nil {
		s.t.Fatalf("starting %s: %v", id, err)
	}
	s.nodes[id] = n
	return n
}

func (s *station) stop(id string) {
	s.t.Helper()
	if err := s.nodes[id].Close(); err != nil {
		s.t.Errorf("closing %s: %v", id, err)
	}
	delete(s.nodes, id)
}

func (s *station) close() {
	s.fabric.heal()
	for _, d := range s.disks {
		d.heal()
	}
	for id := range s.nodes {
		s.stop(id)
	}
}

func (s *station) others(id string) []string {
	var ids []string
	for _, m := range s.members {
		if m.ID != id {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// leader waits for a leader that the given nodes (all, if none is given) agree on and that's ready.
func (s *station) leader(among ...string) *Node {
	s.t.Helper()
	if len(among) == 0 {
		for id := range s.nodes {
			among = append(among, id)
		}
	}
	var leader *Node
	until(s.t, fmt.Sprintf("a leader of %v", among), func() bool {
		leader = nil
		for _, id := range among {
			l := s.nodes[s.nodes[id].Leader()]
			if l == nil || !l.IsLeader() || leader != nil && l != leader {
				return false
			}
			leader = l
		}
		return true
	})
	return leader
}

// resource is a resource as a node sees it.
func (s *station) resource(node, id string) fsm.Resource {
	var r fsm.Resource
	s.nodes[node].View(func(st *fsm.State) { r, _ = st.Resource(id) })
	return r
}

// owned waits until a node has the tenure of a resource.
func (s *station) owned(node, id string) *tenure {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t, err := s.nodes[node].WaitTenure(ctx, id)
	if err != nil {
		s.t.Fatalf("%s doesn't get %s: %v; it's %+v", node, id, err, s.resource(node, id))
	}
	return t.(*tenure)
}

// propose commits a command from a node.
func (s *station) propose(node string, c *fsmpb.Command) replica.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := s.nodes[node].Propose(ctx, c)
	if err != nil {
		s.t.Fatalf("proposing at %s: %v", node, err)
	}
	return r
}

func marshal(t testing.TB, commands ...*fsmpb.Command) []byte {
	t.Helper()
	data, err := proto.Marshal(&fsmpb.Entry{Commands: commands})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wire is a way to send Raft's messages to a node, in the name of another.
func (s *station) wire(from string) *raft.NetworkTransport {
	w := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &wireStream{s.fabric.of(from, s.nodes[from].group.self.Address), make(chan struct{})}, MaxPool: 1, Timeout: patience, Logger: hclog.NewNullLogger(),
	})
	s.t.Cleanup(func() {
		w.CloseStreams()
		_ = w.Close()
	})
	return w
}

type wireStream struct {
	raftio.Network
	done chan struct{}
}

func (w *wireStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := w.Network.Dial(ctx, string(address))
	if err == nil {
		_, err = conn.Write([]byte{raftio.OctetRaft})
	}
	return conn, err
}

func (w *wireStream) Accept() (net.Conn, error) { <-w.done; return nil, net.ErrClosed }
func (w *wireStream) Close() error              { close(w.done); return nil }
func (w *wireStream) Addr() net.Addr            { return &net.TCPAddr{} }

// testTag stamps commands with something that tells instants apart.
func testTag(at time.Time) uint64 { return uint64(at.UnixMilli()) & (1<<56 - 1) }
