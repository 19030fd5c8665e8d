package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/internal/disk"
)

const (
	fsyncs    = 200             // at most
	fsyncTime = 2 * time.Second // in which they have to be done
	fsyncSize = 4096
)

// disk looks at the disk of the data folder, or of what is there of the path to it.
func (p *patient) disk(ctx context.Context) []Line {
	dir, about := p.dataDir, p.dataDir
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	free, octets, err := disk.Room(dir)
	room := checkRoom(about, cluster.Disk{Free: int64(free), Size: int64(octets)}, err)
	took, err := measureFsync(ctx, dir)
	return []Line{room, checkFsync(about, took, err, p.station.Cluster.Lease)}
}

// checkRoom goes by the rule by which a running node warns and refuses what can wait.
func checkRoom(about string, d cluster.Disk, err error) Line {
	const advice = "make room: a node whose disk is full ends, and the other FEP takes over"
	switch {
	case err != nil:
		return unchecked("room", about, "%v", err)
	case d.Size == 0:
		return unchecked("room", about, "the file system doesn't tell its size")
	case d.Short():
		return wrong("room", about, advice, "%s of %s are free, less than a hundredth", size(d.Free), size(d.Size))
	case d.Low(), d.Free < 2<<30:
		return doubtful("room", about, advice, "%s of %s are free: less than a tenth, or than 2 GiB", size(d.Free), size(d.Size))
	}
	return good("room", about, "%s of %s are free", size(d.Free), size(d.Size))
}

// measureFsync makes small writes safe, as a Raft log does, and tells how long each took.
func measureFsync(ctx context.Context, dir string) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor.*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, fsyncSize)
	for began := time.Now(); len(took) < fsyncs && time.Since(began) < fsyncTime && ctx.Err() == nil; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(at))
	}
	return took, ctx.Err()
}

// checkFsync holds a disk to the lease. After the owner's death three writes follow each other before a successor acts: its term
// and vote, the first entry of its term, the change of owner. Heartbeats are missed for 3/5 of a lease before, so the three are
// to fit into the 2/5 that are left; a disk that takes longer makes the takeover longer, and one that takes longer than a lease
// costs the leader its lead (cluster/LEASES.md).
func checkFsync(about string, took []time.Duration, err error, lease time.Duration) Line {
	const check, advice = "fsync", "a local disk that is made for it (SSD with power-loss protection), without others' load; or a longer lease in station.yaml"
	if err != nil || len(took) == 0 {
		return unchecked(check, about, "no write could be tried: %v", err)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[(len(took)*99-1)/100]
	fits := lease * 2 / 5 / 3
	text := []any{len(took), ms(p50), ms(p99), ms(fits), ms(lease)}
	const words = "%d writes: p50 %s, p99 %s; the lease of %[5]s wants a p99 of at most %[4]s"
	switch {
	case p99 > lease*2/5 || p50 > fits:
		return wrong(check, about, advice, words, text...)
	case p99 > fits:
		return doubtful(check, about, advice, words, text...)
	}
	return good(check, about, words, text...)
}

// ms is a duration in words that can be compared at a glance.
func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
