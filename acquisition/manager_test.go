package acquisition

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/condition/conditiontest"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/panics"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a station, a network, and the acquisition of its FEPs, in virtual time.
type bench struct {
	*testing.T
	*replicatest.Station
	net    *network
	stores map[string]*filestore.Store // by node; nil: no files are fetched
	feps   map[string]*fep
	rtus   []RTU
	logs   lines
	said   conditiontest.Said // of all its nodes

	tapping sync.Mutex
	panics  LinkID               // whose tap panics; zero: nobody's
	tapped  map[LinkID]int       // frames
	types   map[asdu.TypeID]bool // of the first ASDU of each write
}

// lines counts the lines of a log.
type lines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(b))
	return len(b), nil
}

type fep struct {
	*Manager
	cancel context.CancelFunc
	ended  chan error
}

func (b *bench) tap(id LinkID) iec104.Tap {
	return func(_ iec104.Direction, _ time.Time, frame []byte) {
		b.tapping.Lock()
		defer b.tapping.Unlock()
		if len(frame) > 6 {
			b.types[asdu.TypeID(frame[6])] = true
		}
		if b.tapped[id]++; b.panics == id {
			panic("tap")
		}
	}
}

// A panic on one link costs that link alone: the RTU is collected over another, and it is counted.
func TestPanicsCostOneLink(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1"), channel("a:2")))
		b.panics = LinkID{1, 1, 1}
		d := newDevice(t, b.net, quirks{}, "a:1", "a:2")
		before := panics.Counts()["link of an RTU"]
		b.start("fep1")
		b.until(time.Minute, "the other link", func() bool { return b.state("fep1", 2, 1) == fsm.LinkActive })
		d.change(2, 1)
		b.until(time.Minute, "an event", func() bool { return d.queue.Len() == 0 && len(b.Events()) > 0 })
		if panics.Counts()["link of an RTU"] == before {
			t.Error("nothing was counted")
		}
	})
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// testRTU is an RTU with 100 single points from address 1 on, 100 analogs from 1001 on, counters from 2001 on, and
// controls.
func testRTU(number uint32, channels ...Channel) RTU {
	r := RTU{Number: number, CommonAddress: 1, Channels: channels, Retry: 5 * time.Second}
	for i := range uint32(100) {
		at := asdu.InformationObjectAddress(i)
		r.Points = append(r.Points,
			Point{Kind: fsmpb.Kind_DI, Number: i + 1, Address: 1 + at},
			Point{Kind: fsmpb.Kind_AI, Number: i + 1, Address: 1001 + at},
			Point{Kind: fsmpb.Kind_COUNTER, Number: i + 1, Address: 2001 + at},
			Point{Kind: fsmpb.Kind_DO, Number: i + 1, Address: 3001 + at, Type: asdu.C_SC_NA_1})
	}
	return r
}

// newStation makes a station of RTUs with so many links a channel, which some share, in which a commit takes a while.
func newStation(t testing.TB, rtus map[uint32][]uint32, shares map[uint32]uint32) *replicatest.Station {
	t.Helper()
	c := &fsmpb.Configure{Digest: "test", Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}}}
	for _, n := range slices.Sorted(maps.Keys(rtus)) {
		c.Rtus = append(c.Rtus, &fsmpb.Configure_RTU{Number: n, Links: rtus[n], Shares: shares[n]})
	}
	s := replicatest.New(t, c)
	s.SetDelay(2 * time.Millisecond)
	return s
}

func channel(links ...string) Channel { return Channel{Links: links} }

func newBench(t *testing.T, rtus ...RTU) *bench {
	t.Helper()
	links, shares := map[uint32][]uint32{}, map[uint32]uint32{}
	for _, r := range rtus {
		if r.line() != r.Number {
			shares[r.Number] = r.line()
		}
		for _, c := range r.Channels {
			links[r.Number] = append(links[r.Number], uint32(len(c.Links)))
		}
	}
	return &bench{T: t, Station: newStation(t, links, shares), net: newNetwork(), feps: map[string]*fep{}, rtus: rtus,
		tapped: map[LinkID]int{}, types: map[asdu.TypeID]bool{}}
}

