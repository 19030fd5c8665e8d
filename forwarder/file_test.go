package forwarder

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
	"github.com/fepha/fepha/iec104/filetransfer/filetransfertest"
)

// seen are the types of file transfer that centres were sent, and that were taken from them: not sent back as unknown.
type seen struct {
	mu    sync.Mutex
	types map[asdu.TypeID]bool
}

func (s *seen) note(t asdu.TypeID, used bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.types[t] = used
}

// reading is a started link to an uplink that reads files of a common address.
func reading(t *testing.T, address string, ca asdu.CommonAddress, used *seen) *filetransfer.Reader {
	t.Helper()
	r := &filetransfer.Reader{Profile: asdu.DefaultProfile, CommonAddress: ca, Timeout: 20 * time.Second}
	eventually(t, "started on "+address, func() bool {
		c, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: address, Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
			if a.Type.IsFile() {
				used.note(a.Type, !a.Negative)
				r.Receive(a)
			}
		}})
		if err != nil {
			return false
		}
		t.Cleanup(func() { c.Close() })
		r.Send = func(ctx context.Context, a asdu.ASDU) error {
			used.note(a.Type, true) // unless it's sent back
			return c.Send(ctx, a)
		}
		return c.StartDT(t.Context()) == nil
	})
	return r
}

// A control centre reads the copies of the RTUs that the uplink names, with the sections that their devices made; from other common
// addresses it's answered as before.
func TestFilesAreReadByCentres(t *testing.T) {
	store, err := filestore.Open(t.TempDir(), filestore.MaxTotal, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	record := bytes.Repeat([]byte("disturbance "), 5000)
	key := filetransfer.Key{Address: 30001, Name: asdu.DisturbanceData}
	made := asdu.NewCP56Time2a(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC), time.UTC)
	draft, err := store.Create()
	if err == nil {
		_, err = draft.Write(record)
	}
	if err == nil {
		err = draft.Commit(filestore.Info{ID: filestore.ID{RTU: 1, Key: key}, Sections: []uint32{50_000, 10_000}, Time: made.Uint64()})
	}
	if err != nil {
		t.Fatal(err)
	}
	shanghai := time.FixedZone("CST", 8*3600)
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	u := sectors()
	u.Mode, u.Location, u.Files = fsm.Exclusive, shanghai, map[asdu.CommonAddress]uint32{101: 1}
	f := c.startWith(t, "fep1", u, func(cfg *Config) { cfg.Files = store })
	used := &seen{types: map[asdu.TypeID]bool{}}
	r := reading(t, f.address, 101, used)
	list, err := r.Directory(t.Context())
	if err != nil || len(list) != 1 || list[0].Length != 60_000 || list[0].Time != made.In(time.UTC, shanghai) || filetransfer.KeyOf(list[0]) != key {
		t.Fatalf("%+v, %v", list, err)
	}
	var got filetransfertest.Memory
	fetch := filetransfer.NewFetch(key, asdu.MaxFile, &got)
	if err := r.Fetch(t.Context(), fetch); err != nil || !bytes.Equal(got.Bytes(), record) {
		t.Errorf("%v, %d octets", err, got.Len())
	}
	if s := fetch.Sections(); len(s) != 2 || s[0] != 50_000 {
		t.Errorf("sections %v", s)
	}
	query, err := asdu.DefaultProfile.NewFile(asdu.Header{Type: asdu.F_SC_NB_1, Cause: asdu.Request, CommonAddress: 101},
		asdu.File{Address: 30001, Name: asdu.DisturbanceData, To: asdu.NewCP56Time2a(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC)})
	if err == nil {
		err = r.Send(t.Context(), query)
	}
	if _, bad := r.Directory(t.Context()); err != nil || bad != nil { // it's answered after what was sent before
		t.Fatal(err, bad)
	}
	used.mu.Lock()
	for typ := asdu.F_FR_NA_1; typ <= asdu.F_SC_NB_1; typ++ {
		if !used.types[typ] {
			t.Errorf("%v: the sheet says that it's used", typ)
		}
	}
	used.mu.Unlock()
	r.CommonAddress = commonAddress
	if list, err := r.Directory(t.Context()); err == nil {
		t.Errorf("%+v", list)
	}
}

// Without the key all of file transfer is an unknown type; with it what would write still is.
func TestFilesAreRefused(t *testing.T) {
	for _, offered := range []bool{false, true} {
		store, err := filestore.Open(t.TempDir(), filestore.MaxTotal, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
		u := Uplink{Mode: fsm.Exclusive}
		if offered {
			u.Files = map[asdu.CommonAddress]uint32{commonAddress: 1}
		}
		cl := begin(t, c.startWith(t, "fep1", u, func(cfg *Config) { cfg.Files = store }).address)
		for typ := asdu.F_FR_NA_1; typ <= asdu.F_SC_NB_1; typ++ {
			h := asdu.Header{Type: typ, Cause: asdu.FileTransfer, CommonAddress: commonAddress}
			a, err := asdu.DefaultProfile.NewFile(h, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.DeleteFile})
			if typ == asdu.F_DR_TA_1 {
				var all []asdu.ASDU
				all, err = asdu.DefaultProfile.NewDirectories(h, make([]asdu.DirectoryEntry, 1))
				a = all[0]
			}
			if err == nil {
				err = cl.Send(t.Context(), a)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := asdu.UnknownType
			switch {
			case offered && typ == asdu.F_SC_NA_1:
				want = asdu.FileTransfer // a deletion, refused
			case offered && typ == asdu.F_SC_NB_1:
				want = asdu.UnknownObjectAddress
			case offered && typ == asdu.F_AF_NA_1:
				continue // of no transfer: not answered
			}
			eventually(t, typ.String()+" is answered", func() bool {
				for _, got := range cl.asdus() {
					if got.Type == typ && got.Negative && got.Cause == want {
						return true
					}
				}
				return false
			})
		}
	}
}
