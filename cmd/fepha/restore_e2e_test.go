package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// Uploads of a snapshot that don't end fill no disk: there's one at a time, it is
// checked while it is read, and nothing of it is left, not even by a crash.
func TestUnfinishedRestores(t *testing.T) {
	s, ctx := newStation(t, rig.Options{NoCentre: true})
	st, err := s.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	leader := s.Node(st.Leader)
	left := func() []string {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(s.LogFile(leader.ID)), leader.ID, ".restore.*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	var snapshot bytes.Buffer
	if err := leader.Client().Snapshot(ctx, &snapshot); err != nil {
		t.Fatal(err)
	}
	half := snapshot.Bytes()[:snapshot.Len()/2]
	// hang uploads the half of a snapshot and keeps the rest back.
	hang := func() (stop func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(ctx)
		out, in := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = leader.Client().Restore(ctx, out)
		}()
		if _, err := in.Write(half); err != nil {
			t.Fatal(err)
		}
		until(t, "the upload to be written", func() bool { return len(left()) == 1 })
		return func() {
			cancel()
			_ = in.Close()
			<-done
		}
	}

	stop := hang()
	_, err = leader.Client().Restore(ctx, bytes.NewReader(snapshot.Bytes()))
	if e, ok := errors.AsType[*api.Error](err); !ok || e.Status != 409 || !strings.Contains(e.Message, "another one is under way") {
		t.Errorf("a second upload: %v", err)
	}
	stop()
	until(t, "nothing to be left of an upload that was broken off", func() bool { return len(left()) == 0 })

	garbage := &counted{limit: 1 << 30}
	if _, err := leader.Client().Restore(ctx, garbage); err == nil || garbage.n.Load() > 64<<20 {
		t.Errorf("1 GB of what is no snapshot: %v, %d octets were taken", err, garbage.n.Load())
	}
	if files := left(); len(files) > 0 {
		t.Errorf("%q are left of what was refused", files)
	}

	stop = hang()
	if err := s.Kill(leader.ID); err != nil {
		t.Fatal(err)
	}
	stop()
	if len(left()) != 1 {
		t.Fatal("the crash left nothing: this test is worth nothing")
	}
	if err := s.Start(leader.ID); err != nil {
		t.Fatal(err)
	}
	until(t, "the leftover of a crash to be gone", func() bool { return len(left()) == 0 })
}

// counted is so many zeros.
type counted struct {
	limit int64
	n     atomic.Int64 // read
}

func (c *counted) Read(p []byte) (int, error) {
	if c.n.Add(int64(len(p))) > c.limit {
		return 0, io.EOF
	}
	return len(p), nil
}
