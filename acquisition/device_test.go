package acquisition

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/carrier"
)

// network is where devices listen and FEPs dial, in memory.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	cut       map[string]bool           // nodes that reach no device, and aren't told
	watched   map[string][]*func(error) // by node: who's told of a lost carrier
}

func newNetwork() *network {
	return &network{listeners: map[string]*listener{}, cut: map[string]bool{}, watched: map[string][]*func(error){}}
}

// pull is setCut, and the node sees its carrier go; the newest connection, or the oldest, is told first.
func (n *network) pull(node string, newestFirst bool) {
	n.setCut(node, true)
	n.mu.Lock()
	lost := slices.Clone(n.watched[node])
	n.mu.Unlock()
	if newestFirst {
		slices.Reverse(lost)
	}
	for _, f := range lost {
		(*f)(fmt.Errorf("%w at interface eth1", carrier.ErrLost))
		synctest.Wait() // in this order
	}
}

// onCarrierLoss is Config.OnCarrierLoss of a node.
func (n *network) onCarrierLoss(node string) func(netip.Addr, func(error)) func() {
	return func(_ netip.Addr, lost func(error)) (stop func()) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.watched[node] = append(n.watched[node], &lost)
		return func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.watched[node] = slices.DeleteFunc(n.watched[node], func(f *func(error)) bool { return f == &lost })
		}
	}
}

// setCut cuts a node's cable to the devices, or mends it. What was sent meanwhile is gone.
func (n *network) setCut(node string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[node] = cut
}

func (n *network) isCut(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[node]
}

// from is dial as a node does it.
func (n *network) from(node string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if n.isCut(node) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c, err := n.dial(ctx, network, address)
		return &cable{c, func() bool { return n.isCut(node) }}, err
	}
}

// cable is a connection that may be cut.
type cable struct {
	net.Conn
	cut func() bool
}

