package acquisition

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica"
)

const (
	// conflateFor is how long an image value may wait for a newer one (DESIGN, section 7).
	conflateFor = 100 * time.Millisecond

	// maxFlights is how many batches of an RTU are under way at a time; more wait, and become one batch.
	maxFlights = 16

	// batchItems is from how many values on a batch doesn't wait for anything.
	batchItems = 1024

	// leastLimit is how many ASDUs a device may send without an acknowledgement, whatever its window should be, before
	// it is cut off: see pipeline.limit.
	leastLimit = 256
)

// pipeline carries the values of one tenure to the state, in order, and acknowledges an ASDU to the device once all
// that it brought is committed. Nothing is ever acknowledged past that, so what a crash loses the device still has.
//
// What waits here is bounded by the windows of the devices, and by limit if one ignores its window.
type pipeline struct {
	replica replica.Replica
	rtu     uint32
	sector  int // its place
	epoch   uint64
	half    int // half of w: as many ASDUs with images only wait at most
	limit   uint64
	counts  *counts

	failed    func(error) // the values can't be committed: called once, and nothing is taken over afterwards
	committed func()      // the first values are committed

	wake chan struct{} // 1 long: run has to look

	mu       sync.Mutex
	intake   *intake
	receipts []receipt // of the ASDUs whose values wait in intake
	waiting  int       // how many ASDUs that are
	since    time.Time // when the oldest of them came
	flights  []flight  // oldest first
	batches  *batches
	brake    brake
	backlogs int // of devices that were interrogated and may have older events
	ended    bool
}

// receipt is up to which ASDU a session is to be acknowledged.
type receipt struct {
	from *session
	upTo uint64
}

// flight is a batch under way.
type flight struct {
	batch    *fsmpb.Events
	proposal replica.Proposal
	receipts []receipt
}

// receive takes over an ASDU. It's called by the sessions' goroutines.
func (p *pipeline) receive(s *session, a asdu.ASDU, index uint64) {
	p.accept(s, index, func(came arrival) {
		if a.Cause == asdu.Spontaneous && a.Type.TimeTag() != asdu.NoTime {
			s.slots[p.sector].event = came.at
		}
		if a.Type.IsMonitor() && a.Type != asdu.M_EI_NA_1 || !a.Known() {
			p.intake.add(a, came)
			if c := a.Cause; c >= asdu.InterrogatedStation && c <= asdu.CounterGroup4 {
				p.counts.answers.Add(1)
			}
		}
	})
}

// receiveFile answers for the acknowledgement of an ASDU of file transfer, which brings the state nothing: what it brought is in the
// node's store, or the device is asked for it again.
func (p *pipeline) receiveFile(s *session, index uint64) { p.accept(s, index, func(arrival) {}) }

// receiveMalformed takes note of an ASDU that can't be parsed.
func (p *pipeline) receiveMalformed(s *session, octets []byte, index uint64, err error) {
	p.accept(s, index, func(came arrival) { p.intake.addMalformed(octets, came, err) })
}

// accept has take put what an ASDU brings into the intake, and answers for its acknowledgement.
func (p *pipeline) accept(s *session, index uint64, take func(arrival)) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := s.ledger.Receive(index, p.sector)
	if p.ended {
		return // and so nothing is acknowledged from here on, whatever the other sectors commit
	}
	if n > p.limit {
		s.client.Abort(fmt.Errorf("%w: %d ASDUs unacknowledged, expected at most %d", ErrOverrun, n, p.limit))
		return
	}
	take(p.intake.clock.arrival(now))
	p.counts.asdus.Add(1)
	p.receipts = receipted(p.receipts, receipt{s, index})
	p.waiting++
	if p.waiting == 1 {
		p.since = now
	}
	if len(p.intake.pending) >= batchItems {
		p.propose()
	} else if due, _ := p.due(now); due || p.waiting == 1 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// receipted adds a receipt to a list that has one for each session.
func receipted(list []receipt, r receipt) []receipt {
	for i := range list {
		if list[i].from == r.from {
			list[i].upTo = max(list[i].upTo, r.upTo)
			return list
		}
	}
	return append(list, r)
}

// due tells whether what waits is to go now, or else when it will be.
func (p *pipeline) due(now time.Time) (due bool, at time.Time) {
	until := p.intake.awaitsRepeats(now)
	switch {
	case p.waiting == 0 && p.intake.empty():
		return false, time.Time{}
	case !until.IsZero():
		return false, until
	case p.intake.empty():
		return true, now // only to be acknowledged
	case len(p.flights) >= maxFlights:
		return false, time.Time{} // the next one to land makes room
	case p.intake.events, len(p.flights) == 0 && p.waiting >= p.half:
		return true, now
	}
	at = p.since.Add(conflateFor)
	return !at.After(now), at
}

