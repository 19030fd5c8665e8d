package main

import (
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/node/doctor"
)

// examined is what the real program says of a node's machine.
type examined struct {
	doctor.Report
	Verdict doctor.Verdict
	code    int
}

func examine(t *testing.T, s *rig.Station, id string) (e examined) {
	t.Helper()
	cmd := exec.Command(binary, "doctor", "--config", s.Node(id).Config(), "--node", id, "--data-dir", filepath.Join(s.Dir(), id), "--json")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		e.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if want := map[doctor.Verdict]int{doctor.Wrong: 2, doctor.Doubtful: 1}[e.Verdict]; e.code != want || e.Verdict != e.Worst() {
		t.Errorf("exit code %d at a verdict of %s, whose worst line is %s", e.code, e.Verdict, e.Worst())
	}
	return e
}

// has is whether a line of a check has a verdict and words.
func (e examined) has(check, about string, v doctor.Verdict, words string) bool {
	return slices.ContainsFunc(e.Lines, func(l doctor.Line) bool {
		return l.Check == check && strings.Contains(l.About, about) && l.Verdict == v && strings.Contains(l.Text, words)
	})
}

// The program looks at a station that runs, and at the machine of a node that doesn't.
func TestDoctor(t *testing.T) {
	s, _ := newStation(t, rig.Options{Mode: "main-standby"})
	expect := func(e examined, check, about string, v doctor.Verdict, words string) {
		t.Helper()
		if !e.has(check, about, v, words) {
			t.Errorf("of %s %q nothing is %s with %q in %+v", check, about, v, words, e.Lines)
		}
	}
	e := examine(t, s, "fep1")
	expect(e, "node", "fep1", doctor.Good, "it runs (pid")
	expect(e, "configuration", "", doctor.Good, "1 RTUs")
	expect(e, "port", "API", doctor.Good, "held by the node")
	expect(e, "port", "between the nodes", doctor.Good, "held by the node")
	expect(e, "peer", "fep2", doctor.Good, "reached")
	expect(e, "peer", "wit", doctor.Good, "answers")
	expect(e, "device", "RTU 1", doctor.Good, "the group says")
	expect(e, "centre", "occ", doctor.Good, "connected")
	expect(e, "files", "", doctor.Good, "sockets open")

	if err := s.Stop("fep2"); err != nil {
		t.Fatal(err)
	}
	e = examine(t, s, "fep2")
	expect(e, "node", "fep2", doctor.Unchecked, "doesn't run")
	expect(e, "port", "API", doctor.Good, "free")
	expect(e, "peer", "fep1", doctor.Good, "reached")
	thief, err := net.Listen("tcp", strings.TrimPrefix(s.Node("fep2").API, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	e = examine(t, s, "fep2")
	expect(e, "port", "API", doctor.Wrong, "fepha.test")
	if e.code != 2 {
		t.Errorf("exit code %d", e.code)
	}
	expect(examine(t, s, "fep1"), "peer", "fep2", doctor.Doubtful, "refuses")
}
