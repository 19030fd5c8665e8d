package forwarder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica/replicatest"
)

// points is the table that most tests use.
var points = []Point{
	{IOA: 101, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1},
	{IOA: 102, RTU: 1, Kind: fsm.DI, Point: 2, Type: asdu.M_SP_TB_1},
	{IOA: 103, RTU: 1, Kind: fsm.DI, Point: 3, Type: asdu.M_DP_TB_1},
	{IOA: 201, RTU: 1, Kind: fsm.AI, Point: 1, Type: asdu.M_ME_NC_1},
	{IOA: 202, RTU: 1, Kind: fsm.AI, Point: 2, Type: asdu.M_ME_NC_1},
	{IOA: 301, RTU: 1, Kind: fsm.Counter, Point: 1, Type: asdu.M_IT_NA_1},
	{IOA: 401, RTU: 1, Kind: fsm.DO, Point: 1, Type: asdu.C_SC_NA_1, Category: "DO"},
	{IOA: 402, RTU: 1, Kind: fsm.DO, Point: 2, Type: asdu.C_DC_NA_1, Category: "26"},
	{IOA: 501, RTU: 1, Kind: fsm.AO, Point: 1, Type: asdu.C_SE_NC_1, Category: "AO"},
}

const commonAddress = 100

// loopback is an address of this process's own: other tests on the machine take ports of 127.0.0.1 while an uplink
// doesn't listen on its.
var loopback = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 2+rand.IntN(250))

// freeAddress is an address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// fep is a forwarder on a node that runs until the test ends or stop is called.
type fep struct {
	*replicatest.Node
	*Forwarder
	address string
	logged  *lineCounter
	stop    func()
}

// start starts a node, and on it a forwarder with one uplink, "occ".
func (c station) start(t testing.TB, node string, u Uplink) *fep {
	t.Helper()
	return c.startWith(t, node, u, func(*Config) {})
}

// startWith is start with another configuration.
func (c station) startWith(t testing.TB, node string, u Uplink, change func(cfg *Config)) *fep {
	t.Helper()
	n := c.Start(node)
	if u.Listen == "" {
		u.Listen = freeAddress(t)
	}
	u.Name, u.CommonAddress = "occ", commonAddress
	if u.Points == nil {
		u.Points = points
	}
	if u.Groups == nil {
		u.Groups = []Group{{Name: "a"}}
	}
	cfg := Config{Replica: n, Uplinks: []Uplink{u}, Conditions: c.said} // what is logged is shown if the test fails
	logged := new(lineCounter)
	cfg.Log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), logged), &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", node)
	change(&cfg)
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx)
	}()
	fe := &fep{Node: n, Forwarder: f, address: u.Listen, logged: logged, stop: sync.OnceFunc(func() {
		cancel()
		<-done
	})}
	t.Cleanup(fe.stop)
	return fe
}

// centre is a client that keeps what it gets.
type centre struct {
	*iec104.Client
	mu   sync.Mutex
	got  []asdu.ASDU
	auto bool
}

// connect dials until it succeeds; the link is not started.
func connect(t testing.TB, address string, manualAck bool) *centre {
	t.Helper()
	c := &centre{auto: !manualAck}
	cfg := iec104.ClientConfig{Address: address, Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, a.Clone())
	}}
	cfg.ManualAck = manualAck
	cfg.W = 1
	eventually(t, "connected to "+address, func() bool {
		var err error
		c.Client, err = iec104.Dial(context.Background(), cfg)
		return err == nil
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// begin connects until it's started.
func begin(t testing.TB, address string) *centre {
	t.Helper()
	var c *centre
	eventually(t, "started on "+address, func() bool {
		c = connect(t, address, false)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if c.StartDT(ctx) == nil {
			return true
		}
		c.Close()
		return false
	})
	return c
}

// asdus is what was received so far.
func (c *centre) asdus() []asdu.ASDU {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// numbers are those of the digital events received so far, in order; see tag.
func (c *centre) numbers() (all []uint64) {
	for _, a := range c.asdus() {
		if a.Cause == asdu.Spontaneous && (a.Type == asdu.M_SP_TB_1 || a.Type == asdu.M_DP_TB_1) {
			for o := range a.Objects() {
				if o.Address < 60000 {
					all = append(all, numberOf(o.Time))
				}
			}
		}
	}
	return all
}

// find returns the objects of a type and cause received so far.
func (c *centre) find(t asdu.TypeID, cause asdu.CauseOfTransmission) (all []asdu.Object) {
	for _, a := range c.asdus() {
		if a.Type == t && a.Cause == cause {
			all = slices.AppendSeq(all, a.Objects())
		}
	}
	return all
}

// reachable tells whether somebody accepts connections.
func reachable(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// wantNegative wants an answer with P/N = 1 and a cause.
func wantNegative(t testing.TB, err error, cause asdu.CauseOfTransmission) {
	t.Helper()
	var negative *iec104.NegativeError
	if !errors.As(err, &negative) || negative.ASDU.Cause != cause || !negative.ASDU.Negative {
		t.Errorf("%v, want a negative answer with cause %d (%v)", err, cause, cause)
	}
}