func (c *cable) Write(b []byte) (int, error) {
	if c.cut() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Close tells the device nothing where the cable is cut.
func (c *cable) Close() error {
	if c.cut() {
		return c.SetDeadline(time.Unix(1, 0))
	}
	return c.Conn.Close()
}

func (c *cable) Read(b []byte) (int, error) {
	for {
		if n, err := c.Conn.Read(b); err != nil || !c.cut() {
			return n, err
		}
	}
}

// dial is for Config.Dial.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused", address)
	}
	here, there := net.Pipe()
	select {
	case l.accept <- there:
		return here, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// listen opens an address.
func (n *network) listen(address string) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{network: n, address: address, accept: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[address] = l
	return l
}

type listener struct {
	network *network
	address string
	accept  chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		if l.network.listeners[l.address] == l {
			delete(l.network.listeners, l.address)
		}
		close(l.closed)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// device is a controlled station with one queue for all its links, of which the last one started counts.
type device struct {
	t      testing.TB
	net    *network
	server *iec104.Server
	queue  *iec104.Queue
	quirks quirks

	wg sync.WaitGroup

	mu        sync.Mutex
	listeners map[string]*listener
	state     map[asdu.InformationObjectAddress]float64 // of the single points that have changed
	values    []asdu.ASDU                               // what an interrogation answers
	counters  []asdu.ASDU
	freezes   uint8
	asked     []asdu.ASDU   // all that was received
	clock     time.Duration // by which it's ahead
	connects  int
	sessions  map[*iec104.Session]bool
	most      int // connections at a time
	starts    int
	files     *iec104.Station // answers file transfer; nil: nothing does
}

// quirks is how a device differs from what it should be.
type quirks struct {
	neverTerminates bool
	refuses         bool // each command and interrogation
	silent          bool // answers no command
	noTermination   bool // of commands
	returns         bool // the new state of the single point 3000 below, cause 11, after whatever it answers
	unknownObjects  bool // of commands
	refusals        int  // of interrogations, then it answers
	answersFirst    bool // an interrogation, with each point's newest state, before the events that it still has to send
	oneClient       bool // drops the client that it has when another connects
	keepsLink       bool // confirms no STARTDT as long as another link is started
	stuckCounters   bool // their sequence number never changes
	neverAcks       bool // acknowledges no I-frame
	slow            time.Duration
}

// newDevice starts a device that listens on these addresses.
func newDevice(t testing.TB, n *network, quirks quirks, addresses ...string) *device {
	t.Helper()
	d := &device{t: t, net: n, queue: iec104.NewQueue(100_000), quirks: quirks, listeners: map[string]*listener{},
		sessions: map[*iec104.Session]bool{}}
	var err error
	d.server, err = iec104.NewServer(iec104.ServerConfig{Config: iec104.Config{ManualAck: quirks.neverAcks}, Groups: []iec104.Group{{
		Name:         "fep",
		Source:       d.queue.Source,
		Handle:       d.handle,
		AllowConnect: d.connected,
		AllowStart:   d.keepLink,
		Started: func(*iec104.Session) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.starts++
		},
		Closed: func(s *iec104.Session, _ error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			delete(d.sessions, s)
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		d.open(a)
	}
	t.Cleanup(func() {
		d.server.Close()
		d.wg.Wait()
	})
	return d
}

func (d *device) open(address string) {
	l := d.net.listen(address)
	d.mu.Lock()
	d.listeners[address] = l
	d.mu.Unlock()
	d.wg.Go(func() { _ = d.server.Serve(l) })
}

// shut closes an address and the connections, as when a cable is cut that the network notices.
func (d *device) shut(address string) {
	d.mu.Lock()
	l := d.listeners[address]
	d.mu.Unlock()
	l.Close()
	d.drop()
}

// drop closes all connections.
func (d *device) drop() {
	for _, s := range d.server.Sessions() {
		s.Abort(fmt.Errorf("dropped by the test"))
	}
}

func (d *device) connected(s *iec104.Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for old := range d.sessions {
		if d.quirks.oneClient {
			old.Abort(fmt.Errorf("another client"))
		}
	}
	d.connects++
	d.sessions[s] = true
	d.most = max(d.most, len(d.sessions))
	return nil
}

func (d *device) handle(s *iec104.Session, a asdu.ASDU, _ uint64) {
	time.Sleep(d.quirks.slow)
	d.mu.Lock()
	d.asked = append(d.asked, a.Clone())
	values, counters := d.values, d.counters
	d.mu.Unlock()
	answer := func(cause asdu.CauseOfTransmission, negative bool) {
		if err := s.Send(a.Mirror(cause, negative)); err != nil {
			d.t.Logf("device: %v", err)
		}
	}
	confirm := asdu.ActivationCon
	if a.Cause == asdu.Deactivation {
		confirm = asdu.DeactivationCon
	}
	if d.quirks.refuses {
		answer(confirm, true)
		return
	}
	if a.Type == asdu.C_IC_NA_1 && d.refuse() {
		answer(confirm, true)
		return
	}
	if a.Type.IsFile() && d.files != nil {
		d.files.Handle(s, a, 0)
		return
	}
	switch a.Type {
	case asdu.C_IC_NA_1, asdu.C_CI_NA_1:
		answer(confirm, false)
		if a.Type == asdu.C_CI_NA_1 && a.Object(0).Qualifier&^0x3f != asdu.FreezeRead {
			return
		}
		if a.Type == asdu.C_IC_NA_1 && d.quirks.answersFirst {
			for _, v := range d.states() {
				if err := s.Send(v); err != nil {
					d.t.Logf("device: %v", err)
				}
			}
			answer(asdu.ActivationTermination, false)
			return
		}
		if a.Type == asdu.C_CI_NA_1 {
			values = d.frozen(counters)
		}
		for _, v := range values {
			d.push(v)
		}
		if !d.quirks.neverTerminates {
			d.push(a.Mirror(asdu.ActivationTermination, false))
		}
	case asdu.C_CS_NA_1, asdu.C_TS_TA_1:
		answer(confirm, false)
	default:
		if d.quirks.returns {
			o := a.Object(0)
			d.send(asdu.M_SP_TB_1, asdu.RemoteReturn, asdu.Object{Address: o.Address - 3000, Value: o.Value, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)})
		}
		switch {
		case d.quirks.silent:
		case d.quirks.unknownObjects:
			answer(asdu.UnknownObjectAddress, true)
		default:
			answer(confirm, false)
			if !d.quirks.noTermination && !a.Object(0).Select() {
				answer(asdu.ActivationTermination, false)
			}
		}
	}
}

// frozen are counters as they were frozen, by the device itself: their sequence number tells how often they were.
func (d *device) frozen(counters []asdu.ASDU) (all []asdu.ASDU) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.quirks.stuckCounters {
		d.freezes++
	}
	for _, a := range counters {
		var objects []asdu.Object
		for o := range a.Objects() {
			o.Quality = o.Quality&^asdu.CounterSequence | d.freezes&asdu.CounterSequence
			objects = append(objects, o)
		}
		all = append(all, asduOf(d.t, a.Type, a.Cause, objects...))
	}
	return all
}

// received is all that the device was asked so far.
func (d *device) received() []asdu.ASDU {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// started is how often a link was started so far.
func (d *device) started() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.starts
}

// connections is how many there were so far.
func (d *device) connections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connects
}

func octetWord(b uint8) string { return fmt.Sprintf("%02x", b) }

func (d *device) push(a asdu.ASDU) {
	if err := d.queue.Push(a); err != nil {
		d.t.Error(err)
	}
}

// send has the device report something.
func (d *device) send(typ asdu.TypeID, cause asdu.CauseOfTransmission, objects ...asdu.Object) {
	d.t.Helper()
	d.push(asduOf(d.t, typ, cause, objects...))
}

// refuse tells whether an interrogation is to be refused.
func (d *device) refuse() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.quirks.refusals--
	return d.quirks.refusals >= 0
}

// states are the newest states of the points that have changed, as an interrogation shows them.
func (d *device) states() []asdu.ASDU {
	d.mu.Lock()
	defer d.mu.Unlock()
	var objects []asdu.Object
	for _, address := range slices.Sorted(maps.Keys(d.state)) {
		objects = append(objects, asdu.Object{Address: address, Value: d.state[address]})
	}
	var all []asdu.ASDU
	for some := range slices.Chunk(objects, 50) {
		all = append(all, asduOf(d.t, asdu.M_SP_NA_1, asdu.InterrogatedStation, some...))
	}
	return all
}

// become changes a single point without reporting it.
func (d *device) become(address asdu.InformationObjectAddress, v float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil {
		d.state = map[asdu.InformationObjectAddress]float64{}
	}
	d.state[address] = v
}

// change reports a change of a single point, with a time tag.
func (d *device) change(address asdu.InformationObjectAddress, v float64) {
	d.t.Helper()
	d.become(address, v)
	d.send(asdu.M_SP_TB_1, asdu.Spontaneous, asdu.Object{Address: address, Value: v, Time: asdu.NewCP56Time2a(time.Now().Add(d.clock), time.UTC)})
}

// got counts what the device was asked, by type and cause.
func (d *device) got(typ asdu.TypeID, cause asdu.CauseOfTransmission) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.asked {
		if a.Type == typ && a.Cause == cause {
			n++
		}
	}
	return n
}