// propose sends what waits on its way.
func (p *pipeline) propose() {
	if p.intake.repeats.Waiting() {
		p.intake.decideRepeats(p.intake.repeats.Decide())
	}
	receipts := p.receipts
	p.receipts, p.waiting = nil, 0
	if p.intake.empty() {
		if len(p.flights) == 0 {
			p.acknowledge(p.brake.hold(receipts, 0, time.Now()))
			return
		}
		// Acknowledgements are cumulative, so it waits for those before it.
		last := &p.flights[len(p.flights)-1]
		for _, r := range receipts {
			last.receipts = receipted(last.receipts, r)
		}
		return
	}
	strays, omitted := p.intake.takeStrays()
	batch := &fsmpb.Events{Rtu: p.rtu, Epoch: p.epoch, Items: p.intake.take(), Strays: strays, StraysOmitted: omitted}
	p.counts.items.Add(uint64(len(batch.Items)))
	p.flights = append(p.flights, flight{receipts: receipts, batch: batch, proposal: p.batches.propose(p.replica, batch)})
}

// batches numbers the batches of one tenure, those of all sectors together: the state takes them in their order.
type batches struct {
	mu     sync.Mutex // held while one is handed over, so that they are proposed in order
	newest uint64
}

func (b *batches) propose(r replica.Replica, e *fsmpb.Events) replica.Proposal {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.newest++
	e.Batch = b.newest
	return r.ProposeAsync(&fsmpb.Command{Op: &fsmpb.Command_Events{Events: e}})
}

func (p *pipeline) acknowledge(receipts []receipt) {
	for _, r := range receipts {
		r.from.acknowledge(p.sector, r.upTo)
	}
}

// run proposes what is due and acknowledges what is committed, until ctx ends.
func (p *pipeline) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		landing := p.proposeDue(timer)
		select {
		case <-p.wake:
		case <-timer.C:
		case <-landing:
			p.land()
		case <-ctx.Done():
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			return
		}
	}
}

// proposeDue proposes what is due, sets the timer for what isn't, and returns what the oldest flight will close.
func (p *pipeline) proposeDue(timer *time.Timer) (landing <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.acknowledge(p.brake.due(now))
	next := sooner(sooner(p.intake.release(now), p.intake.lasting(now)), p.brake.release)
	if p.brake.on {
		next = sooner(next, p.look(now))
	}
	if due, at := p.due(now); due {
		p.propose()
	} else {
		next = sooner(next, at)
	}
	if !next.IsZero() {
		timer.Reset(next.Sub(now))
	}
	if len(p.flights) > 0 {
		landing = p.flights[0].proposal.Done()
	}
	return landing
}

// land takes note of how the oldest flight ended.
func (p *pipeline) land() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	f := p.flights[0]
	p.flights[0] = flight{}
	p.flights = p.flights[1:]
	r, err := f.proposal.Result()
	// DUPLICATE is this very batch, proposed again by the node after an answer was lost: no other proposer has used
	// this epoch.
	switch {
	case err != nil:
		p.end(fmt.Errorf("%w: batch %d of epoch %d: %w", ErrRejected, f.batch.Batch, p.epoch, err))
	case r.Code != fsmpb.Result_OK && r.Code != fsmpb.Result_DUPLICATE:
		p.end(fmt.Errorf("%w: batch %d of epoch %d: %v %s", ErrRejected, f.batch.Batch, p.epoch, r.Code, r.Message))
	default:
		now := time.Now()
		p.look(now)
		p.acknowledge(p.brake.hold(f.receipts, eventsOf(r), now))
		if p.committed != nil {
			p.committed()
			p.committed = nil
		}
	}
}

// sooner is the earlier of two times; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// eventsOf is how many events a batch became.
func eventsOf(r replica.Result) uint64 {
	if r.LastSeq == 0 {
		return 0
	}
	return r.LastSeq - r.FirstSeq + 1
}

// end stops taking over.
func (p *pipeline) end(err error) {
	p.ended = true
	p.flights, p.receipts = nil, nil
	p.failed(err)
}

// forget makes the next value of each point count as new: a link or the device was started, or the station stood still, and
// whatever the image says now may be older.
func (p *pipeline) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intake.forget()
}