// run starts the acquisition of a node.
func (b *bench) run(node string) *fep {
	b.Helper()
	m, err := New(Config{Replica: b.Node(node), RTUs: b.rtus, Dial: b.net.from(node), OnCarrierLoss: b.net.onCarrierLoss(node), Files: b.stores[node], Tap: b.tap, Conditions: &b.said, Log: slog.New(slog.NewTextHandler(io.MultiWriter(b.Output(), &b.logs), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &fep{m, cancel, make(chan error, 1)}
	b.feps[node] = f
	go func() { f.ended <- m.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-f.ended; err != nil {
			b.Errorf("%s: %v", node, err)
		}
		f.ended <- nil
	})
	return f
}

// start starts the acquisition of nodes, and gives RTU 1 to the first one when all have said how their links are.
func (b *bench) start(nodes ...string) {
	b.Helper()
	for _, n := range nodes {
		b.run(n)
	}
	b.until(time.Second, "links reported", func() bool {
		for _, n := range nodes {
			if !slices.ContainsFunc(b.Committed(), func(c *fsmpb.Command) bool { return c.GetLinks().GetNode() == n }) {
				return false
			}
		}
		return true
	})
	b.Assign(b.T, fsm.RTUResource(1), nodes[0])
}

// stop ends the acquisition of a node, and waits.
func (b *bench) stop(node string) {
	f := b.feps[node]
	f.cancel()
	err := <-f.ended
	f.ended <- err
}

// until waits until something is so, in virtual time.
func (b *bench) until(within time.Duration, what string, is func() bool) {
	b.Helper()
	for end := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		synctest.Wait()
		if is() {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("not within %v: %s", within, what)
		}
	}
}

// remains checks that something stays so for a while.
func (b *bench) remains(during time.Duration, what string, is func() bool) {
	b.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if !is() {
			b.Fatalf("no more: %s", what)
		}
	}
}

func links(s *replicatest.Station, rtu uint32, node string) (l []fsm.Link) {
	s.View(func(st *fsm.State) { l = st.Links(rtu, node) })
	return l
}

func (b *bench) state(node string, channel, link uint32) fsm.LinkState {
	for _, l := range links(b.Station, 1, node) {
		if l.Channel == channel && l.Link == link {
			return l.State
		}
	}
	return fsm.LinkDown
}

func single(address asdu.InformationObjectAddress, v float64) asdu.Object {
	return asdu.Object{Address: address, Value: v}
}

// The thinnest whole slice: connect, start, interrogate, events, acknowledgement after the commit.
func TestCollects(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		d.values = []asdu.ASDU{
			asduOf(t, asdu.M_SP_NA_1, asdu.InterrogatedStation, single(1, 1), single(2, 0)),
			asduOf(t, asdu.M_ME_NC_1, asdu.InterrogatedStation, single(1001, 3.5)),
		}
		d.counters = []asdu.ASDU{asduOf(t, asdu.M_IT_NA_1, asdu.CounterGeneral, single(2001, 77))}
		b.start("fep1")
		b.until(time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		b.until(time.Second, "interrogated", func() bool { return b.Point(1, fsm.DI, 1).Value == 1 && b.Point(1, fsm.AI, 1).Value == 3.5 })
		b.until(time.Second, "counters", func() bool { return b.Point(1, fsm.Counter, 1).Value == 77 })
		b.until(time.Second, "clock", func() bool { return d.got(asdu.C_CS_NA_1, asdu.Activation) == 1 })
		b.until(time.Second, "on line", func() bool { var r fsm.RTU; b.View(func(s *fsm.State) { r, _ = s.RTU(1) }); return r.Online })

		d.change(2, 1)
		b.until(time.Second, "event", func() bool {
			e := b.Events()
			return len(e) > 0 && e[len(e)-1].Point == 2 && e[len(e)-1].Value == 1
		})
		b.until(time.Second, "timings", func() bool { return b.Resource(fsm.RTUResource(1)).Timings.FirstDataMs > 0 })

		// Without a quorum nothing is acknowledged, however long it takes.
		b.until(time.Minute, "all acknowledged", func() bool { return d.queue.Len() == 0 })
		if n := b.tapped[LinkID{1, 1, 1}]; n < 10 {
			t.Errorf("the tap has seen %d frames", n)
		}
		b.SetLeader(false)
		d.change(2, 0)
		b.remains(12*time.Second, "unacknowledged", func() bool { return d.queue.Len() == 1 })
		b.SetLeader(true)
		b.until(15*time.Second, "acknowledged", func() bool { return d.queue.Len() == 0 })
	})
}

