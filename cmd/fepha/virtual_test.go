package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
)

// A FEP that dies shows in the virtual points, at the control centre too: the
// node's own, and what the owner sees of the RTU's channels.
func TestVirtualPointsTellOfADeadFEP(t *testing.T) {
	s, ctx := newStation(t, rig.Options{Mode: "main-standby"})
	e := edit(t, s)
	e.replace("station.yaml", "uplinks:\n", "virtual_points: virtual.csv\nuplinks:\n")
	e.replace("virtual.csv", "", "rtu,point,name,source\n900,1,FEP 1,node:fep1\n900,2,FEP 2,node:fep2\n900,3,RTU 1,rtu:1\n900,4,link,link:1:1:1\n")
	for point := range 4 {
		e.replace("occ.csv", "", fmt.Sprintf("%d,900,di,%d,M_SP_TB_1,\n", 9_900_001+point, point+1))
	}
	fepha(t, cli.ExitDone, "config", "apply", "--addr="+s.Node("wit").API, e.path)
	wait := func(what string, address asdu.InformationObjectAddress, want float64) time.Duration {
		t.Helper()
		began := time.Now()
		for {
			if v, ok := s.Centre.Value(address); ok && v == want {
				return time.Since(began)
			}
			if ctx.Err() != nil {
				v, ok := s.Centre.Value(address)
				t.Fatalf("%s: %v, %t at the control centre, want %v", what, v, ok, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	// A virtual point's first value is no event: it's told by the first interrogation after it.
	s.Centre.Drop()
	for point, what := range []string{"FEP 1", "FEP 2", "RTU 1", "its link"} {
		wait(what, 9_900_001+asdu.InformationObjectAddress(point), 1)
	}
	st, err := s.WaitFor(ctx, "all links", rig.Complete)
	if err != nil {
		t.Fatal(err)
	}
	owner := st.RTUs[0].Owner
	dead, other := asdu.InformationObjectAddress(9_900_001), asdu.InformationObjectAddress(9_900_002)
	if owner == "fep2" {
		dead, other = other, dead
	}
	if err := s.Kill(owner); err != nil {
		t.Fatal(err)
	}
	took := wait(owner+" is dead", dead, 0)
	t.Logf("%s killed: its virtual point was 0 at the control centre after %v", owner, took.Round(time.Millisecond))
	wait("the other lives", other, 1)
	if err := s.Start(owner); err != nil {
		t.Fatal(err)
	}
	wait(owner+" is back", dead, 1)
	wait("RTU 1", 9_900_003, 1)
}
