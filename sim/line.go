package sim

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// line is what the sectors of a device share: its links, and the queue of what goes up them. A device that is no concentrator
// is its line's only sector.
type line struct {
	server *iec104.Server
	queue  *iec104.Queue
	links  []*breakable
	judge  *judge // nil: none

	serving sync.WaitGroup

	mu        sync.Mutex // may be taken while a sector's is held
	sectors   []*Device
	started   []*iec104.Session
	startedAt time.Time // when the last one was
}

// join makes the device a sector of its line. Its common address must be no other's.
func (d *Device) join() error {
	l := d.line
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.sectors {
		if o.cfg.CommonAddress == d.cfg.CommonAddress {
			return fmt.Errorf("common address %d is there twice, expected another one for each sector", d.cfg.CommonAddress)
		}
	}
	l.sectors = append(l.sectors, d)
	return nil
}

func (l *line) all() []*Device {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sectors)
}

// handle gives a request to the sector that it's for. What all are asked each answers; what is for none of them, the first one
// does.
func (l *line) handle(s *iec104.Session, a asdu.ASDU, index uint64) {
	sectors := l.all()
	if a.CommonAddress == asdu.BroadcastAddress && mayBeBroadcast(a.Type) {
		for _, d := range sectors {
			d.handle(s, a, index)
		}
		return
	}
	i := slices.IndexFunc(sectors, func(d *Device) bool { return d.cfg.CommonAddress == a.CommonAddress })
	sectors[max(i, 0)].handle(s, a, index)
}

// mayBeBroadcast tells what all sectors may be asked at once: 60870-5-101, clause 7.2.4.
func mayBeBroadcast(t asdu.TypeID) bool {
	return t == asdu.C_IC_NA_1 || t == asdu.C_CI_NA_1 || t == asdu.C_CS_NA_1 || t == asdu.C_RP_NA_1
}

func (l *line) noteStarted(s *iec104.Session) {
	l.mu.Lock()
	l.started = slices.DeleteFunc(l.started, func(o *iec104.Session) bool { return o.State() == iec104.Closed })
	l.started = append(l.started, s)
	l.startedAt = time.Now()
	l.mu.Unlock()
	for _, d := range l.all() {
		d.station.Started(s)
	}
}

// push queues an ASDU for the started links.
func (l *line) push(a asdu.ASDU) error {
	if err := l.queue.Push(a); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.started {
		s.Wake()
	}
	return nil
}

// linkOf is the number of the link, from 0, that a session came in by.
func (l *line) linkOf(s *iec104.Session) int {
	return slices.IndexFunc(l.links, func(b *breakable) bool { return b.has(s.RemoteAddr().String()) })
}

// Break cuts link i, from 0: connections are reset, and new ones refused.
func (l *line) Break(i int) error {
	if i < 0 || i >= len(l.links) {
		return fmt.Errorf("%w: %d of %d", ErrNoLink, i, len(l.links))
	}
	l.links[i].cut()
	return nil
}

// Repair has link i, from 0, accept connections again.
func (l *line) Repair(i int) error {
	if i < 0 || i >= len(l.links) {
		return fmt.Errorf("%w: %d of %d", ErrNoLink, i, len(l.links))
	}
	listener, err := l.links[i].listen()
	if err != nil || listener == nil {
		return err
	}
	l.serving.Go(func() { _ = l.server.Serve(listener) }) // ends when cut or closed
	return nil
}

// end closes all links and waits for them.
func (l *line) end() error {
	for _, b := range l.links {
		b.cut()
	}
	err := l.server.Close()
	l.serving.Wait()
	if l.judge != nil {
		l.judge.end()
	}
	return err
}

// StartedAt is when a link was started last; zero: never.
func (l *line) StartedAt() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.startedAt
}

// Addresses are the endpoints of the links, as listened on.
func (l *line) Addresses() []string {
	var a []string
	for _, b := range l.links {
		b.mu.Lock()
		a = append(a, b.address)
		b.mu.Unlock()
	}
	return a
}

// Violations are the frames of a master that came after another one's STARTDT
// was confirmed: the first of them, and how many there were. Without
// DeviceConfig.Judge there are none.
func (l *line) Violations() (first []Violation, count int) {
	if l.judge == nil {
		return nil, 0
	}
	return l.judge.found()
}

// Unacknowledged is how many ASDUs, of all sectors, no client has acknowledged yet.
func (l *line) Unacknowledged() int { return l.queue.Len() }
