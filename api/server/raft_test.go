package server

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/replica"
)

func TestChangesOfTheGroup(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	for _, call := range []func() (api.Done, error){
		func() (api.Done, error) { return s.Transfer(ctx, "") },
		func() (api.Done, error) { return s.Transfer(ctx, "fep2") },
		func() (api.Done, error) { return s.AddPeer(ctx, "fep2", "10.0.0.9:7300") },
		func() (api.Done, error) { return s.RemovePeer(ctx, "fep2", false) },
		func() (api.Done, error) { return s.TakeSnapshot(ctx) },
	} {
		if d, err := call(); err != nil || !d.Done {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if want := []string{"transfer ", "transfer fep2", "add fep2 10.0.0.9:7300", "remove fep2", "snapshot"}; !slices.Equal(s.node.asked, want) {
		t.Errorf("asked %q, want %q", s.node.asked, want)
	}
	s.refuses(t, 404, api.CodeNotFound, "nobody", "POST", "/v1/raft/transfer", `{"id":"nobody"}`)
	s.refuses(t, 400, api.CodeInvalid, "address", "POST", "/v1/raft/transfer", `{"id":"fep2","address":"x:1"}`)
	s.refuses(t, 400, api.CodeInvalid, "address", "POST", "/v1/raft/add", `{"id":"fep2"}`)
	s.refuses(t, 400, api.CodeInvalid, "id", "POST", "/v1/raft/remove", `{}`)
	peers, err := s.Peers(ctx)
	if err != nil || len(peers) != 3 || peers[1].ID != "fep2" || peers[1].Address != "10.0.0.2:7300" || peers[1].API != "10.0.0.2:7310" || !peers[1].Voter {
		t.Errorf("%+v, %v", peers, err)
	}
	s.node.EditInfo(func(i *replica.Info) {
		i.Peers[1].Digest = "abcd"
		i.Peers[1].Vitals = &replica.Vitals{
			Memory: 48 << 20, CPU: 12, Fsync: 1500 * time.Microsecond, DiskFree: 3 << 30, DiskSize: 4 << 30,
			CertificateEnds: time.UnixMilli(1800000000000), ClockKnown: true, Reaches: []string{"fep1"}, Misses: []string{"wit"},
		}
	})
	if peers, err = s.Peers(ctx); err != nil || peers[1].Digest != "abcd" || peers[0].Vitals != nil {
		t.Errorf("%+v, %v", peers, err)
	} else if v := peers[1].Vitals; v == nil || v.Memory != 48<<20 || v.CPU != 12 || v.FsyncUs != 1500 || v.CertificateEndsMs != 1800000000000 ||
		v.ClockSynchronised == nil || *v.ClockSynchronised || !slices.Equal(v.Misses, []string{"wit"}) {
		t.Errorf("vitals: %+v", v)
	}
	r, err := s.Raft(ctx)
	if err != nil || r.Leader != "fep1" || r.Term != 3 || r.LeaseLeftMs != 400 || len(r.Peers) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What was downloaded from one node can be restored on the leader, whole or not
// at all.
func TestSnapshotAndRestore(t *testing.T) {
	from, to := serve(t), serve(t)
	from.node.emit(2, 100)
	var snapshot bytes.Buffer
	if err := from.Snapshot(t.Context(), &snapshot); err != nil {
		t.Fatal(err)
	}
	before := to.node.content()
	if _, err := to.Restore(t.Context(), bytes.NewReader(snapshot.Bytes()[:snapshot.Len()-10])); !isCode(err, api.CodeInvalid) {
		t.Errorf("one that was cut short: %v", err)
	}
	if _, err := to.Restore(t.Context(), strings.NewReader("no snapshot")); !isCode(err, api.CodeInvalid) {
		t.Errorf("something else: %v", err)
	}
	if to.node.content() != before {
		t.Fatal("a bad snapshot changed the state")
	}
	if d, err := to.Restore(t.Context(), &snapshot); err != nil || !d.Done {
		t.Fatalf("%+v, %v", d, err)
	}
	if to.node.content() != from.node.content() {
		t.Error("another state")
	}
}

func TestRestoreIsForTheLeader(t *testing.T) {
	s := serve(t)
	s.node.EditInfo(func(i *replica.Info) { i.Leader = "fep2" })
	if _, err := s.Restore(t.Context(), strings.NewReader("")); !isCode(err, api.CodeConflict) || !strings.Contains(err.Error(), "fep2") {
		t.Errorf("on a follower: %v", err)
	}
	s.node.EditInfo(func(i *replica.Info) { i.Leader = "" })
	if _, err := s.Restore(t.Context(), strings.NewReader("")); !isCode(err, api.CodeNoLeader) {
		t.Errorf("without a leader: %v", err)
	}
}

func isCode(err error, code api.Code) bool {
	e, ok := errors.AsType[*api.Error](err)
	return ok && e.Code == code
}
