// Package filefetch fetches the files that a device offers (101, clause 7.4.11) into the node's store: one at a time, the newest first,
// at a bounded rate and only over the owner's started link. What is in the store already isn't fetched again.
//
// A device sends a file's segments when it has no events to send, and waits after each section; so events go first.
package filefetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

const (
	// startAfter is how long a link is started before the directory is asked for: a takeover has more urgent things to do.
	startAfter = 5 * time.Second

	// period is how often the directory is asked for, since some devices don't tell of new files; retryAfter is when a file that could
	// not be fetched is tried again.
	period     = 10 * time.Minute
	retryAfter = time.Minute

	// answerWithin is how long a device may send nothing of what it was asked for.
	answerWithin = 30 * time.Second

	// rate is how many octets a second are fetched on average, from section to section.
	rate = 64 << 10
)

// Config is what a Fetcher works with.
type Config struct {
	Store         *filestore.Store
	RTU           uint32
	CommonAddress asdu.CommonAddress
	Profile       asdu.Profile
	Device        *time.Location // of the device's clock
	Station       *time.Location
	Node          string                           // this one
	Fault         func(format string, args ...any) // what a file could not be fetched for
	Log           *slog.Logger
}

// Fetcher is that of one RTU. A file that has come in part is kept from one connection to the next.
type Fetcher struct {
	cfg  Config
	turn chan struct{} // 1 long: has room for the connection that may fetch
	poke chan struct{} // 1 long: the device has told of files
	link atomic.Pointer[attached]

	kept *transfer // of who has the turn; nil: none
}

// attached is the connection that fetches.
type attached struct {
	link   any
	reader *filetransfer.Reader
}

// transfer is a file under way.
type transfer struct {
	entry asdu.DirectoryEntry
	fetch *filetransfer.Fetch
	draft *filestore.Draft
}

// New makes a Fetcher.
func New(cfg Config) *Fetcher {
	return &Fetcher{cfg: cfg, turn: make(chan struct{}, 1), poke: make(chan struct{}, 1)}
}

// Close forgets a file that has come in part. Nothing of Run is under way any more.
func (f *Fetcher) Close() { f.drop() }

// Receive takes an ASDU of file transfer that has come over a link.
func (f *Fetcher) Receive(link any, a asdu.ASDU) {
	at := f.link.Load()
	if at == nil || at.link != link {
		return
	}
	if len(at.reader.Receive(a)) > 0 {
		select {
		case f.poke <- struct{}{}:
		default:
		}
	}
}

// Run fetches over a link until ctx ends, while no other link of the RTU does.
func (f *Fetcher) Run(ctx context.Context, link any, send func(ctx context.Context, a asdu.ASDU) error) {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-f.turn }()
	reader := &filetransfer.Reader{Send: send, Profile: f.cfg.Profile, CommonAddress: f.cfg.CommonAddress, Timeout: answerWithin}
	f.link.Store(&attached{link, reader})
	defer f.link.Store(nil)
	for wait := startAfter; f.sleep(ctx, wait); {
		wait = period
		if !f.look(ctx, reader) {
			wait = retryAfter
		}
	}
}

// sleep tells whether there is something to do, rather than that ctx has ended.
func (f *Fetcher) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	poke := f.poke
	if d == startAfter {
		poke = nil
	}
	select {
	case <-timer.C:
	case <-poke:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// look asks for the directory and fetches what isn't there. It tells whether all went well.
func (f *Fetcher) look(ctx context.Context, reader *filetransfer.Reader) (well bool) {
	select {
	case <-f.poke: // what was told of is in the directory by now
	default:
	}
	list, err := reader.Directory(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.cfg.Fault("directory: %v", err)
		}
		return errors.Is(err, filetransfer.ErrRefused) // it won't have one in a minute either
	}
	well = true
	for _, e := range f.wanted(list) {
		if !f.cfg.Store.Wants(filestore.Info{ID: f.id(e), Length: e.Length, Time: f.time(e), FetchedMs: time.Now().UnixMilli()}) {
			f.cfg.Log.Debug("a device's file is older than there is room for", "rtu", f.cfg.RTU, "file", filetransfer.KeyOf(e))
			continue
		}
		if err := f.fetch(ctx, reader, e); ctx.Err() != nil {
			return false
		} else if err != nil {
			f.cfg.Fault("%v", err)
			well = false
		}
	}
	return well
}

// wanted are the files of a directory that aren't in the store, the newest first.
func (f *Fetcher) wanted(list []asdu.DirectoryEntry) (wanted []asdu.DirectoryEntry) {
	for _, e := range list {
		have, ok := f.cfg.Store.Get(f.id(e))
		switch {
		case e.Status&asdu.Subfolder != 0, ok && have.Length == e.Length && have.Time == f.time(e):
		case e.Length > filestore.MaxFile:
			f.cfg.Fault("file %v has %d octets, at most %d are taken", filetransfer.KeyOf(e), e.Length, filestore.MaxFile)
		default:
			wanted = append(wanted, e)
		}
	}
	made := func(e asdu.DirectoryEntry) int64 {
		t, err := e.Time.Time(f.cfg.Device)
		if err != nil {
			return 0
		}
		return t.UnixMilli()
	}
	slices.SortStableFunc(wanted, func(a, b asdu.DirectoryEntry) int { return cmp.Compare(made(b), made(a)) })
	return wanted
}

func (f *Fetcher) id(e asdu.DirectoryEntry) filestore.ID {
	return filestore.ID{RTU: f.cfg.RTU, Key: filetransfer.KeyOf(e)}
}

// time is when a file was made, in the station's zone.
func (f *Fetcher) time(e asdu.DirectoryEntry) uint64 {
	return e.Time.In(f.cfg.Device, f.cfg.Station).Uint64()
}

// fetch fetches one file, or what of it hasn't come yet.
func (f *Fetcher) fetch(ctx context.Context, reader *filetransfer.Reader, e asdu.DirectoryEntry) error {
	e.Status = 0
	if f.kept == nil || f.kept.entry != e {
		f.drop()
		draft, err := f.cfg.Store.Create()
		if err != nil {
			return err
		}
		f.kept = &transfer{e, filetransfer.NewFetch(filetransfer.KeyOf(e), filestore.MaxFile, draft), draft}
	}
	t := f.kept
	began, before := time.Now(), t.fetch.Kept()
	reader.Pace = func(ctx context.Context, octets uint32) error {
		due := began.Add(time.Duration(octets-min(octets, before)) * time.Second / rate)
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	err := reader.Fetch(ctx, t.fetch)
	if errors.Is(err, filetransfer.ErrResume) {
		before = 0
		err = reader.Fetch(ctx, t.fetch)
	}
	if err != nil {
		return fmt.Errorf("file %v: %w", filetransfer.KeyOf(e), err)
	}
	f.kept = nil
	err = t.draft.Commit(filestore.Info{
		ID: f.id(e), Time: f.time(e), Sections: t.fetch.Sections(), FetchedMs: time.Now().UnixMilli(), Node: f.cfg.Node,
	})
	if err != nil {
		return err
	}
	f.cfg.Log.Info("file fetched", "rtu", f.cfg.RTU, "file", filetransfer.KeyOf(e), "octets", t.fetch.Kept(), "of them before", before, "after", time.Since(began).Round(time.Millisecond))
	return nil
}

// drop forgets a file that has come in part.
func (f *Fetcher) drop() {
	if f.kept != nil {
		f.kept.draft.Abort()
		f.kept = nil
	}
}
