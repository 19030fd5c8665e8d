package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/api"
)

// faultsOfDisks befall the disk that a node's data is on.
func faultsOfDisks() []Fault {
	return []Fault{
		stays(ofDisk("slow-disk", fmt.Sprintf("writes to its disk hang for %v of every %v", slowHang, slowPeriod), (*disk).setSlow)),
		ofDisk("hung-disk", "writes to its disk hang", (*disk).hang),
		stays(ofDisk("filled-disk", "its disk is full but for what the node keeps in reserve", (*disk).fill)),
		stays(ofDisk("full-disk", "its disk is full, and the reserve is gone", (*disk).fillAll)),
		ofFile("torn-file", "SIGKILL, and its database has lost its end", tear),
		ofFile("flipped-file", "SIGKILL, and bits of its database are flipped", flip),
	}
}

func ofDisk(name, about string, set func(d *disk, on bool) error) Fault {
	return Fault{
		Name: name, About: about, Disks: true, MovesRTU: true, MovesUplink: true, Anywhere: true, mayEnd: true,
		Inject: func(_ context.Context, s *Station, node string) error { return set(s.Node(node).disk, true) },
		Heal:   func(_ context.Context, s *Station, node string) error { return set(s.Node(node).disk, false) },
	}
}

func ofFile(name, about string, damage func(rng *rand.Rand, path string) error) Fault {
	return Fault{
		Name: name, About: about, MovesRTU: true, MovesUplink: true, Anywhere: true, mayEnd: true,
		Inject: func(_ context.Context, s *Station, node string) error {
			if err := s.Kill(node); err != nil {
				return err
			}
			return damage(s.rng, filepath.Join(s.dataDir(node), database))
		},
		Heal: replaceDamaged,
	}
}

// database is the file of a data folder with log, term and vote.
const database = "raft.db"

// page is the unit in which the database is written.
const page = 4096

// written returns a database and the numbers of its pages that hold something.
func written(path string) (content []byte, pages []int, err error) {
	content, err = os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i+page <= len(content); i += page {
		if bytes.ContainsFunc(content[i:i+page], func(r rune) bool { return r != 0 }) {
			pages = append(pages, i/page)
		}
	}
	if len(pages) == 0 {
		return nil, nil, fmt.Errorf("%s: nothing in its %d octets", path, len(content))
	}
	return content, pages, nil
}

// tear cuts the file somewhere in what was written, at times down to nothing.
func tear(rng *rand.Rand, path string) error {
	_, pages, err := written(path)
	if err != nil {
		return err
	}
	if rng.IntN(4) == 0 {
		return os.Truncate(path, 0)
	}
	return os.Truncate(path, int64(pages[rng.IntN(len(pages))]*page+rng.IntN(page)))
}

// flip flips one bit in each of up to eight pages.
func flip(rng *rand.Rand, path string) error {
	content, pages, err := written(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for range 1 + rng.IntN(8) {
		at := pages[rng.IntN(len(pages))]*page + rng.IntN(page)
		content[at] ^= 1 << rng.IntN(8)
		if _, err := f.WriteAt(content[at:at+1], int64(at)); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// verdictTimeout is how long a node may take to refuse a damaged file, or to
// show that it can do with it.
const verdictTimeout = 10 * time.Second

// replaceDamaged starts a node whose database was damaged. It may find that
// nothing was that counts, and go on. If it refuses, what docs/RECOVERY.md says
// is done: it is removed from the group, and added with an empty folder.
func replaceDamaged(ctx context.Context, s *Station, node string) error {
	if err := s.Start(node); err != nil {
		return err
	}
	n := s.Node(node)
	verdict, cancel := context.WithTimeout(ctx, verdictTimeout)
	defer cancel()
	if err := waitUntil(verdict, node+" to refuse its database or to go on", func() bool {
		st, err := n.status(verdict)
		return !n.proc.running() || err == nil && st.Quorum && st.Leader != ""
	}); err != nil {
		return err
	}
	if n.proc.running() {
		return nil
	}
	if err := s.endedWell(n); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := s.ask(ctx, "fepha raft remove "+node, func(leader *Node) error {
		_, err := leader.client.RemovePeer(ctx, node, true) // the machine stays; its folder alone is lost
		return err
	}); err != nil {
		return err
	}
	if err := clearDir(s.dataDir(node)); err != nil {
		return err
	}
	if err := s.Start(node); err != nil {
		return err
	}
	return s.ask(ctx, "fepha raft add "+node+" "+n.address, func(leader *Node) error {
		_, err := leader.client.AddPeer(ctx, node, n.address)
		return err
	})
}

// askRetry is how long is waited until a leader is asked again.
const askRetry = 100 * time.Millisecond

// ask has the leader do something, and asks again while it can't, as docs/RECOVERY.md says: there may be another one
// just now, or the node that it concerns isn't up yet.
func (s *Station) ask(ctx context.Context, what string, do func(leader *Node) error) error {
	for {
		leader, err := s.leader(ctx)
		if err != nil {
			return err
		}
		if err = do(leader); err == nil {
			return nil
		}
		if Pause(ctx, askRetry) != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

// leader waits for a leader.
func (s *Station) leader(ctx context.Context) (*Node, error) {
	st, err := s.WaitFor(ctx, "a leader", func(st api.Status) bool { return st.Leader != "" })
	if err != nil {
		return nil, err
	}
	return s.Node(st.Leader), nil
}

// clearDir removes what is in a folder, but not the folder, which may be where
// a disk is mounted.
func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}
