package filetransfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// ErrNoAnswer: the station has not answered in time.
var ErrNoAnswer = errors.New("no answer in time")

// Reader reads the files of one station over a connection: one request at a time. Its owner gives it what comes of types 120 to
// 127, see [Reader.Receive].
type Reader struct {
	Send          func(ctx context.Context, a asdu.ASDU) error
	Profile       asdu.Profile
	CommonAddress asdu.CommonAddress

	// Timeout is how long the station may send nothing of what it was asked for; more than 0.
	Timeout time.Duration

	// Pace, if set, is asked before a section is called, and may wait: it's told how many octets of the file have come.
	Pace func(ctx context.Context, octets uint32) error

	mu        sync.Mutex
	heard     uint64 // messages that have come of what was asked for
	fetch     *Fetch // nil: none is under way
	directory *listing
	news      chan news // of what is under way
}

// listing is a directory that was asked for.
type listing struct{ entries []asdu.DirectoryEntry }

// news is what became of a message of the station.
type news struct {
	answer *Message
	err    error
	done   bool
}

// Receive takes an ASDU of types 120 to 127. It waits for nothing but the sink of the file that is fetched. Entries of a directory that the
// station has sent by itself are returned.
func (r *Reader) Receive(a asdu.ASDU) (spontaneous []asdu.DirectoryEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.CommonAddress != r.CommonAddress {
		return nil
	}
	sentBack := a.Negative || a.Cause >= asdu.UnknownType && a.Cause <= asdu.UnknownObjectAddress
	if a.Type == asdu.F_DR_TA_1 && !sentBack {
		entries, err := a.Directory()
		if err != nil || a.Cause != asdu.Request {
			return entries
		}
		if d := r.directory; d != nil {
			r.heard++
			d.entries = append(d.entries, entries...)
			if len(d.entries) > maxEntries {
				r.tell(news{err: fmt.Errorf("%w: the directory of station %d has more than %d entries", ErrTooLong, r.CommonAddress, maxEntries)})
			} else if entries[len(entries)-1].Status&asdu.LastFile != 0 {
				r.tell(news{done: true})
			}
		}
		return nil
	}
	f, err := a.File()
	m := Message{a.Type, f}
	switch {
	case err != nil:
	case r.directory != nil && sentBack && a.Type == asdu.F_SC_NA_1 && f.Qualifier == 0:
		if a.Cause == asdu.UnknownObjectAddress {
			r.tell(news{done: true}) // it has none
		} else {
			r.tell(news{err: fmt.Errorf("%w: directory of station %d: %v", ErrRefused, r.CommonAddress, a.Cause)})
		}
	case r.fetch == nil || !r.fetch.Concerns(m):
	case sentBack && a.Type == asdu.F_SC_NA_1 && f.Qualifier != asdu.DeactivateFile:
		r.tell(news{err: r.fetch.Refused(a.Cause)})
	case !sentBack:
		r.heard++
		answer, err := r.fetch.Receive(m)
		if answer != nil || err != nil {
			r.tell(news{answer, err, r.fetch.Done()})
		}
	}
	return nil
}

// maxEntries bounds a directory.
const maxEntries = 1000

// tell hands news to who waits. A station that sends more than it was asked for is not waited for.
func (r *Reader) tell(n news) {
	select {
	case r.news <- n:
	default:
	}
}

// begin makes a request the one that is under way.
func (r *Reader) begin(f *Fetch, d *listing) chan news {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetch, r.directory = f, d
	r.news = make(chan news, 4)
	return r.news
}

// wait waits for news, as long as the station sends something.
func (r *Reader) wait(ctx context.Context, c chan news) (news, error) {
	timer := time.NewTimer(r.Timeout)
	defer timer.Stop()
	var last uint64
	for {
		select {
		case n := <-c:
			return n, n.err
		case <-timer.C:
		case <-ctx.Done():
			return news{}, context.Cause(ctx)
		}
		r.mu.Lock()
		now := r.heard
		r.mu.Unlock()
		if now == last {
			return news{}, fmt.Errorf("%w: station %d, %v", ErrNoAnswer, r.CommonAddress, r.Timeout)
		}
		last = now
		timer.Reset(r.Timeout)
	}
}

func (r *Reader) send(ctx context.Context, cause asdu.CauseOfTransmission, m Message) error {
	a, err := r.Profile.NewFile(asdu.Header{Type: m.Type, Cause: cause, CommonAddress: r.CommonAddress}, m.File)
	if err != nil {
		return err
	}
	return r.Send(ctx, a)
}

// Directory asks for the directory. A station that doesn't mark its last entry is waited for until it sends nothing more.
func (r *Reader) Directory(ctx context.Context) ([]asdu.DirectoryEntry, error) {
	d := &listing{}
	c := r.begin(nil, d)
	defer r.begin(nil, nil)
	if err := r.send(ctx, asdu.Request, Message{Type: asdu.F_SC_NA_1}); err != nil {
		return nil, err
	}
	_, err := r.wait(ctx, c)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !(errors.Is(err, ErrNoAnswer) && len(d.entries) > 0) {
		return nil, err
	}
	return slices.Clone(d.entries), nil
}

// Fetch carries a transfer out, or goes on with one. After an error it may be begun again, here or on another connection.
func (r *Reader) Fetch(ctx context.Context, f *Fetch) error {
	c := r.begin(f, nil)
	defer r.begin(nil, nil)
	r.mu.Lock()
	out, err := f.Begin()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	for next := &out; ; {
		if r.Pace != nil && next.Type == asdu.F_SC_NA_1 && next.File.Qualifier == asdu.CallSection {
			r.mu.Lock()
			octets := f.Received()
			r.mu.Unlock()
			if err := r.Pace(ctx, octets); err != nil {
				return err
			}
		}
		if err := r.send(ctx, asdu.FileTransfer, *next); err != nil {
			return err
		}
		n, err := r.wait(ctx, c)
		switch {
		case errors.Is(err, ErrNoAnswer):
			abort := f.Abort()
			n.answer = &abort
			fallthrough
		case err != nil, n.done:
			if n.answer != nil && ctx.Err() == nil {
				err = errors.Join(err, r.send(ctx, asdu.FileTransfer, *n.answer))
			}
			return err
		}
		next = n.answer
	}
}
