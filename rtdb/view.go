package rtdb

import (
	"slices"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// view knows what of the state has been handed out to be written, and finds what is still to be. It is deterministic: a
// state goes in, records come out, and who writes them is not its business.
//
// Everything is handed out anew after forget, after another configuration, and after a snapshot was restored. The points
// of an RTU are handed out anew when its owner changes: the view says who the owner is, and in mode shared the new owner
// can't know what the former one has still written.
type view struct {
	self   string // id of this node
	shared bool   // hand out only the RTUs that this node owns

	config   *fsmpb.Configure // what everything below is about; nil: nothing was handed out
	hosts    [3]string        // ids of nodes by host number; hosts[0] is nobody
	host     uint32           // of this node
	rtus     []*rtuView       // as configured
	byNumber map[uint32]*rtuView
	virtual  map[fsm.PointKey]fsm.VirtualPoint // as handed out
	again    bool                              // look at the owners again
	redo     bool                              // hand out virtual points again
	seen     fsm.Revisions                     // up to which owners, links and virtual points were handed out
	version  uint64                            // up to which points were handed out or are in changed
	index    uint64                            // of the state that was looked at last
	changed  []fsm.PointKey                    // still to be handed out
	behind   bool                              // the state has changes after version
	scans    []*rtuView                        // RTUs whose points are all to be handed out

	epochs map[uint32]uint64 // of each RTU that ever was; never forgotten, so that this node can take away what it wrote
	owned  map[uint32]bool   // numbers of RTUs, most of them virtual, that ever had virtual points; likewise

	batch []record
}

// rtuView is an RTU as handed out.
type rtuView struct {
	number   uint32
	resource string
	channels []uint32 // numbers of links

	known   bool // the following three are
	host    uint32
	epoch   uint64
	mine    bool // this node hands it out
	refused bool // by the server: it knows a newer owner
	states  [][2]fsm.LinkState
	linked  bool // states were handed out
	scanned int  // points handed out in this scan
	inScans bool
}

func newView(self string, shared bool) *view {
	return &view{self: self, shared: shared, epochs: map[uint32]uint64{}, owned: map[uint32]bool{}}
}

// forget says that nobody knows what is in Redis.
func (v *view) forget() { v.config = nil }

// complete tells whether everything has been handed out at least once since nothing was known.
func (v *view) complete() bool { return v.config != nil && len(v.scans) == 0 }

// more tells whether next has something to hand out even if the state doesn't change.
func (v *view) more() bool { return len(v.changed) > 0 || len(v.scans) > 0 || v.behind }

// next hands out what is to be written: about limit points, and whatever else there is. The records are valid until the
// next call. The state must not change meanwhile.
func (v *view) next(s *fsm.State, limit int) []record {
	v.batch = v.batch[:0]
	fresh := s.Config() != v.config
	if fresh {
		v.configure(s)
	}
	rev := s.Revisions()
	if fresh || rev.Resources != v.seen.Resources || v.again {
		v.owners(s)
	}
	v.links(s, fresh || rev.Links != v.seen.Links)
	if fresh || rev.Virtual != v.seen.Virtual || v.redo {
		v.virtualPoints(s)
	}
	v.seen, v.index = rev, s.Index()
	v.points(s, limit)
	v.behind = v.version != s.Version()
	return v.batch
}

func (v *view) configure(s *fsm.State) {
	v.config = s.Config()
	v.hosts, v.host = [3]string{}, 0
	for _, n := range v.config.Nodes {
		if int(n.Host) < len(v.hosts) && n.Host > 0 {
			v.hosts[n.Host] = n.Id
		}
		if n.Id == v.self {
			v.host = n.Host
		}
	}
	v.rtus, v.byNumber = nil, make(map[uint32]*rtuView, len(v.config.Rtus))
	for _, c := range v.config.Rtus {
		r := &rtuView{number: c.Number, resource: fsm.RTUResource(c.Number), channels: c.Links}
		v.rtus = append(v.rtus, r)
		v.byNumber[c.Number] = r
	}
	v.virtual = make(map[fsm.PointKey]fsm.VirtualPoint, len(v.config.Virtual))
	v.changed, v.scans, v.version = nil, nil, s.Version()
}

// owners hands out who owns each RTU, and makes its points be scanned where that is news.
func (v *view) owners(s *fsm.State) {
	for _, r := range v.rtus {
		o, _ := s.Resource(r.resource)
		v.epochs[r.number] = o.Epoch
		host := uint32(0)
		if o.Owner != "" {
			host = uint32(max(0, slices.Index(v.hosts[:], o.Owner)))
		}
		if r.known && r.host == host && r.epoch == o.Epoch {
			continue
		}
		r.known, r.host, r.epoch = true, host, o.Epoch
		r.mine = !v.shared || o.Owner == v.self
		r.refused, r.linked = false, false
		if r.mine {
			v.batch = append(v.batch, record{key: key{kind: useflag, rtu: r.number}, host: host, epoch: o.Epoch})
			v.scan(r)
		}
	}
	v.again = false
}

// refuse says that the server knows a newer owner of an RTU than this node does. As a rule this node hears of it soon;
// until then, or until retry, there is nothing to hand out.
func (v *view) refuse(rtu uint32) {
	if r := v.byNumber[rtu]; r != nil {
		r.refused = true
	}
}

// refused counts the RTUs that the server has refused.
func (v *view) refused() (n int, example *rtuView) {
	for _, r := range v.rtus {
		if r.mine && r.refused {
			n, example = n+1, r
		}
	}
	return n, example
}

// retry hands out again what the server has refused, of RTUs and perhaps of virtual points.
func (v *view) retry(virtual bool) {
	v.redo = v.redo || virtual
	for _, r := range v.rtus {
		if r.refused {
			r.known, v.again = false, true
		}
	}
}

// links hands out the states of links that are news.
func (v *view) links(s *fsm.State, changed bool) {
	for _, r := range v.rtus {
		if !r.mine || r.refused || r.linked && !changed {
			continue
		}
		var on [2][]fsm.Link
		for i := range on {
			if id := v.hosts[i+1]; id != "" {
				on[i] = s.Links(r.number, id)
			}
		}
		fresh, i := !r.linked, 0
		for c, n := range r.channels {
			for l := range n {
				k := key{kind: channel, rtu: r.number, a: uint32(c + 1), b: l + 1}
				states := [2]fsm.LinkState{stateOf(on[0], k), stateOf(on[1], k)}
				if i == len(r.states) {
					r.states = append(r.states, states)
				} else if r.states[i] == states && !fresh {
					i++
					continue
				}
				r.states[i] = states
				v.batch = append(v.batch, record{key: k, host: r.host, epoch: r.epoch, states: states})
				i++
			}
		}
		r.linked = true
	}
}

// stateOf finds the state of a link among those that aren't down.
func stateOf(links []fsm.Link, k key) fsm.LinkState {
	for _, l := range links {
		if l.Channel == k.a && l.Link == k.b {
			return l.State
		}
	}
	return fsm.LinkDown
}

// virtualPoints hands out the virtual points that are news. They belong to no owner: each node hands out all of them.
func (v *view) virtualPoints(s *fsm.State) {
	for _, p := range s.VirtualPoints() {
		k := fsm.PointKey{RTU: p.RTU, Kind: fsm.DI, Point: p.Point}
		if old, ok := v.virtual[k]; ok && old == p && !v.redo {
			continue
		}
		v.virtual[k] = p
		v.owned[p.RTU] = true
		v.batch = append(v.batch, record{
			key: key{kind: virtual, rtu: p.RTU, a: p.Point}, valA: p.ValA, valB: p.ValB, val: p.Val, timeMs: p.TimeMs,
		})
	}
	v.redo = false
}

// points hands out what has changed, and what is scanned in the room that is left, which is half of it at least: so
// neither waits for the other.
func (v *view) points(s *fsm.State, limit int) {
	if len(v.changed) == 0 {
		var known bool
		if v.changed, known = s.ChangesAfter(v.version); !known {
			for _, r := range v.rtus {
				v.scan(r)
			}
		}
		v.version = s.Version()
	}
	room := limit
	if len(v.scans) > 0 {
		room = limit / 2
	}
	end := len(v.batch) + limit
	n := min(room, len(v.changed))
	for _, k := range v.changed[:n] {
		if r := v.byNumber[k.RTU]; r != nil && r.mine && !r.refused && !v.isVirtual(k) {
			if p, ok := s.Point(k); ok {
				v.point(r, k, p)
			}
		}
	}
	v.changed = v.changed[n:]
	for len(v.scans) > 0 && len(v.batch) < end {
		r := v.scans[0]
		if v.scanSome(s, r, end) {
			r.inScans = false
			v.scans = v.scans[1:]
		}
	}
}

// scan has all points of an RTU handed out.
func (v *view) scan(r *rtuView) {
	r.scanned = 0
	if !r.inScans {
		r.inScans = true
		v.scans = append(v.scans, r)
	}
}

// scanSome hands out points of an RTU until the batch has this length, and tells whether it came to the end. An RTU's
// points only ever are added to, at the end, so a count is enough to go on from.
func (v *view) scanSome(s *fsm.State, r *rtuView, end int) bool {
	if !r.mine || r.refused {
		return true
	}
	i := 0
	for k, p := range s.Points(r.number) {
		if i++; i <= r.scanned {
			continue
		}
		if len(v.batch) >= end {
			return false
		}
		r.scanned = i
		if !v.isVirtual(k) {
			v.point(r, k, p)
		}
	}
	return true
}

func (v *view) isVirtual(k fsm.PointKey) bool {
	_, ok := v.virtual[k]
	return ok
}

func (v *view) point(r *rtuView, k fsm.PointKey, p fsm.Point) {
	if p.Transient { // the key has no place for it, and the position isn't reached
		p.Quality |= fsm.QualityInvalid
	}
	v.batch = append(v.batch, record{
		key: key{kind: kindOfPoint[k.Kind], rtu: k.RTU, a: k.Point}, host: r.host, epoch: r.epoch,
		value: p.Value, quality: p.Quality, typeID: p.Type, timeMs: p.TimeMs,
	})
}
