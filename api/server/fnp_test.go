package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// fakeFNP is a centre with a table in memory.
type fakeFNP struct {
	mu    sync.Mutex
	table *chantable.Table
	sent  []api.FNPMessage
	fails error
	kept  []api.FNPReceived
}

func newFakeFNP(stations int) *fakeFNP {
	f := &fakeFNP{table: chantable.New()}
	f.table.Renew(0xabc)
	for i := range stations {
		f.table.Register(chantable.Claim{
			ID: chantable.ID(1001 + i), Name: fmt.Sprintf("station %d", i+1), Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}), 7401), Instance: 1,
		}, time.Now().Add(-time.Hour).UnixMilli())
	}
	return f
}

func (f *fakeFNP) Status() api.FNPStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return api.FNPStatus{
		Centre: api.FNPCentre{ID: 900, Name: "pair", Level: 1, Table: "abc", Version: f.table.Version(), Stations: f.table.Len(), Online: f.table.Len(),
			Addresses: map[string]string{"fep1": "10.0.0.1:7400"}, Counters: map[string]uint64{"malformed": 1, "wrong_key": 2, "replayed": 0}},
		Endpoint: &api.FNPEndpoint{ID: 901, Name: "pair", Addresses: map[string]string{"fep1": "10.0.0.1:7401", "fep2": "10.0.0.2:7401"}},
	}
}

func (f *fakeFNP) Table() (table, version uint64, stations []chantable.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.table.All() {
		stations = append(stations, e)
	}
	return f.table.ID(), f.table.Version(), stations
}

func (f *fakeFNP) Send(_ context.Context, m api.FNPMessage) (api.FNPSent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, m)
	return api.FNPSent{To: m.To, CN: 1, Octets: len(m.Data), Ms: 2}, f.fails
}

func (f *fakeFNP) SetOffline(_ context.Context, id chantable.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.Leave(id, 0, 0, time.Now().UnixMilli())
	return f.fails
}

func (f *fakeFNP) Received(after uint64, limit int) []api.FNPReceived {
	list := []api.FNPReceived{}
	for _, r := range f.kept {
		if r.Number > after && len(list) < limit {
			list = append(list, r)
		}
	}
	return list
}

// serveFNP starts a server of a station whose FEP 2 owns the endpoint.
func serveFNP(t *testing.T, f *fakeFNP) served {
	t.Helper()
	s := serve(t, func(c *Config) { c.FNP = f })
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Digest: "with FNP", Nodes: stationConfig.Nodes, Rtus: stationConfig.Rtus, Groups: stationConfig.Groups, Fnp: true,
	}}})
	s.node.apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: "fnp", Owner: "fep2", Reason: "start"}}})
	return s
}

