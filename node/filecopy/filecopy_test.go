package filecopy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// group are nodes by id.
type group struct {
	mu    sync.Mutex
	nodes map[string]Shared
	fail  int // so many reads
}

func (g *group) node(id string) (Shared, error) {
	n, ok := g.nodes[id]
	if !ok {
		return n, errors.New("away")
	}
	return n, nil
}

func (g *group) PeerFiles(_ context.Context, id string) ([]*clusterpb.CopiedFile, error) {
	n, err := g.node(id)
	if err != nil {
		return nil, err
	}
	return n.List(), nil
}

func (g *group) ReadPeerFile(_ context.Context, id string, f *clusterpb.CopiedFile, offset int64) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail > 0 && offset > 0 {
		g.fail--
		return nil, errors.New("lost")
	}
	n, err := g.node(id)
	if err != nil {
		return nil, err
	}
	return n.Read(f, offset), nil
}

func store(t *testing.T, limit int64) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(t.TempDir(), limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *filestore.Store, address int, fetched int64, content []byte) {
	t.Helper()
	d, err := s.Create()
	if err == nil {
		_, err = d.Write(content)
	}
	if err == nil {
		err = d.Commit(filestore.Info{ID: id(address), FetchedMs: fetched, Sections: []uint32{uint32(len(content))}, Time: 5, Node: "fep2"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func id(address int) filestore.ID {
	k, err := filetransfer.ParseKey("3000" + string(rune('0'+address)) + ".2")
	if err != nil {
		panic(err)
	}
	return filestore.ID{RTU: 7, Key: k}
}

// What the other FEP has comes here, whole, also after a read that failed; a newer copy replaces an older one, not the other way round.
func TestCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := store(t, filestore.MaxTotal), store(t, filestore.MaxTotal)
		g := &group{nodes: map[string]Shared{"fep2": {there}}, fail: 1}
		content := bytes.Repeat([]byte("0123456789"), 60_000)
		put(t, there, 1, 100, content)
		put(t, here, 2, 100, []byte("new"))
		put(t, there, 2, 99, []byte("old"))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- Run(ctx, here, g, []string{"fep3", "fep2"}, slog.New(slog.DiscardHandler)) }()
		time.Sleep(2*every + time.Second)
		put(t, there, 3, 101, []byte("later"))
		put(t, there, 2, 102, []byte("newest"))
		time.Sleep(every)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		for address, want := range map[int][]byte{1: content, 2: []byte("newest"), 3: []byte("later")} {
			f, i, err := here.Open(id(address))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f)
			f.Close()
			if err != nil || !bytes.Equal(got, want) || i.Time != 5 || i.Node != "fep2" || len(i.Sections) != 1 {
				t.Errorf("%d: %d octets, %+v, %v", address, len(got), i, err)
			}
		}
	})
}

// What a node says that is no file of a device, or isn't what it says, isn't kept.
func TestBadCopies(t *testing.T) {
	here, there := store(t, 100), store(t, 1000)
	g := &group{nodes: map[string]Shared{"fep2": {there}}}
	put(t, there, 1, 1, make([]byte, 101)) // more than there is room for
	log := slog.New(slog.DiscardHandler)
	if err := copyFrom(t.Context(), here, g, "fep2", log); err != nil || len(here.List(0)) != 0 {
		t.Errorf("%v, %+v", err, here.List(0))
	}
	put(t, there, 1, 1, []byte("abc"))
	f := there.List(0)[0]
	f.SHA256 = "00"
	if err := copyFile(t.Context(), here, g, "fep2", Shared{there}.List()[0], f); !errors.Is(err, filestore.ErrDamaged) || len(here.List(0)) != 0 {
		t.Errorf("%v, %+v", err, here.List(0))
	}
	for _, bad := range []*clusterpb.CopiedFile{{Address: 1 << 24}, {Name: 1 << 16}, {Length: filestore.MaxFile + 1}, {Time: 1 << 60}} {
		if i, err := info(bad); err == nil {
			t.Errorf("%v is %+v", bad, i)
		}
	}
	if b := (Shared{there}).Read(&clusterpb.CopiedFile{Rtu: 9}, 0); b != nil {
		t.Errorf("% x", b)
	}
}