// What isn't concerned by another configuration goes on; what is, is closed before anything new begins.
func TestConfigure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		one, two := testRTU(1, channel("a:1")), testRTU(2, channel("b:1"))
		b := newBench(t, one, two)
		d1, d2 := newDevice(t, b.net, quirks{}, "a:1"), newDevice(t, b.net, quirks{}, "b:1", "b:2")
		b.start("fep1")
		b.Assign(t, fsm.RTUResource(2), "fep1")
		active := func(rtu uint32) bool {
			l := links(b.Station, rtu, "fep1")
			return len(l) > 0 && l[0].State == fsm.LinkActive
		}
		b.until(2*time.Second, "both active", func() bool { return active(1) && active(2) })
		d2.change(1, 0)
		b.until(time.Second, "a value", func() bool { return b.points() == 1 })

		m := b.feps["fep1"].Manager
		two.Channels = []Channel{channel("b:2")}
		two.Points = two.Points[4:] // without the first of each kind
		if err := m.Configure([]RTU{two, one}); err != nil {
			t.Fatal(err)
		}
		b.until(2*time.Second, "both active again", func() bool { return active(1) && active(2) })
		d2.change(1, 1)
		d2.change(2, 1)
		b.until(time.Second, "the point that is left", func() bool { return b.Point(2, fsm.DI, 2).Value == 1 })
		if p := b.Point(2, fsm.DI, 1); p.Value != 0 {
			t.Error("the point that is gone is still taken over")
		}
		b.until(pruneAfter+time.Second, "the point that is gone leaves the image", func() bool { return b.points() == 1 })
		if p := b.Point(2, fsm.DI, 2); p.Value != 1 {
			t.Error("and takes another with it")
		}
		if d1.starts != 1 || d2.starts != 2 {
			t.Errorf("%d and %d starts, expected 1 and 2", d1.starts, d2.starts)
		}

		if err := m.Configure([]RTU{one}); err != nil {
			t.Fatal(err)
		}
		b.until(time.Second, "the second one is closed", func() bool { return len(d2.server.Sessions()) == 0 })
		one.CommonAddress = 0
		if err := m.Configure([]RTU{one}); !errors.Is(err, ErrConfig) {
			t.Errorf("%v, expected ErrConfig", err)
		}
		if d1.starts != 1 || !active(1) {
			t.Error("a refused configuration has changed something")
		}
	})
}

func (b *bench) points() (n int) {
	b.View(func(s *fsm.State) { n = s.PointCount() })
	return n
}

// The node's end ends the acquisition.
func TestEndsWithTheNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		m, err := New(Config{Replica: b.Node("fep1"), RTUs: b.rtus, Dial: b.net.dial, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- m.Run(t.Context()) }()
		time.Sleep(time.Second)
		b.Node("fep1").Stop()
		if err := <-ended; !errors.Is(err, replica.ErrClosed) {
			t.Errorf("%v, expected that the node is closed", err)
		}
	})
}
