package rtdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/internal/redismode"
	"github.com/fepha/fepha/replica"
)

// The streams, and the group in which the nodes read requests: an entry is delivered to one of them, and stays pending
// until it is answered. What a node leaves unanswered, since it ended or lost its connection, another delivery picks up.
const (
	requestStream = "ctl:req"
	answerStream  = "ctl:res"
	requestGroup  = "fepha"
)

const (
	maxUnderWay = 32                     // requests at once; the others wait in the stream
	readBlock   = 500 * time.Millisecond // for the server to wait for a request
	claimEvery  = 2 * time.Second        // looking for what others have left unanswered
	claimAfter  = 5 * time.Second        // as long nobody has touched an entry
	keepAnswers = 10_000                 // entries of ctl:res, about

	// intakeGrace is how long requests can't be read before that is worth a line of its own: most of the time it is the
	// same outage as the view's.
	intakeGrace = 10 * time.Second
)

// intake turns requests into controls.
type intake struct {
	p        *Publisher
	operator *replica.Operator
	prefix   string // of the ids of controls
	outage   outage

	room chan struct{} // holds something for each request under way
	work sync.WaitGroup

	mu      sync.Mutex
	client  *redis.Client         // of the session that goes on, or the last one
	working map[string]bool       // by entry
	busy    map[fsm.PointKey]bool // points of those
}

func newIntake(p *Publisher) *intake {
	prefix := "redis-"
	if p.cfg.Mode != redismode.Shared {
		prefix += p.cfg.Replica.ID() + "-" // entries of two servers may have the same id
	}
	return &intake{
		p: p, operator: replica.NewOperator(p.cfg.Replica), prefix: prefix, outage: outage{log: p.cfg.Log, what: "redis: requests in " + requestStream + " can't be read"},
		room: make(chan struct{}, maxUnderWay), working: map[string]bool{}, busy: map[fsm.PointKey]bool{},
	}
}

// run takes requests until ctx ends.
func (in *intake) run(ctx context.Context) {
	in.work.Go(func() { in.operator.Run(ctx) })
	defer in.work.Wait()
	well := time.Now()
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		began := time.Now()
		err := in.session(ctx, func() { well = time.Now() })
		if ctx.Err() != nil {
			return
		}
		if well.After(began) {
			pause = retryFirst
		}
		if in.p.counts.complete.Load() && time.Since(well) > intakeGrace {
			in.outage.fail(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// session reads requests over one client until something fails. It calls well each time that the server has answered.
func (in *intake) session(ctx context.Context, well func()) error {
	client := in.p.client()
	defer closeAtEnd(ctx, client)()
	err := client.XGroupCreateMkStream(ctx, requestStream, requestGroup, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("xgroup create %s: %w", requestStream, err)
	}
	in.mu.Lock()
	in.client = client
	in.mu.Unlock()

	reader := reader{client: client, node: in.p.cfg.Replica.ID(), own: "0", claims: "0-0"}
	for ctx.Err() == nil {
		select {
		case in.room <- struct{}{}: // for one at least
			<-in.room
		case <-ctx.Done():
			return ctx.Err()
		}
		entries, again, err := reader.read(ctx, int64(maxUnderWay-len(in.room)))
		if err != nil {
			return err
		}
		well()
		if why, lasted := in.outage.end(); why != "" {
			in.p.cfg.Log.Info("redis: requests are read again", "after", lasted)
		}
		for _, m := range entries {
			in.take(ctx, m, again)
		}
	}
	return ctx.Err()
}

// reader reads entries in turn: first what this node was given before and has not answered, then what is new, and now
// and then what others have left.
type reader struct {
	client  *redis.Client
	node    string
	own     string // entries of its own after this one are still to be read; "": none
	claims  string // where to go on looking for those of others
	claimAt time.Time
}

// read returns some entries. again: they were delivered before, perhaps to another node.
func (r *reader) read(ctx context.Context, count int64) (entries []redis.XMessage, again bool, err error) {
	if r.own != "" {
		if entries, err = r.group(ctx, r.own, count, -1); err != nil {
			return nil, false, err
		}
		if r.own = ""; len(entries) > 0 {
			r.own = entries[len(entries)-1].ID
		}
		return entries, true, nil
	}
	if now := time.Now(); !now.Before(r.claimAt) {
		r.claimAt = now.Add(claimEvery)
		entries, r.claims, err = r.client.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: requestStream, Group: requestGroup, Consumer: r.node, MinIdle: claimAfter, Start: r.claims, Count: count,
		}).Result()
		if err != nil {
			return nil, false, fmt.Errorf("xautoclaim %s: %w", requestStream, err)
		}
		if len(entries) > 0 {
			return entries, true, nil
		}
	}
	entries, err = r.group(ctx, ">", count, readBlock)
	return entries, false, err
}

func (r *reader) group(ctx context.Context, after string, count int64, block time.Duration) ([]redis.XMessage, error) {
	streams, err := r.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: requestGroup, Consumer: r.node, Streams: []string{requestStream, after}, Count: count, Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("xreadgroup %s: %w", requestStream, err)
	}
	var entries []redis.XMessage
	for _, s := range streams {
		entries = append(entries, s.Messages...)
	}
	return entries, nil
}

// take takes on an entry, unless that was done already. Points are reserved here, so that of two requests for one the
// earlier is executed.
func (in *intake) take(ctx context.Context, m redis.XMessage, again bool) {
	r, err := readRequest(m)
	in.mu.Lock()
	known := in.working[m.ID]
	in.working[m.ID] = true
	reserved := !known && err == nil && !in.busy[r.point]
	if reserved {
		in.busy[r.point] = true
	}
	in.mu.Unlock()
	if known {
		return
	}
	in.p.counts.taken.Add(1)
	in.room <- struct{}{} // never waits: no more are read than there is room for
	in.work.Go(func() {
		defer func() {
			in.mu.Lock()
			delete(in.working, m.ID)
			if reserved {
				delete(in.busy, r.point)
			}
			in.mu.Unlock()
			<-in.room
		}()
		a := refused("%v", err)
		if err == nil {
			a = in.handle(ctx, &r, again, reserved)
		}
		if a.result != "" {
			in.answer(ctx, &r, a)
		}
	})
}

// answerScript answers an entry once, whoever tries it how often, and takes it off the stream. KEYS: ctl:req, ctl:res.
// ARGV: group, entry, id, result, reason, length of ctl:res. It answers 1 if it did.
const answerScript = `
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'id', ARGV[3], 'result', ARGV[4], 'reason', ARGV[5], 'entry', ARGV[2])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1`

// answer tells the requester. If that fails the entry stays pending, and is answered by who reads it next: the state
// knows what became of it.
func (in *intake) answer(ctx context.Context, r *request, a answer) {
	in.mu.Lock()
	client := in.client
	in.mu.Unlock()
	n, err := runScript(ctx, client, answerScript, []any{requestStream, answerStream},
		[]any{requestGroup, r.entry, r.id, string(a.result), a.reason, keepAnswers})
	if err != nil || n == 0 {
		return
	}
	switch a.result {
	case resultOK:
		in.p.counts.ok.Add(1)
	case resultFailed:
		in.p.counts.failed.Add(1)
	default:
		in.p.counts.refusedRequests.Add(1)
	}
	in.p.cfg.Log.Info("redis: request answered", "id", r.id, "entry", r.entry, "point", r.point, "value", r.value,
		"result", a.result, "reason", a.reason)
}
