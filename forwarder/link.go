package forwarder

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

// role is what a client's connection is for.
type role uint8

const (
	held    role = iota // connected, not started
	standby             // started, but events go to another link of the group
	main
)

// String gives held, standby or main, as the replicated state calls them.
func (r role) String() string { return [...]string{"held", "standby", "main"}[r] }

// link is one client's connection.
type link struct {
	g       *group
	session *iec104.Session
	client  string // address and port
	unwatch func() // takes back that a lost carrier closes it

	// tenure is asked before each write; nil: the node's lease is. It's apart from mu: a write must not wait for it.
	tenure atomic.Pointer[replica.Tenure]

	mu         sync.Mutex // guards what follows
	role       role
	since      time.Time // of the role
	told       bool      // the client was told its role since it started
	feed       *feed     // nil: not started
	disarm     func()    // takes back what was to be done at the tenure's end
	doubted    bool      // whether its client is there is being asked
	confirmed  uint64    // how often it was there when a client on another node was in question
	selections map[object]selection

	vouched  time.Time  // when it was asked because of a client on another node; checkAlive's
	refusals complaints // in the log
}

// proto is the link's client as the replicated state is told of it.
func (l *link) proto() *fsmpb.Clients_Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &fsmpb.Clients_Client{
		Address: l.client, Started: l.feed != nil, Role: l.role.String(), Doubted: l.doubted, Confirmed: l.confirmed,
	}
}

// guard is asked right before each write to a starting or started link.
func (l *link) guard() error {
	if t := l.tenure.Load(); t != nil {
		return (*t).Check()
	}
	return l.g.checkLease()
}

// enter gives the link its role. A main link of other than a dual-active group has a tenure, which it closes at its
// end; until then the tenure's end closes the link.
func (l *link) enter(r role, t replica.Tenure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.role, l.since = r, l.g.now()
	if t != nil {
		l.tenure.Store(&t)
		session := l.session
		l.disarm = t.OnEnd(func() { session.Abort(ErrTenureEnded) })
	}
	l.tellRole()
}

// leave ends what enter began.
func (l *link) leave() {
	l.mu.Lock()
	l.role, l.since, l.told, l.feed = held, l.g.now(), false, nil
	disarm := l.disarm
	l.disarm = nil
	l.mu.Unlock()
	if t := l.tenure.Swap(nil); t != nil {
		disarm()
		(*t).Close()
	}
}

// started tells the client what it has to know before data.
func (l *link) started() {
	l.g.u.station.Started(l.session) // end of initialization
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = true
	l.tellRole()
}

// tellRole sends the role point. l.mu is held, so that the client is told the newest role last.
func (l *link) tellRole() {
	e := l.g.u.table.Load().role()
	if e == nil || !l.told {
		return
	}
	l.sendObject(e.typeID, asdu.Spontaneous, l.roleObject(e))
}

// roleObject is the role point's value. l.mu is held.
func (l *link) roleObject(e *entry) asdu.Object {
	return asdu.Object{Address: e.address, Value: bit(l.role == main), Time: asdu.NewCP56Time2a(l.since, l.g.location())}
}

// currentRole is what an interrogation answers for the role point.
func (l *link) currentRole() asdu.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roleObject(l.g.u.table.Load().role())
}

func (l *link) currentFeed() *feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.feed
}

func (l *link) isMain() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.role == main
}

// sendObject sends an object before all that the feed has.
func (l *link) sendObject(t asdu.TypeID, cause asdu.CauseOfTransmission, o asdu.Object) {
	a, err := l.g.u.config.Profile.New(asdu.Header{Type: t, Cause: cause, CommonAddress: l.g.u.cfg.CommonAddress}, o)
	if err == nil {
		err = l.session.Send(a)
	}
	l.answered(err)
}