func TestFNPStatusAndTable(t *testing.T) {
	f := newFakeFNP(5)
	s := serveFNP(t, f)
	st, err := s.FNP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e := st.Endpoint; e.Owner != "fep2" || e.Epoch != 1 || e.Address != "10.0.0.2:7401" || e.API != "10.0.0.2:7310" || st.Node != "fep1" || st.Centre.Leader != "fep1" {
		t.Errorf("%+v, endpoint %+v", st, e)
	}

	f.table.Register(chantable.Claim{ID: 1002, Name: "twin", Address: netip.MustParseAddrPort("10.9.9.9:7401"), Instance: 2}, time.Now().UnixMilli())
	var all []api.FNPEntry
	for after := uint16(0); ; {
		page, err := s.FNPTable(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Stations...)
		if after = page.Next; after == 0 {
			break
		}
	}
	if len(all) != 5 || all[4].CN != 5 || all[4].ID != 1005 || all[4].Addr != "10.1.0.5" || all[4].Port != 7401 || !all[4].Online || all[4].Time < 3600 || all[4].Time > 3700 {
		t.Errorf("%+v", all)
	}
	e, err := s.FNPEntry(t.Context(), 1002)
	if err != nil || !e.Contested || e.Rival == nil || e.Rival.Name != "twin" || e.Rival.Addr != "10.9.9.9" {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err = s.FNPLeave(t.Context(), 1003); err != nil || e.Online {
		t.Errorf("left: %+v, %v", e, err)
	}
}

func TestFNPData(t *testing.T) {
	f := newFakeFNP(1)
	f.kept = []api.FNPReceived{{Number: 1, From: 7, Data: []byte("old")}, {Number: 2, From: 7, Data: []byte("\x00new")}}
	s := serveFNP(t, f)
	sent, err := s.FNPSend(t.Context(), api.FNPMessage{To: 1001, Data: []byte("\x00\xff"), InOrder: true})
	if err != nil || sent.Octets != 2 {
		t.Errorf("%+v, %v", sent, err)
	}
	if _, err := s.FNPSend(t.Context(), api.FNPMessage{CN: 1, Text: "hello"}); err != nil {
		t.Error(err)
	}
	if len(f.sent) != 2 || !f.sent[0].InOrder || string(f.sent[0].Data) != "\x00\xff" || string(f.sent[1].Data) != "hello" {
		t.Errorf("%+v", f.sent)
	}
	m, err := s.FNPMessages(t.Context(), 1, 10)
	if err != nil || len(m.Messages) != 1 || string(m.Messages[0].Data) != "\x00new" || m.Node != "fep1" {
		t.Errorf("%+v, %v", m, err)
	}
	f.fails = &api.Error{Status: 504, Code: api.CodePeerOff, Message: "station 1001: not acknowledged"}
	var e *api.Error
	if _, err := s.FNPSend(t.Context(), api.FNPMessage{To: 1001}); !errors.As(err, &e) || e.Code != api.CodePeerOff || e.Status != 504 {
		t.Errorf("%v", err)
	}
	f.fails = fmt.Errorf("change the table: %w", replica.ErrNoLeader)
	if _, err := s.FNPLeave(t.Context(), 1001); !errors.As(err, &e) || e.Code != api.CodeNoLeader {
		t.Errorf("%v", err)
	}
}

func TestFNPRequestsThatAreRefused(t *testing.T) {
	s := serveFNP(t, newFakeFNP(1))
	for _, tc := range []struct {
		method, path, body string
		status             int
		code               api.Code
		says               string
	}{
		{"GET", "/v1/fnp/table/77", "", 404, api.CodeNotFound, "no station 77"},
		{"GET", "/v1/fnp/table/0", "", 400, api.CodeInvalid, "expected 1 to 9007199254740991"},
		{"GET", "/v1/fnp/table/pump", "", 400, api.CodeInvalid, `"pump"`},
		{"GET", "/v1/fnp/table?after=65536", "", 400, api.CodeInvalid, "at most 65535"},
		{"GET", "/v1/fnp/table?id=1", "", 400, api.CodeInvalid, "id: unknown"},
		{"GET", "/v1/fnp/send", "", 405, api.CodeInvalid, "POST"},
		{"POST", "/v1/fnp/send", `{"text":"x"}`, 400, api.CodeInvalid, "either to, a station's id, or cn"},
		{"POST", "/v1/fnp/send", `{"to":1,"cn":1,"text":"x"}`, 400, api.CodeInvalid, "either to, a station's id, or cn"},
		{"POST", "/v1/fnp/send", `{"to":9007199254740992,"text":"x"}`, 400, api.CodeInvalid, "expected 1 to 9007199254740991"},
		{"POST", "/v1/fnp/send", `{"to":1,"text":"x","data":"eA=="}`, 400, api.CodeInvalid, "either data or text"},
		{"POST", "/v1/fnp/send", `{"to":1,"data":"%%"}`, 400, api.CodeInvalid, "body"},
		{"POST", "/v1/fnp/send", `{"to":1,"text":"` + strings.Repeat("x", 65537) + `"}`, 400, api.CodeInvalid, "65537 octets: expected at most 65536"},
		{"POST", "/v1/fnp/send", `{"to":1,"text":"x","timeout_ms":120001}`, 400, api.CodeInvalid, "expected 1 to 120000"},
		{"POST", "/v1/fnp/table/1001/leave", `{"to":1}`, 400, api.CodeInvalid, `"to"`},
		{"GET", "/v1/fnp/messages?limit=x", "", 400, api.CodeInvalid, "limit"},
	} {
		s.refuses(t, tc.status, tc.code, tc.says, tc.method, tc.path, tc.body)
	}
	without := serve(t)
	for _, path := range []string{"/v1/fnp", "/v1/fnp/table", "/v1/fnp/table/1", "/v1/fnp/messages"} {
		without.refuses(t, 404, api.CodeNotFound, "this station has no FNP", "GET", path, "")
	}
	without.refuses(t, 404, api.CodeNotFound, "this station has no FNP", "POST", "/v1/fnp/send", "{}")
	without.refuses(t, 404, api.CodeNotFound, "this station has no FNP", "POST", "/v1/fnp/table/1/leave", "{}")
}

func TestPageShowsFNP(t *testing.T) {
	ctx := browser(t)
	f := newFakeFNP(3)
	s := serveFNP(t, f)
	do(t, ctx, "open", chromedp.Navigate(s.Base+"/#/fnp"))
	sees(t, ctx, "#fnp-table", "station 3")
	sees(t, ctx, "#fnp-state", "The endpoint 901 is on fep2 at 10.0.0.2:7401")
	sees(t, ctx, "#fnp-state", "wrong key 2")
	f.mu.Lock()
	f.table.Register(chantable.Claim{ID: 1002, Name: "twin", Address: netip.MustParseAddrPort("10.9.9.9:7401"), Instance: 2}, time.Now().UnixMilli())
	f.table.Leave(1003, 0, 0, time.Now().UnixMilli())
	f.mu.Unlock()
	sees(t, ctx, "#fnp-table", "twin at 10.9.9.9:7401 claims this id")
	sees(t, ctx, "#fnp-table", "OFFLINE")
	screenshot(t, ctx, "fnp")
}
