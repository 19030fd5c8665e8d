package sim

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
	"github.com/fepha/fepha/iec104/filetransfer/filetransfertest"
)

// reader is a started link to a device, and what reads its files.
func reader(t *testing.T, d *Device) (*filetransfer.Reader, chan []asdu.DirectoryEntry) {
	t.Helper()
	told := make(chan []asdu.DirectoryEntry, 10)
	r := &filetransfer.Reader{Profile: asdu.DefaultProfile, CommonAddress: 7, Timeout: 20 * time.Second}
	c, err := iec104.Dial(t.Context(), iec104.ClientConfig{Address: d.Addresses()[0], Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
		if a.Type.IsFile() {
			if entries := r.Receive(a); entries != nil {
				told <- entries
			}
		}
	}})
	if err == nil {
		r.Send = c.Send
		err = c.StartDT(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return r, told
}

func TestFilesOfADevice(t *testing.T) {
	dir := t.TempDir()
	record := DisturbanceRecord(200_000)
	if err := os.WriteFile(filepath.Join(dir, "a.cfg"), []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.dat"), record, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := LoadFiles(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, told := reader(t, d)
	if e := <-told; len(e) != 1 || e[0].Address != firstFile {
		t.Errorf("told %+v", e)
	}
	list, err := r.Directory(t.Context())
	if err != nil || len(list) != 2 || list[1].Length != 200_000 || list[0].Status != 0 || list[1].Status != asdu.LastFile {
		t.Fatalf("%+v, %v", list, err)
	}
	var got filetransfertest.Memory
	f := filetransfer.NewFetch(filetransfer.KeyOf(list[1]), asdu.MaxFile, &got)
	paced := 0
	r.Pace = func(context.Context, uint32) error { paced++; return nil }
	if err := r.Fetch(t.Context(), f); err != nil || !bytes.Equal(got.Bytes(), record) || paced != 13 {
		t.Errorf("%v, %d octets, %d sections", err, got.Len(), paced)
	}
	// One that isn't there.
	if err := r.Fetch(t.Context(), filetransfer.NewFetch(filetransfer.Key{Address: 9, Name: 9}, 10, &got)); err == nil {
		t.Error("a file that isn't there was read")
	}
}

func TestADeviceWithoutFiles(t *testing.T) {
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, _ := reader(t, d)
	if list, err := r.Directory(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}
