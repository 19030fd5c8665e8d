package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/cluster/internal/raftio"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// What callers test for. Each is wrapped with what was being done.
var (
	// ErrStuck: the disk or Raft itself hangs past its deadline. The node has given up its leases; end the process.
	ErrStuck = errors.New("node stuck")

	// ErrDataDir: what's in the data folder can't be used: locked, damaged, or of another node.
	ErrDataDir = raftio.ErrDataDir

	// ErrTooOld: the group uses what this program doesn't understand. Nothing of it was applied; start a newer program.
	ErrTooOld = errors.New("this program is too old for the group")

	// ErrConfig: the configuration given to Start is wrong.
	ErrConfig = errors.New("bad cluster configuration")
)

// The log stores that Config.LogStore may name.
const (
	LogStoreBolt = raftio.LogStoreBolt
	LogStoreWAL  = raftio.LogStoreWAL
)

// Bounds of Config.Lease.
const (
	MinLease = 150 * time.Millisecond
	MaxLease = 10 * time.Second
)

// Member is one node of the station as its configuration lists it.
type Member struct {
	ID      string // such as "fep1"; unique
	Host    int    // 1, 2, 3; unique
	Role    replica.Role
	Address string // host:port, reachable from the others; Raft and this package's RPCs share it
}

// Config is what a node needs to know. It must not be changed after Start.
type Config struct {
	ID      string   // this node; one of Members
	Members []Member // the whole station; the same list on every node. It counts when a group is first formed: later
	// changes go through AddPeer and RemovePeer.
	DataDir string // made if missing; one node's only

	// Lease is how long another node waits before it acts in the place of one that's gone, from MinLease to MaxLease; 0
	// means 500 ms. A node may act without hearing from the leader for some less: 441 of 500 ms. It must be the same on
	// every node: a node whose lease differs is given none. Raft's timeouts derive from it.
	Lease time.Duration

	// LogStore is LogStoreBolt (the default) or LogStoreWAL. A data folder keeps the kind it was made with.
	LogStore string

	// Security names the certificates for mutual TLS between nodes. Nil means none, which is accepted only while every
	// member's address is a loopback one.
	Security *Security

	// TimeTag gives an instant as the seven octets of a CP56Time2a in the station's time zone, the first in the lowest
	// byte: with it commands are stamped. It is the protocol's, which this package doesn't know.
	TimeTag func(time.Time) uint64

	// Station declares the resources that exist; the leader proposes it when the state has another digest.
	Station *fsmpb.Configure

	// Files are the copies of devices' files that this node lets the others read; nil: none.
	Files Files

	Build string // version of the program, shown in PeerInfo

	// Vitals is how this node is, for the others to show; asked for several times a second. Nil, or a nil answer: not known.
	Vitals func() *replica.Vitals

	// Logger is told of changes: leaders, decisions, peers that don't answer. What Raft itself says goes there at the debug
	// level. Nil: silent.
	Logger *slog.Logger

	// OnStuck is called once, on a goroutine of its own, when the node can't go on (ErrStuck): its leases are gone and
	// its links closed by then. The process should end: a disk that hangs may never let a thread go. Nil: only logged.
	OnStuck func(error)

	// OnCommit is called for each entry of this node's with what it took, from handing it to the leader to the result. It
	// must not block. Nil: not called.
	OnCommit func(took time.Duration)

	// SnapshotEvery is after how many log entries a snapshot is taken; 0 means 16,384. TrailingLogs is how many
	// entries are kept behind one for slow followers; 0 means 4,096.
	SnapshotEvery, TrailingLogs uint64
}

// Files are copies of devices' files.
type Files interface {
	List() []*clusterpb.CopiedFile

	// Read reads some of a copy from an offset on; empty at its end, and if there is none.
	Read(f *clusterpb.CopiedFile, offset int64) []byte
}

// Security names PEM files. They are read again when they change, so that a renewed certificate needs no restart.
type Security struct {
	CA   string // certificates of the station's CA
	Cert string // this node's certificate; the node's ID is its common name and a DNS name (package pki makes such)
	Key  string
}

