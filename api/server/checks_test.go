package server

import (
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// emitPoint has the device send a value of a point, as the next batch of RTU 1.
func (n *fakeNode) emitPoint(t *testing.T, kind fsmpb.Kind, point uint32, v float64) (seq uint64) {
	t.Helper()
	var batch uint64
	n.View(func(s *fsm.State) {
		r, _ := s.Resource("rtu/1")
		batch = r.LastBatch + 1
	})
	typeID := map[fsmpb.Kind]uint32{fsmpb.Kind_DI: 30, fsmpb.Kind_AI: 36}[kind]
	n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: batch, Items: []*fsmpb.Item{
		{Kind: kind, Point: point, Type: typeID, Value: v, TimeMs: 1700000001000},
	}}}})
	n.View(func(s *fsm.State) { seq = s.JournalLast() })
	return seq
}

// acknowledge has the control centre acknowledge all events up to seq.
func (n *fakeNode) acknowledge(seq uint64) {
	n.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Cursor{Cursor: &fsmpb.Cursor{Resource: "uplink/occ/main", Epoch: 1, Seq: seq}}})
}

func TestChecks(t *testing.T) {
	s := serve(t, withPoints)
	wg := s.node.device(func(*fsmpb.ControlSubmit) (bool, string) { return true, "" })
	defer wg.Wait()
	s.refuses(t, 400, api.CodeInvalid, "occ/main", "POST", "/v1/checks/1", `{}`) // the station has several groups
	k, err := s.StartCheck(t.Context(), 1, api.CheckStart{Uplink: "occ", Group: "main"})
	if err != nil || k.Points != 5 || k.Done != 0 || k.Uplink != "occ" || k.Group != "main" || k.By != "api:local" || k.Name != "110 kV incomer" {
		t.Fatalf("started: %+v, %v", k, err)
	}
	seq := s.node.emitPoint(t, fsmpb.Kind_DI, 17, 0)
	item := func(kind string, point uint32) api.CheckItem {
		t.Helper()
		k, err := s.Check(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range k.Items {
			if i.Kind == kind && i.Point == point {
				return i
			}
		}
		t.Fatalf("no %s/%d in %+v", kind, point, k)
		return api.CheckItem{}
	}
	if i := item("di", 17); i.State != api.CheckSeen || i.IOA != 1017 || len(i.Samples) != 1 || i.Samples[0].ValueText != "off" || i.Samples[0].Seq != seq {
		t.Errorf("seen: %+v", i)
	}
	s.node.acknowledge(seq)
	if i := item("di", 17); i.State != api.CheckDone || i.Samples[0].AckedMs == 0 {
		t.Errorf("acknowledged: %+v", i)
	}
	if c, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", Select: true}); err != nil || !c.OK {
		t.Fatal(c, err)
	}
	if i := item("do", 2); i.State != api.CheckDone || i.Samples[0].ValueText != "on" || i.Samples[0].Origin != "api:local" {
		t.Errorf("operated: %+v", i)
	}
	if _, err = s.Tick(t.Context(), 1, api.CheckTick{Kind: "ai", Point: 3, OK: true, Remark: "read 110.5 kV"}); err != nil || item("ai", 3).State != api.CheckByHand {
		t.Errorf("ticked: %+v, %v", item("ai", 3), err)
	}
	if k, err = s.Tick(t.Context(), 1, api.CheckTick{Kind: "di", Point: 99, Remark: "no wire"}); err != nil || item("di", 99).State != api.CheckFailed || k.Done != 3 || k.Failed != 1 {
		t.Errorf("failed: %+v, %v", k, err)
	}
	list, err := s.Checks(t.Context())
	if err != nil || len(list) != 1 || list[0].Done != 3 || list[0].Items != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.EndCheck(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 409, api.CodeConflict, "it has ended", "POST", "/v1/checks/1/tick", `{"kind":"di","point":17,"ok":true,"remark":"x"}`)
	if err := s.EndCheck(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	s.refuses(t, 404, api.CodeNotFound, "there is no check of RTU 1", "GET", "/v1/checks/1", "")
	s.refuses(t, 404, api.CodeNotFound, "no RTU 8", "POST", "/v1/checks/8", `{"uplink":"occ","group":"main"}`)
	s.refuses(t, 404, api.CodeNotFound, "uplink/no/such", "POST", "/v1/checks/1", `{"uplink":"no","group":"such"}`)
}

func TestCompare(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.UplinkTable = func(name string) ([]UplinkRow, bool) {
			return []UplinkRow{{Key: fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: 17}, IOA: 1017, Type: 30}, {Key: fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 3}, IOA: 2003, Name: "U", Type: 36}}, name == "occ"
		}
	})
	r, err := s.Compare(t.Context(), "occ", []byte("ioa,name\n1017,Incomer 101 breaker\n2003,Voltage\n2004,Current\n"))
	if err != nil || r.Same != 1 || len(r.Differences) != 2 || !r.Differences[0].Name || r.Differences[0].Here.Name != "U" || r.Differences[1].Here != nil || r.Differences[1].There.Line != 4 {
		t.Errorf("%+v, %v", r, err)
	}
	// Two sectors may have the same object address. A list without common addresses is the first one's.
	s = serve(t, func(c *Config) {
		c.CommonAddresses = func(string) []uint16 { return []uint16{100, 101} }
		c.UplinkTable = func(name string) ([]UplinkRow, bool) {
			return []UplinkRow{{Key: fsm.PointKey{RTU: 1, Kind: fsm.DI, Point: 17}, CommonAddress: 100, IOA: 1}, {Key: fsm.PointKey{RTU: 1, Kind: fsm.AI, Point: 3}, CommonAddress: 101, IOA: 1}}, name == "occ"
		}
	})
	for list, want := range map[string]int{"ioa,ca\n1,100\n1,101\n": 0, "ioa,公共地址\n1,\n1,101\n": 0, "ioa\n1\n": 1, "ioa,ca\n1,100\n1,102\n": 2} {
		r, err := s.Compare(t.Context(), "occ", []byte(list))
		if err != nil || len(r.Differences) != want || want > 0 && r.Differences[0].CommonAddress != 101 {
			t.Errorf("%q: %+v, %v", list, r, err)
		}
	}
	s.refuses(t, 400, api.CodeInvalid, "line 2: common_address", "POST", "/v1/uplinks/occ/compare", "ioa,ca\n1,x\n")
	s.refuses(t, 400, api.CodeInvalid, "line 2: ioa", "POST", "/v1/uplinks/occ/compare", "ioa\nx\n")
	s.refuses(t, 404, api.CodeNotFound, `no uplink "other"`, "POST", "/v1/uplinks/other/compare", "ioa\n1\n")
}
