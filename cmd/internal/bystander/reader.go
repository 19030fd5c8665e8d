package bystander

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/fepha/fepha/cmd/internal/resp"
)

const (
	readRate = 5               // readings a second
	readTime = 3 * time.Second // for a connection, and for a reading
	oldView  = 5 * time.Second // since the node's mark of its view was renewed, which it is each second
)

// reader reads the view in the embedded Redis of each FEP.
type reader struct {
	views    []View
	accounts []*Account
}

func newReader(g Ground, now time.Time) *reader {
	r := &reader{views: g.Views}
	for _, v := range g.Views {
		r.accounts = append(r.accounts, newAccount("reader of Redis on "+v.Node, now))
	}
	return r
}

// Accounts implements Bystander.
func (r *reader) Accounts() []*Account { return r.accounts }

// Run implements Bystander.
func (r *reader) Run(ctx, _ context.Context) {
	var running sync.WaitGroup
	for i, v := range r.views {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := v.read(ctx, r.accounts[i]); err != nil {
					r.accounts[i].did("connections lost")
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
			r.accounts[i].end(time.Now())
		})
	}
	running.Wait()
}

// read reads over one connection until it breaks.
func (v View) read(ctx context.Context, a *Account) error {
	password, err := v.Password()
	if err != nil {
		return err
	}
	dialed, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	conn, err := v.Dial(dialed, "tcp", v.Address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	in := bufio.NewReader(conn)
	ask := func(parts ...string) (any, error) {
		if err := conn.SetDeadline(time.Now().Add(readTime)); err != nil {
			return nil, err
		}
		if _, err := conn.Write(resp.Append(nil, parts...)); err != nil {
			return nil, err
		}
		return resp.Read(in)
	}
	if _, err := ask("AUTH", password); err != nil {
		return err
	}
	var failed error
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	pace(ctx, readRate, func(int) {
		if ctx.Err() != nil {
			return
		}
		good, err := v.whole(ask, time.Now())
		switch {
		case err != nil:
			failed = err
			cancel()
		case good:
			a.got("readings", time.Now())
		default:
			a.did("readings of a view that isn't kept up")
		}
	})
	return failed
}

// whole tells whether the view is kept up, as its mark says, and has its points; the error, that it can't be read.
func (v View) whole(ask func(parts ...string) (any, error), now time.Time) (bool, error) {
	mark, err := ask("HGET", fmt.Sprintf("fepha:view:%d", v.Host), "t")
	if err != nil {
		return false, err
	}
	text, _ := mark.(string)
	t, err := strconv.ParseInt(text, 10, 64)
	if err != nil || now.Sub(time.UnixMilli(t)) > oldView {
		return false, nil
	}
	for _, key := range v.Points {
		switch there, err := ask("EXISTS", key); {
		case err != nil:
			return false, err
		case there != int64(1):
			return false, nil
		}
	}
	return true, nil
}
