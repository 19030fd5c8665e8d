package server

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// A FEP lists the copies that it has, and gives their content, of which the audit tells; the witness has none.
func TestFiles(t *testing.T) {
	store, err := filestore.Open(t.TempDir(), filestore.MaxTotal, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	draft, err := store.Create()
	if err == nil {
		_, err = draft.Write([]byte("record"))
	}
	if err == nil {
		err = draft.Commit(filestore.Info{
			ID: filestore.ID{RTU: 1, Key: filetransfer.Key{Address: 30001, Name: 2}}, FetchedMs: 1700000000123, Node: "fep2",
			Time: asdu.CP56Time2a{0xe8, 3, 0x1e, 0x0c, 5, 7, 0x1a}.Uint64(),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(c *Config) { c.Files = store })
	list, err := s.Files(t.Context(), 1)
	if err != nil || len(list.Files) != 1 || list.Node != "fep1" {
		t.Fatalf("%+v, %v", list, err)
	}
	f := list.Files[0]
	if f.Name != "30001.2" || f.Length != 6 || f.Time != "2026-07-05 12:30:01.000" || f.FetchedMs != 1700000000123 || f.Node != "fep2" || len(f.SHA256) != 64 {
		t.Errorf("%+v", f)
	}
	var got bytes.Buffer
	if n, err := s.File(t.Context(), 1, "30001.2", &got); err != nil || n != 6 || got.String() != "record" {
		t.Errorf("%q, %v", got.String(), err)
	}
	if page, err := s.NewestAudit(t.Context(), 1); err != nil || len(page.Entries) != 1 ||
		!strings.Contains(page.Entries[0].Text, "read a device's file") || !strings.Contains(page.Entries[0].Content, "/v1/rtus/1/files/30001.2") {
		t.Errorf("the audit says %+v, %v", page, err)
	}
	if list, err := s.Files(t.Context(), 2); err != nil || len(list.Files) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	s.refuses(t, 404, api.CodeNotFound, "RTU 99", "GET", "/v1/rtus/99/files", "")
	s.refuses(t, 404, api.CodeNotFound, "no such file here", "GET", "/v1/rtus/1/files/30002.2", "")
	s.refuses(t, 400, api.CodeInvalid, "such as 30001.2", "GET", "/v1/rtus/1/files/..%2Fx", "")
	s.refuses(t, 400, api.CodeInvalid, "", "GET", "/v1/rtus/1/files?x=1", "")
	serve(t).refuses(t, 404, api.CodeNotFound, "ask a FEP", "GET", "/v1/rtus/1/files", "")
}
