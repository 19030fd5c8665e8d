package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A data folder from a backup has forgotten what its node has voted for and stored: it is refused before it takes part, with what
// to do. An emptied one is another matter: that node knows that it knows nothing.
func TestOlderFolderIsRefused(t *testing.T) {
	s := newStation(t, nil)
	s.owned("fep1", rtu1)
	victim := s.others(s.leader().ID())[0]
	folder, backup := filepath.Join(s.dir, victim), filepath.Join(s.dir, "backup")
	s.stop(victim)
	if err := os.CopyFS(backup, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	s.start(victim)
	for range 20 {
		s.propose(victim, &fsmpb.Command{Op: &fsmpb.Command_Pin{Pin: &fsmpb.Pin{Resource: rtu1}}})
	}
	until(t, "the others have heard how far it is", func() bool {
		for _, other := range s.others(victim) {
			if s.nodes[other].known.get(victim) < s.nodes[victim].state.applied.Load() {
				return false
			}
		}
		return true
	})
	s.stop(victim)
	if err := errors.Join(os.RemoveAll(folder), os.CopyFS(folder, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	m, _ := s.leader().cfg.member(victim)
	n, err := start(s.config(victim), outside{network: s.fabric.of(victim, m.Address)})
	if err == nil {
		n.Close()
	}
	if !errors.Is(err, ErrDataDir) || !strings.Contains(err.Error(), "from a backup") || !strings.Contains(err.Error(), "raft remove") {
		t.Fatalf("%v", err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	s.start(victim)
	until(t, "with an empty folder it's brought up to date", func() bool {
		var digest string
		s.nodes[victim].View(func(st *fsm.State) { digest = st.Config().GetDigest() })
		return digest == "one" && s.nodes[victim].folder.FreshDisk.Recovered()
	})
}
