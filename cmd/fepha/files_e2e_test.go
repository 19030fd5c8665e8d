package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
	"github.com/fepha/fepha/iec104/filetransfer/filetransfertest"
	"github.com/fepha/fepha/sim"
)

// A disturbance record of 200 kB goes from the device to the control centre and to a person, although its owner is killed while it is
// fetched: the other FEP fetches it from the device, once. The killed one, when it's back, has it from there.
func TestFilesThroughTheStation(t *testing.T) {
	s, ctx := newStation(t, rig.Options{
		Mode: "exclusive", NoCentre: true, UplinkSettings: "files: [{rtu: 1}]\n",
		RTUs: []rig.RTU{{Number: 1, Name: "relay", CommonAddress: 1, Settings: "files: true\n", Points: []sim.DevicePoint{{Address: 1, Type: asdu.M_SP_TB_1}}}},
	})
	relay := s.Devices[0]
	record := sim.DisturbanceRecord(200_000)
	s.Simulate(func(ctx context.Context) { relay.Emit(ctx, 20, 1) })
	if err := relay.AddFile(sim.DeviceFile{Address: 30001, Name: asdu.DisturbanceData, Time: time.Now(), Content: record}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owner has called the file", func() bool { return relay.FilesOpened() == 1 })
	if err := s.Kill("fep1"); err != nil {
		t.Fatal(err)
	}
	has := func(node string) bool {
		c := client.Client{Base: s.Node(node).API}
		list, err := c.Files(ctx, 1)
		return err == nil && len(list.Files) == 1 && list.Files[0].Length == 200_000
	}
	eventually(t, "fep2 has the file", func() bool { return has("fep2") })

	// To the control centre.
	reader := &filetransfer.Reader{Profile: asdu.DefaultProfile, CommonAddress: 100, Timeout: 20 * time.Second}
	var centre *iec104.Client
	eventually(t, "a link to fep2", func() bool {
		c, err := iec104.Dial(ctx, iec104.ClientConfig{Address: s.Uplinks()[1], Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
			if a.Type.IsFile() {
				reader.Receive(a)
			}
		}})
		if err != nil {
			return false
		}
		if c.StartDT(ctx) != nil {
			c.Close()
			return false
		}
		centre = c
		return true
	})
	defer centre.Close()
	reader.Send = centre.Send
	list, err := reader.Directory(ctx)
	if err != nil || len(list) != 1 || list[0].Address != 30001 || list[0].Name != asdu.DisturbanceData || list[0].Length != 200_000 {
		t.Fatalf("the control centre's directory: %+v, %v", list, err)
	}
	var got filetransfertest.Memory
	if err := reader.Fetch(ctx, filetransfer.NewFetch(filetransfer.KeyOf(list[0]), asdu.MaxFile, &got)); err != nil || !bytes.Equal(got.Bytes(), record) {
		t.Errorf("the control centre has %d octets, %v", got.Len(), err)
	}

	// To a person, who asks the witness.
	file := filepath.Join(t.TempDir(), "record.dat")
	out, _ := fepha(t, cli.ExitDone, "rtu", "files", "1", "get", "30001.2", "-o", file, "--addr="+s.Node("wit").API)
	if content, err := os.ReadFile(file); err != nil || !bytes.Equal(content, record) {
		t.Errorf("%s: %d octets, %v", out, len(content), err)
	}

	if err := s.Start("fep1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "fep1 has the file", func() bool { return has("fep1") })
	if n := relay.FilesOpened(); n != 2 {
		t.Errorf("the device's file was opened %d times, expected once by each owner", n)
	}
}
