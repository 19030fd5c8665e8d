package bystander

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fepha/fepha/channeltab"
)

const (
	messageRate = 2                // messages a second, to each receiver
	messageTime = 20 * time.Second // for one to be acknowledged
)

// pair are two stations of the FNP network. One sends to the other, which must get each message once and in order, whatever becomes of
// the centre meanwhile; and to the endpoint of the station that is judged, which moves: a message that it doesn't acknowledge is sent
// again, and one that it acknowledged must be in the mailbox of the replicated state.
type pair struct {
	g            Ground
	toPeer, home *Account
}

func newPair(g Ground, now time.Time) *pair {
	return &pair{g: g, toPeer: newAccount("FNP station, to another", now), home: newAccount("FNP station, to the endpoint", now)}
}

// Accounts implements Bystander.
func (p *pair) Accounts() []*Account { return []*Account{p.toPeer, p.home} }

// open opens the i-th station.
func (p *pair) open(i int) (s *channeltab.Station, err error) {
	cfg := p.g.FNP
	cfg.ID, cfg.Name = p.g.Pair[i], fmt.Sprintf("bystander %d", i+1)
	if cfg.Listen, err = p.g.anyPort(); err != nil {
		return nil, err
	}
	err = p.g.Inside(func() error {
		s, err = channeltab.OpenStation(cfg)
		return err
	})
	return s, err
}

// Run implements Bystander.
func (p *pair) Run(ctx, look context.Context) {
	var stations [2]*channeltab.Station
	for i := range stations {
		s, err := p.open(i)
		if err != nil {
			p.toPeer.never("station %d can't be opened: %v", i+1, err)
			return
		}
		defer func() { _ = s.Close() }()
		stations[i] = s
	}
	acknowledged := &sequence{}
	together(
		func() { p.send(ctx, stations[0]) },
		func() { p.receive(ctx, stations[1]) },
		func() { p.sendHome(ctx, stations[0], acknowledged) },
		func() { p.readMailbox(ctx, look, acknowledged) },
	)
}

// send sends the numbers 1, 2, … to the other station.
func (p *pair) send(ctx context.Context, s *channeltab.Station) {
	next := 1
	pace(ctx, messageRate, func(int) {
		limited, cancel := context.WithTimeout(ctx, messageTime)
		defer cancel()
		err := s.SendDataByID(limited, p.g.Pair[1], []byte(strconv.Itoa(next)), channeltab.InOrder)
		switch {
		case err == nil:
			p.toPeer.got("acknowledged", time.Now())
			next++
		case ctx.Err() != nil: // it's over
		case errors.Is(err, channeltab.ErrUnknownID) && next == 1:
			p.toPeer.did("not in the table yet")
		default:
			p.toPeer.never("message %d is not acknowledged: %v", next, err)
			next++
		}
	})
	p.toPeer.end(time.Now())
}

// receive expects the numbers 1, 2, ….
func (p *pair) receive(ctx context.Context, s *channeltab.Station) {
	for want := 1; ; want++ {
		m, err := s.Receive(ctx)
		if err != nil {
			return
		}
		got, err := strconv.Atoi(string(m.Payload))
		if err != nil || m.From != p.g.Pair[0] {
			p.toPeer.never("%q of station %d reached it, expected number %d of %d", m.Payload, m.From, want, p.g.Pair[0])
			continue
		}
		if got != want {
			p.toPeer.never("message %d reached it, expected %d", got, want)
		}
		p.toPeer.did("received")
		want = got
	}
}

// sendHome sends the numbers 1, 2, … to the endpoint, each until it is acknowledged.
func (p *pair) sendHome(ctx context.Context, s *channeltab.Station, acknowledged *sequence) {
	next := 1
	pace(ctx, messageRate, func(int) {
		limited, cancel := context.WithTimeout(ctx, messageTime)
		defer cancel()
		err := s.SendDataByID(limited, p.g.Home, []byte(strconv.Itoa(next)), channeltab.AnyOrder)
		switch {
		case err == nil:
			p.home.got("acknowledged", time.Now())
			acknowledged.add(next)
			next++
		case ctx.Err() != nil:
		default:
			p.home.did("sent again")
		}
	})
	p.home.end(time.Now())
}

// readMailbox has all that was acknowledged be in the mailbox. It has the newest messages alone, so it is read all along.
func (p *pair) readMailbox(ctx, look context.Context, acknowledged *sequence) {
	var read uint64
	kept := map[int]bool{}
	again := func(ctx context.Context, n int) {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		page, err := p.g.APIs[n%len(p.g.APIs)].FNPMessages(ctx, read, 256)
		if err != nil {
			p.home.did("mailbox not read")
			return
		}
		for _, m := range page.Messages {
			if m.Number <= read {
				continue
			}
			if m.Number > read+1 {
				p.home.never("message %d of the mailbox comes after %d", m.Number, read)
			}
			read = m.Number
			number, err := strconv.Atoi(string(m.Data))
			if err != nil || m.From != uint64(p.g.Pair[0]) {
				p.home.never("the mailbox has %q of station %d", m.Data, m.From)
				continue
			}
			p.home.did("in the mailbox")
			kept[number] = true
		}
	}
	pace(ctx, 1, func(n int) { again(ctx, n) })
	// One after the other, since a node may be behind.
	limited, cancel := context.WithCancel(look)
	defer cancel()
	pace(limited, 2, func(n int) {
		if again(limited, n); len(acknowledged.without(kept)) == 0 {
			cancel()
		}
	})
	for _, n := range acknowledged.without(kept) {
		p.home.never("message %d was acknowledged and is not in the mailbox", n)
	}
}
