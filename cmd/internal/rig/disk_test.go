package rig

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/internal/testneeds"
)

func newTestDisk(t *testing.T) *disk {
	t.Helper()
	testneeds.Met(t, DisksRefused())
	s := &Station{opts: Options{Dir: t.TempDir()}, nodes: []*Node{{ID: "fep1"}}}
	if err := s.setDisks(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.removeDisks(); err != nil {
			t.Error(err)
		}
		if left := DisksLeft(); len(left) > 0 {
			t.Errorf("disks that are left: %v", left)
		}
	})
	return s.nodes[0].disk
}

// write stores something and waits until it is on the disk.
func (d *disk) write(name string, size int) error {
	f, err := os.Create(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return errors.Join(err, f.Sync(), f.Close())
}

// A disk that hangs lets a write wait until it is healed, a slow one for a
// while, a full one refuses it.
func TestDiskFaults(t *testing.T) {
	d := newTestDisk(t)
	if err := d.write("before", 4096); err != nil {
		t.Fatal(err)
	}
	for _, full := range []string{"full 1", "full 2"} { // each fault twice, whatever was before
		if err := d.hang(true); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- d.write("hung", 4096) }()
		select {
		case err := <-done:
			t.Errorf("a write on a disk that hangs came back: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		if err := d.hang(false); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("after it hung: %v", err)
		}

		if err := d.setSlow(true); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 3 {
			if err := d.write("slow", 4096); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took < slowHang {
			t.Errorf("three writes on a slow disk took %v, want at least %v", took, slowHang)
		}
		if err := d.setSlow(false); err != nil {
			t.Fatal(err)
		}

		if err := d.fill(true); err != nil {
			t.Fatal(err)
		}
		if err := d.write(full, 1<<16); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a write on a full disk: %v", err)
		}
		if err := d.fill(false); err != nil {
			t.Fatal(err)
		}
		if err := d.write(full, 1<<16); err != nil {
			t.Errorf("after it was full: %v", err)
		}
	}
}

// What is torn is shorter, what is flipped differs in as many bits as pages
// were hit at most, and both are of the seed.
func TestDamage(t *testing.T) {
	original := make([]byte, 8*page)
	for i := range original[:5*page] {
		original[i] = byte(i%251 + 1)
	}
	for seed := range uint64(40) {
		for name, damage := range map[string]func(*rand.Rand, string) error{"tear": tear, "flip": flip} {
			var results [2][]byte
			for i := range results {
				path := filepath.Join(t.TempDir(), database)
				if err := os.WriteFile(path, original, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := damage(rand.New(rand.NewPCG(seed, 1)), path); err != nil {
					t.Fatal(err)
				}
				results[i], _ = os.ReadFile(path)
			}
			got := results[0]
			if string(got) != string(results[1]) {
				t.Fatalf("%s, seed %d: two results", name, seed)
			}
			differ := 0
			for i := range got {
				if got[i] != original[i] {
					differ++
				}
			}
			torn := len(got) < 5*page && differ == 0
			flipped := len(got) == len(original) && differ > 0 && differ <= 8
			if name == "tear" && !torn || name == "flip" && !flipped {
				t.Errorf("%s, seed %d: %d octets, %d differ", name, seed, len(got), differ)
			}
		}
	}
}
