package raftio

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A bolt file with a flipped bit in a page of keys is refused, or bbolt can do with it: what bbolt meets by itself ends the process.
func TestDamagedTreeIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sound.db")
	options := &bbolt.Options{NoFreelistSync: true, NoSync: true, FreelistType: bbolt.FreelistMapType}
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		t.Fatal(err)
	}
	root := 0
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("logs"))
		for i := range uint64(1000) {
			err = errors.Join(err, b.Put(binary.BigEndian.AppendUint64(nil, i), make([]byte, 100)))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.View(func(tx *bbolt.Tx) error {
		root = int(tx.Bucket([]byte("logs")).Root())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	page := db.Info().PageSize
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkBolt(path); err != nil {
		t.Fatalf("undamaged: %v", err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	elements := int(binary.NativeEndian.Uint16(sound[root*page+10:]))
	if elements < 10 {
		t.Fatalf("%d elements on the root page", elements)
	}
	used := boltHeader + elements*(boltElement+8) // with the keys
	rng, refused := rand.New(rand.NewPCG(1, 1)), 0
	for range 300 {
		at, bit := root*page+rng.IntN(used), byte(1)<<rng.IntN(8)
		damaged := filepath.Join(dir, "damaged.db")
		content := append([]byte(nil), sound...)
		content[at] ^= bit
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkBolt(damaged); err != nil {
			refused++
			continue
		}
		db, err := bbolt.Open(damaged, 0o600, options)
		if err != nil && !errors.Is(err, bolterrors.ErrInvalid) {
			t.Fatalf("octet %d of page %d, bit %#x: %v", at-root*page, root, bit, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if refused < 100 {
		t.Errorf("%d of 300 files were refused", refused)
	}
	t.Logf("%d of 300 refused", refused)
}
