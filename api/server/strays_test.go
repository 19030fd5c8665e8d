package server

import (
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm/fsmpb"
)

func TestStrays(t *testing.T) {
	s := serve(t)
	if l, err := s.Strays(t.Context(), 1, 10); err != nil || l.Total != 0 || len(l.Strays) != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Strays != 0 || rtu.LastStray != nil {
		t.Fatalf("%+v, %v", rtu, err)
	}
	r := s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 2, StraysOmitted: 7, Strays: []*fsmpb.Stray{
		{TimeMs: 1700000000123, Reason: "M_SP_NA_1, spontaneous: no object", Asdu: []byte{1, 0, 3, 0, 1, 0}},
		{TimeMs: 1700000000124, Reason: "M_SP_NA_1, cause 0: no cause of data", Asdu: []byte{1, 1, 0, 0, 1, 0}},
	}}}})
	if r.Code != fsmpb.Result_OK {
		t.Fatal(r.Message)
	}
	last := api.Stray{Number: 2, TimeMs: 1700000000124, Reason: "M_SP_NA_1, cause 0: no cause of data", ASDU: "010100000100"}
	l, err := s.Strays(t.Context(), 1, 10)
	if err != nil || l.Total != 9 || len(l.Strays) != 2 || l.Strays[0] != last || l.Strays[1].ASDU != "010003000100" {
		t.Errorf("%+v, %v", l, err)
	}
	if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Strays != 9 || rtu.LastStray == nil || *rtu.LastStray != last {
		t.Errorf("%+v, %v", rtu, err)
	}
	s.refuses(t, 404, api.CodeNotFound, "RTU 99", "GET", "/v1/rtus/99/strays", "")
	s.refuses(t, 400, api.CodeInvalid, "at most 1000", "GET", "/v1/rtus/1/strays?limit=1001", "")
}
