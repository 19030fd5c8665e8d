package rollout

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// A configuration gets onto all nodes; one that's away takes it when it's back.
func TestRollout(t *testing.T) {
	for _, away := range [][]string{{}, {"fep2"}, {"wit"}} {
		t.Run(strings.Join(append([]string{"away:"}, away...), " "), func(t *testing.T) {
			s := startStation(t).run()
			asked := s.members["fep1"]
			old := asked.Running().Digest
			there := slices.DeleteFunc(slices.Clone(nodes), func(id string) bool { return slices.Contains(away, id) })
			for _, id := range away {
				s.members[id].kill()
			}
			octets, digest := s.bundle(one)

			r, err := asked.Apply(t.Context(), octets, true, "a test")
			if err != nil || r.Applied || r.Digest != digest || len(r.Changes) != 1 || s.version() != 1 {
				t.Fatalf("a dry run: %+v, %v, version %d", r, err, s.version())
			}
			s.runs(old, there...)

			r, err = asked.Apply(t.Context(), octets, false, "a test")
			if err != nil || !r.Applied || !slices.Equal(r.Away, away) || !slices.Equal(r.Behind, away) || s.version() != 2 {
				t.Fatalf("%+v, %v, version %d", r, err, s.version())
			}
			s.runs(digest, there...)
			for _, id := range away {
				if got := s.load(s.members[id].File).Digest(); got != old {
					t.Errorf("%s was away, and its files are %.12s", id, got)
				}
				s.start(id)
			}
			s.runs(digest, nodes...)

			if r, err := asked.Apply(t.Context(), octets, false, "a test"); err != nil || r.Applied || len(r.Changes) != 0 || s.version() != 2 {
				t.Errorf("applied again: %+v, %v, version %d", r, err, s.version())
			}
		})
	}
}

// What is wrong with files is told with its places, in the files' own names.
func TestProblemsHaveTheirPlaces(t *testing.T) {
	s := startStation(t).run()
	dir := s.write("wrong", one)
	files, _, err := configs.ReadBundle(dir)
	must(t, err)
	const table = "rtu1.csv"
	for name, tc := range map[string]struct {
		text string
		want api.Problem
	}{
		"station.yaml": {"station: {id: 0, name: x}\n", api.Problem{File: "station.yaml", Line: 1, Column: 15, Key: "station.id", Problem: "0 is out of range", Expected: "1 to 65535"}},
		table:          {"kind,point,ioa,type,name,deadband,scale,offset,unit,invert,category\ndi,1,0,M_SP_TB_1,x,,,,,,\n", api.Problem{File: table, Line: 2, Column: 6, Key: "ioa", Problem: "0 is out of range", Expected: "1 to 16777215"}},
	} {
		_, err := s.members["fep1"].Apply(t.Context(), packed(t, files, name, tc.text), true, "a test")
		e, ok := errors.AsType[*api.Error](err)
		if !ok || e.Code != api.CodeInvalid || !slices.Contains(e.Problems, tc.want) {
			t.Errorf("%s: %+v", name, err)
		}
	}
	settings, err := s.members["fep1"].Settings()
	if err != nil || !strings.Contains(string(settings), `"lease": "500ms"`) {
		t.Errorf("settings: %s, %v", settings, err)
	}
}

// What one of them can't run is run by none.
func TestNodeRefusesAtTheCheck(t *testing.T) {
	for _, id := range nodes {
		t.Run(id, func(t *testing.T) {
			s := startStation(t).run()
			old := s.members[id].Running().Digest
			s.members[id].runner.cant = func() error { return errors.New("no such key") }
			octets, _ := s.bundle(other)
			r, err := s.members["fep1"].Apply(t.Context(), octets, false, "a test")
			if err == nil || r.Applied || !strings.Contains(err.Error(), "nothing was changed:\n"+id+": no such key") {
				t.Errorf("%+v, %v", r, err)
			}
			if s.version() != 1 {
				t.Errorf("version %d", s.version())
			}
			s.runs(old, nodes...)
		})
	}
}

// A node that can't run what is in force goes on with its own and says so, until it's started without the cause.
func TestNodeRefusesWhatIsInForce(t *testing.T) {
	s := startStation(t).run()
	refuses := s.members["fep2"]
	old := refuses.Running().Digest
	checked := false
	refuses.runner.cant = func() error {
		if !checked {
			checked = true
			return nil
		}
		return errors.New("the key is gone")
	}
	octets, digest := s.bundle(one)
	ctx, enough := context.WithCancel(t.Context())
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r, err := s.members["fep1"].Apply(ctx, octets, false, "a test")
		if err != nil || !r.Applied || !slices.Contains(r.Behind, "fep2") || len(r.Away) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}()
	eventually(t, "fep2 says that it can't", func() bool { return refuses.reports.holds(condition.ConfigurationRefused, "fep2") })
	s.runs(digest, "fep1", "wit")
	enough() // it'd wait for fep2
	<-answered
	s.runs(old, "fep2")

	refuses.kill()
	again := s.start("fep2")
	s.runs(digest, nodes...)
	if again.reports.holds(condition.ConfigurationRefused, "fep2") {
		t.Error("it still says that it can't")
	}
}

// Of two that overlap the younger is run by all, wherever the older one was.
func TestRolloutsThatOverlap(t *testing.T) {
	for name, at := range places {
		t.Run(name, func(t *testing.T) {
			s := startStation(t).run()
			older, _ := s.bundle(one)
			younger, digest := s.bundle(other)
			s.members["fep1"].trap.Store(&trap{at: at, do: func() {
				if r, err := s.members["fep2"].Apply(t.Context(), younger, false, "a test"); err != nil || !r.Applied || len(r.Behind) != 0 {
					t.Errorf("the younger: %+v, %v", r, err)
				}
			}})
			r, err := s.members["fep1"].Apply(t.Context(), older, false, "a test")
			if err == nil || r.Applied || !strings.Contains(err.Error(), "another change of the configuration has begun") {
				t.Errorf("the older: %+v, %v", r, err)
			}
			if s.version() != 2 {
				t.Errorf("version %d", s.version())
			}
			s.runs(digest, nodes...)
		})
	}
}

// Wherever the node that brings and commits is killed, all run the former configuration or all the other one, and the next
// rollout comes through.
func TestCommittingNodeIsKilled(t *testing.T) {
	for name, at := range places {
		for _, after := range []bool{false, true} {
			t.Run(map[bool]string{false: "before ", true: "after "}[after]+name, func(t *testing.T) {
				s := startStation(t).run()
				killed := s.members["fep1"]
				want := killed.Running().Digest
				octets, digest := s.bundle(one)
				inForce := after && name == "the commit"
				if inForce {
					want = digest
				}
				killed.trap.Store(&trap{at: at, after: after, do: killed.kill})
				if r, err := killed.Apply(t.Context(), octets, false, "a test"); err == nil || r.Applied {
					t.Errorf("%+v, %v", r, err)
				}
				s.Elect("fep2", 2)
				s.start("fep1")
				s.runs(want, nodes...)

				octets, digest = s.bundle(other)
				if r, err := s.members["fep2"].Apply(t.Context(), octets, false, "a test"); err != nil || !r.Applied || len(r.Behind) != 0 {
					t.Errorf("the next: %+v, %v", r, err)
				}
				s.runs(digest, nodes...)
			})
		}
	}
}

// places are where a rollout may be on its way to the group.
var places = map[string]func(*fsmpb.Command) bool{"the stage": atStage, "the files": atPart, "the commit": atCommit}
