package firstadmin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/nodebundle"
	"github.com/fepha/fepha/replica"
	"github.com/fepha/fepha/replica/replicatest"
)

// lateGroup doesn't understand what it's offered for some time.
type lateGroup struct {
	*replicatest.Node
	left atomic.Int32
}

func (g *lateGroup) Propose(ctx context.Context, c *fsmpb.Command) (replica.Result, error) {
	if g.left.Add(-1) >= 0 {
		return replica.Result{}, replica.ErrNotYet
	}
	return g.Node.Propose(ctx, c)
}

func installed(t *testing.T, secret string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := nodebundle.FirstAdmin{Sum: sha256.Sum256([]byte(secret)), Expires: time.Now().Add(time.Hour)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, nodebundle.FirstAdminFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := replicatest.New(t, &fsmpb.Configure{Digest: "test", Nodes: []*fsmpb.Configure_Node{
			{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}, {Id: "wit", Host: 3, Role: "witness"},
		}})
		s.Elect("fep1", 1)
		offered := func(node replica.Replica, dir string) (log string) {
			t.Helper()
			var b bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := Run(ctx, node, dir, slog.New(slog.NewTextHandler(&b, nil))); err != nil {
				t.Error(err)
			}
			return b.String()
		}
		gone := func(dir string) bool {
			_, err := os.Stat(filepath.Join(dir, nodebundle.FirstAdminFile))
			return os.IsNotExist(err)
		}
		first := installed(t, "a")
		late := &lateGroup{Node: s.Node("fep1")}
		late.left.Store(3)
		if log := offered(late, first); !gone(first) || !strings.Contains(log, "fepha user first") {
			t.Errorf("not taken:\n%s", log)
		}
		s.Node("fep2").View(func(st *fsm.State) {
			if f, ok := st.Access().FirstAdmin(); !ok || !f.Good(sha256.Sum256([]byte("a")), time.Now().UnixMilli()) {
				t.Errorf("the group has %+v", f)
			}
		})
		again, other, none, bad := installed(t, "a"), installed(t, "b"), t.TempDir(), installed(t, "c")
		if log := offered(s.Node("fep2"), again); !gone(again) {
			t.Errorf("the other node's:\n%s", log)
		}
		if log := offered(s.Node("wit"), other); !gone(other) || !strings.Contains(log, "already") {
			t.Errorf("another one:\n%s", log)
		}
		if log := offered(s.Node("wit"), none); log != "" {
			t.Errorf("without a file:\n%s", log)
		}
		if err := os.WriteFile(filepath.Join(bad, nodebundle.FirstAdminFile), []byte("c"), 0o600); err != nil {
			t.Fatal(err)
		}
		if log := offered(s.Node("wit"), bad); gone(bad) || !strings.Contains(log, "level=ERROR") {
			t.Errorf("one that can't be read:\n%s", log)
		}
	})
}