const (
	defaultLease         = 500 * time.Millisecond
	defaultSnapshotEvery = 16384
	defaultTrailingLogs  = 4096
)

// withDefaults checks c and fills in what was left out. It reports everything that's wrong at once.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
	}

	ids, hosts, addresses := map[string]bool{}, map[int]bool{}, map[string]bool{}
	for _, m := range c.Members {
		switch {
		case m.ID == "":
			bad("a member has no id")
		case ids[m.ID]:
			bad("member %s is listed twice", m.ID)
		}
		if hosts[m.Host] {
			bad("member %s: host %d is taken", m.ID, m.Host)
		}
		if m.Role != replica.RoleFEP && m.Role != replica.RoleWitness {
			bad("member %s: role %q, expected %q or %q", m.ID, m.Role, replica.RoleFEP, replica.RoleWitness)
		}
		if _, _, err := net.SplitHostPort(m.Address); err != nil {
			bad("member %s: address %q, expected host:port", m.ID, m.Address)
		} else if addresses[m.Address] {
			bad("member %s: address %s is taken", m.ID, m.Address)
		} else if c.Security == nil && !isLoopback(m.Address) {
			bad("member %s: address %s is not a loopback address, and there's no certificate: expected TLS", m.ID, m.Address)
		}
		ids[m.ID], hosts[m.Host], addresses[m.Address] = true, true, true
	}
	if !ids[c.ID] {
		bad("this node, %q, is none of the members", c.ID)
	}
	if c.DataDir == "" {
		bad("no data folder")
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Lease < MinLease || c.Lease > MaxLease {
		bad("lease %v, expected %v to %v", c.Lease, MinLease, MaxLease)
	}
	if c.LogStore == "" {
		c.LogStore = LogStoreBolt
	}
	if c.LogStore != LogStoreBolt && c.LogStore != LogStoreWAL {
		bad("log store %q, expected %q or %q", c.LogStore, LogStoreBolt, LogStoreWAL)
	}
	if c.Station == nil {
		bad("no station to declare")
	}
	if c.TimeTag == nil {
		bad("no TimeTag to stamp commands with")
	}
	c.Members = slices.SortedFunc(slices.Values(c.Members), func(a, b Member) int { return cmp.Compare(a.Host, b.Host) })
	if c.Vitals == nil {
		c.Vitals = func() *replica.Vitals { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = defaultSnapshotEvery
	}
	if c.TrailingLogs == 0 {
		c.TrailingLogs = defaultTrailingLogs
	}
	return c, errors.Join(errs...)
}

// folder is what the data folder is checked against; files is raftio.FolderConfig's WrapLog.
func (c *Config) folder(files func(raft.LogStore) raft.LogStore) raftio.FolderConfig {
	return raftio.FolderConfig{
		Dir: c.DataDir, LogStore: c.LogStore, ID: c.ID, Lease: c.Lease, Level: fsm.Level, Members: asServers(c.Members), Log: c.Logger,
		RaisedTo: raisedTo, WrapLog: files,
	}
}

// raisedTo is the feature level that an entry of the log raises the state to. The leader decides that, alone in an entry.
func raisedTo(l *raft.Log) uint32 {
	const most = 256 // octets; there may be many and large ones
	var e fsmpb.Entry
	if l.Type != raft.LogCommand || len(l.Extensions) == 0 || len(l.Data) > most || proto.Unmarshal(l.Data, &e) != nil {
		return 0
	}
	return fsm.RaisedTo(&e)
}

// asServers are members as Raft knows them.
func asServers(members []Member) []raft.Server {
	var servers []raft.Server
	for _, m := range members {
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(m.ID), Address: raft.ServerAddress(m.Address)})
	}
	return servers
}

// isLoopback tells whether address, host:port, stays on this machine.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// member finds a member by id.
func (c *Config) member(id string) (Member, bool) {
	for _, m := range c.Members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}
