package raftio

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestShorterLease: after a start with a shorter lease a node answers for the longer ones that it had supported.
func TestShorterLease(t *testing.T) {
	const ms = time.Millisecond
	cfg := FolderConfig{
		Dir: t.TempDir(), LogStore: LogStoreBolt, ID: "fep1", Log: slog.New(slog.DiscardHandler),
		Members: []raft.Server{{ID: "fep1", Address: "127.0.0.1:1"}},
	}
	for _, c := range []struct{ lease, excess time.Duration }{
		{500 * ms, 0}, {200 * ms, 300 * ms}, {200 * ms, 0}, {900 * ms, 0},
	} {
		cfg.Lease = c.lease
		f, err := OpenFolder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if f.Excess != c.excess {
			t.Errorf("lease %v: excess %v, expected %v", c.lease, f.Excess, c.excess)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSealedStable: a damaged term or vote is never taken for one.
func TestSealedStable(t *testing.T) {
	inner := raft.NewInmemStore()
	var told error
	c := &sealedStable{inner, nil, openRoom(t.TempDir(), LogStoreBolt, slog.Default()), func(err error) { told = err }}
	if _, err := c.GetUint64([]byte("term")); err == nil || err.Error() != "not found" {
		t.Errorf("%v, expected what Raft takes for a key that was never set", err)
	}
	if err := c.SetUint64([]byte("term"), 7); err != nil {
		t.Fatal(err)
	}
	if v, err := c.GetUint64([]byte("term")); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	sealed, _ := inner.Get([]byte("term"))
	if err := inner.Set([]byte("vote"), sealed); err != nil { // whole, but of another key
		t.Fatal(err)
	}
	if _, err := c.Get([]byte("vote")); !errors.Is(err, errDamaged) || told == nil {
		t.Errorf("%v, told %v", err, told)
	}
	for i := range sealed {
		flipped := append([]byte(nil), sealed...)
		flipped[i] ^= 4
		if err := inner.Set([]byte("term"), flipped); err != nil {
			t.Fatal(err)
		}
		if v, err := c.GetUint64([]byte("term")); !errors.Is(err, errDamaged) {
			t.Errorf("octet %d: %d, %v", i, v, err)
		}
	}
}
