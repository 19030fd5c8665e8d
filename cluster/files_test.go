package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/fepha/fepha/cluster/clusterpb"
)

// shelf has one file of three octets.
type shelf struct{}

func (shelf) List() []*clusterpb.CopiedFile { return []*clusterpb.CopiedFile{{Rtu: 7, Length: 3}} }

func (shelf) Read(f *clusterpb.CopiedFile, offset int64) []byte {
	if f.Rtu != 7 || offset < 0 || offset > 3 {
		return nil
	}
	return []byte("abc")[offset:]
}

// A node reads what another has; one that has no files, as the witness, says that it has none.
func TestFilesOfOtherNodes(t *testing.T) {
	s := newStation(t, func(c *Config) {
		if c.ID != "wit" {
			c.Files = shelf{}
		}
	})
	n := s.nodes["fep1"]
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var files []*clusterpb.CopiedFile
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * ms) {
		if files, err = n.PeerFiles(ctx, "fep2"); err == nil {
			break
		}
	}
	if err != nil || len(files) != 1 || files[0].Rtu != 7 {
		t.Fatalf("%v, %v", files, err)
	}
	for offset, want := range []string{"abc", "bc", "c", ""} {
		if b, err := n.ReadPeerFile(ctx, "fep2", files[0], int64(offset)); err != nil || string(b) != want {
			t.Errorf("%q from %d, %v", b, offset, err)
		}
	}
	if files, err := n.PeerFiles(ctx, "wit"); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
	if b, err := n.ReadPeerFile(ctx, "wit", files[0], 0); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := n.PeerFiles(ctx, "nobody"); err == nil {
		t.Error("a node that there isn't has answered")
	}
}
