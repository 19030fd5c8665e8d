package rtdb

import (
	"context"
	"fmt"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica"
)

const (
	// batchPoints is how many points are copied out of the state, and written, at once: some 0.1 ms of View.
	batchPoints = 1024

	// pace is the least time between two rounds when there is nothing that waits: what changes within goes together.
	pace = 10 * time.Millisecond

	// beat is how often the mark is renewed, and so how soon a view that was removed is noticed.
	beat = time.Second

	// retryRefused is how often what the server has refused is tried again. It is for the operator who sets up a station
	// anew and removes what the former one has left; a former owner hears of the new one long before.
	retryRefused = 5 * time.Second
)

// session is one connection and what is done over it.
type session struct {
	p *Publisher
	writer
	sweep    sweep
	began    time.Time // to write everything
	written  bool      // everything was, and
	complete bool      // nothing else is there
	marked   bool
	beatAt   time.Time // when the mark is due

	retryAt time.Time // when what was refused is due; zero: nothing was
	virtual bool      // some virtual points were refused
	warned  bool      // of refused RTUs
}

// session writes the whole view, then what changes, until something fails.
func (p *Publisher) session(ctx context.Context) error {
	client := p.client()
	client.AddHook(&once{})
	defer closeAtEnd(ctx, client)()

	s := &session{p: p, writer: writer{client: client, fenced: p.cfg.Mode == redismode.Shared, server: p.server}}
	p.view.forget()
	for range replica.Follow(ctx, p.cfg.Replica, replica.Pace{Least: pace, Most: beat}) {
		for more := true; more && ctx.Err() == nil; more = p.view.more() || s.sweep.running {
			if err := s.round(ctx, time.Now()); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// round writes one batch, and does what is due.
func (s *session) round(ctx context.Context, now time.Time) error {
	v, counts := s.p.view, &s.p.counts
	config := v.config
	var batch []record
	s.p.cfg.Replica.View(func(state *fsm.State) { batch = v.next(state, batchPoints) })
	if config != v.config {
		if err := s.begin(ctx, now); err != nil {
			return err
		}
	}
	refused, err := s.write(ctx, batch, v.index)
	if err != nil {
		return err
	}
	s.refused(refused, now)
	counts.written.Add(uint64(len(batch)))
	if !v.more() {
		counts.index.Store(v.index)
	}
	switch {
	case !s.written && v.complete():
		s.written = true
		s.sweep.start()
	case s.sweep.running:
		if err := s.sweepSome(ctx); err != nil {
			return err
		}
	}
	if s.written && !s.complete && !s.sweep.running {
		s.complete, s.beatAt = true, now
		s.tell(time.Now())
	}
	if s.complete && !now.Before(s.beatAt) {
		s.beatAt = now.Add(beat)
		return s.mark(ctx, now)
	}
	return nil
}

// begin is the start of writing everything.
func (s *session) begin(ctx context.Context, now time.Time) error {
	s.began, s.written, s.complete, s.marked = now, false, false, false
	s.p.counts.complete.Store(false)
	if err := s.client.Del(ctx, s.markKey()).Err(); err != nil {
		return fmt.Errorf("del %s: %w", s.markKey(), err)
	}
	return nil
}

// tell says that the view is complete.
func (s *session) tell(now time.Time) {
	p := s.p
	took := now.Sub(s.began)
	p.counts.full.Add(1)
	p.counts.fullTook.Store(int64(took))
	p.counts.complete.Store(true)
	if why, lasted := p.outage.end(); why != "" {
		p.cfg.Log.Info("redis: the view is complete again", "took", took, "after", lasted, "was", why)
	} else if p.counts.full.Load() == 1 {
		p.cfg.Log.Info("redis: the view is complete", "took", took)
	}
}

// markKey is a hash with t, ms since 1970-01-01 UTC, and the index of the state. By it readers see that the view is
// complete and followed. While the view is not complete there is no mark.
func (s *session) markKey() string { return fmt.Sprintf("fepha:view:%d", s.p.view.host) }

// mark renews the mark. If it is gone without this node's doing, so is the view.
func (s *session) mark(ctx context.Context, now time.Time) error {
	added, err := s.client.HSet(ctx, s.markKey(), "t", now.UnixMilli(), "index", s.p.counts.index.Load()).Result()
	if err != nil {
		return fmt.Errorf("hset %s: %w", s.markKey(), err)
	}
	if added > 0 && s.marked {
		return ErrViewGone
	}
	s.marked = true
	return nil
}

// refused takes note of what the server did not let in, which is then tried again after a while.
func (s *session) refused(r refusals, now time.Time) {
	v, p := s.p.view, s.p
	for _, rtu := range r.rtus {
		v.refuse(rtu)
		p.counts.refused.Add(1)
	}
	s.virtual = s.virtual || r.virtual
	if s.retryAt.IsZero() && (len(r.rtus) > 0 || r.virtual) {
		s.retryAt = now.Add(retryRefused)
	}
	if s.retryAt.IsZero() || now.Before(s.retryAt) {
		return
	}
	n, example := v.refused()
	if n == 0 && !s.virtual {
		s.retryAt, s.warned = time.Time{}, false
		return
	}
	if n > 0 && !s.warned {
		s.warned = true
		p.cfg.Log.Error("redis: the server knows newer owners than this node does; if they are of a former life of the station, "+
			"remove the keys useflag:rtu:*", "rtus", n, "rtu", example.number, "epoch", example.epoch)
	}
	v.retry(s.virtual)
	s.virtual, s.retryAt = false, now.Add(retryRefused)
}
