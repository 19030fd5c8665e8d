package file

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/fepha/fepha/internal/atomicfile"
)

const (
	zstdSuffix     = ".zst"
	checksumSuffix = ".sha256"
)

// end takes off a torn row and what is a successor's, compresses the file, writes its checksum, and removes its companion
// last: whatever a crash leaves in between is done again.
func (d *Driver) end(path string, cutoff uint64) error {
	keep, rows, err := d.cut(path, cutoff)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a crash before the file was made, or after it was compressed
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case rows == 0:
		err = os.Remove(path)
	default:
		if err = truncate(path, keep); err == nil {
			err = d.seal(path)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := atomicfile.SyncDir(d.cfg.Dir); err != nil {
		return err
	}
	return os.Remove(path + openSuffix)
}

// cut tells how many octets of a file stay, and how many rows.
func (d *Driver) cut(path string, cutoff uint64) (keep int64, rows int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	err = d.lines(bufio.NewReader(f), func(seq uint64, end int64) bool {
		if seq > cutoff {
			return false
		}
		keep, rows = end, rows+1
		return true
	})
	return keep, rows, err
}

func truncate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err = f.Truncate(size); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// seal compresses a file that has ended, if the configuration says so, and writes its checksum.
func (d *Driver) seal(path string) error {
	sealed := path
	if d.cfg.Compress {
		sealed += zstdSuffix
		if err := compress(path, sealed); err != nil {
			return err
		}
	}
	sum, err := checksum(sealed)
	if err != nil {
		return err
	}
	line := fmt.Sprintf("%s  %s\n", sum, filepath.Base(sealed))
	if err := atomicfile.Write(sealed+checksumSuffix, []byte(line), 0o640); err != nil {
		return err
	}
	if sealed != path {
		return os.Remove(path)
	}
	return nil
}

func compress(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return atomicfile.WriteFrom(to, 0o640, func(w io.Writer) error {
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		if _, err := io.Copy(z, in); err != nil {
			return errors.Join(err, z.Close())
		}
		return z.Close()
	})
}

func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ended are the files that have ended, in the order of their first rows.
func (d *Driver) ended() (paths []string, err error) {
	pattern := filepath.Join(d.cfg.Dir, fmt.Sprintf("events-%d-*.%s", d.cfg.Station, d.cfg.Format))
	for _, p := range []string{pattern, pattern + zstdSuffix} {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if _, err := os.Stat(path + openSuffix); errors.Is(err, fs.ErrNotExist) {
				paths = append(paths, path)
			}
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return int(firstOf(a)) - int(firstOf(b)) })
	return paths, nil
}

// firstOf is the number of a file's first row, by its name.
func firstOf(path string) uint64 {
	parts := strings.Split(filepath.Base(path), "-")
	number, _, _ := strings.Cut(parts[len(parts)-1], ".")
	n, _ := strconv.ParseUint(number, 10, 64)
	return n
}

// ranges are the numbers of the rows in each file that has ended.
func (d *Driver) ranges() (held []span, err error) {
	paths, err := d.ended()
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		s := span{first: firstOf(path)}
		if s.last, err = d.lastOf(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		held = append(held, s)
	}
	return held, nil
}

func (d *Driver) lastOf(path string) (last uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	r := io.Reader(f)
	if strings.HasSuffix(path, zstdSuffix) {
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return 0, err
		}
		defer z.Close()
		r = z
	}
	err = d.lines(bufio.NewReader(r), func(seq uint64, _ int64) bool {
		last = seq
		return true
	})
	return last, err
}

// removeOld removes what was to be kept no longer. What can't be removed is tried again with the next file.
func (d *Driver) removeOld() {
	if d.cfg.Keep == 0 {
		return
	}
	paths, _ := d.ended()
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.ModTime().Add(d.cfg.Keep).Before(d.now()) {
			_ = os.Remove(path)
			_ = os.Remove(path + checksumSuffix)
		}
	}
}
