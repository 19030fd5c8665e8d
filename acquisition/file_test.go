package acquisition

import (
	"bytes"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/fepha/fepha/filestore"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// drawer has one file.
type drawer struct {
	content []byte
	made    asdu.CP56Time2a
}

var drawerKey = filetransfer.Key{Address: 30001, Name: asdu.DisturbanceData}

func (d drawer) Directory(asdu.CommonAddress) ([]asdu.DirectoryEntry, bool) {
	return []asdu.DirectoryEntry{{Address: 30001, Name: asdu.DisturbanceData, Length: uint32(len(d.content)), Time: d.made}}, true
}

func (d drawer) Open(_ asdu.CommonAddress, k filetransfer.Key) (filetransfer.File, bool) {
	return filetransfer.File{Content: bytes.NewReader(d.content), Length: uint32(len(d.content))}, k == drawerKey
}

// The owner fetches the device's file while events go on, each acknowledged; it dies, and its successor, which has nothing of it,
// fetches it from the beginning: once whole on each that was owner long enough. The other FEP sends nothing.
func TestFilesAreFetchedByTheOwner(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := hold(testRTU(1, channel("a:1")))
		r.Files = true
		b := newBench(t, r)
		b.stores = map[string]*filestore.Store{}
		for _, node := range []string{"fep1", "fep2"} {
			s, err := filestore.Open(t.TempDir(), filestore.MaxTotal, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			b.stores[node] = s
		}
		d := newDevice(t, b.net, quirks{}, "a:1")
		record := bytes.Repeat([]byte{1, 1, 2, 3, 5, 8, 13, 21}, 1<<17) // 16 s at the rate
		d.mu.Lock()
		d.files = &iec104.Station{CommonAddresses: []asdu.CommonAddress{1}, Files: drawer{record, asdu.NewCP56Time2a(time.Now(), time.UTC)}}
		d.mu.Unlock()
		b.start("fep1", "fep2")
		b.until(2*time.Second, "active", func() bool { return b.state("fep1", 1, 1) == fsm.LinkActive })
		stop := b.emit(d, 50*time.Millisecond)
		b.until(time.Minute, "called a section", func() bool { return d.got(asdu.F_SC_NA_1, asdu.FileTransfer) > 5 })
		b.Kill(t, "fep1")
		b.Assign(t, fsm.RTUResource(1), "fep2")
		b.until(time.Minute, "fetched", func() bool { return len(b.stores["fep2"].List(1)) == 1 })
		f, i, err := b.stores["fep2"].Open(filestore.ID{RTU: 1, Key: drawerKey})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, record) || len(i.Sections) != 64 || i.Node != "fep2" {
			t.Errorf("%d octets, %+v, %v", len(got), i, err)
		}
		n := stop()
		b.until(time.Minute, "all events acknowledged", func() bool { return d.queue.Len() == 0 })
		if got, _ := b.distinct(); got != n {
			t.Errorf("%d of %d events", got, n)
		}
		if len(b.stores["fep1"].List(0)) != 0 {
			t.Errorf("fep1 has %+v", b.stores["fep1"].List(0))
		}
		b.until(time.Hour, "nothing is fetched again", func() bool { return d.got(asdu.F_SC_NA_1, asdu.Request) > 3 })
		said := saidOfDevices(t)
		for typ := asdu.F_FR_NA_1; typ <= asdu.F_SC_NB_1; typ++ {
			if used := b.types[typ]; used != said[typ] {
				t.Errorf("%v: the sheet says %v, it is %v", typ, said[typ], used)
			}
		}
		if selected := count(d.received(), asdu.SelectFile); selected != 2 {
			t.Errorf("the file was selected %d times", selected)
		}
	})
}

// count counts requests of a kind.
func count(asked []asdu.ASDU, scq uint8) (n int) {
	for _, a := range asked {
		if f, err := a.File(); err == nil && a.Type == asdu.F_SC_NA_1 && f.Qualifier == scq {
			n++
		}
	}
	return n
}

// A device whose files nobody wants isn't asked; what it tells of them is a stray as before.
func TestFilesAreNotAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		d := newDevice(t, b.net, quirks{}, "a:1")
		b.start("fep1")
		packed, err := asdu.DefaultProfile.NewDirectories(asdu.Header{Cause: asdu.Spontaneous, CommonAddress: 1}, make([]asdu.DirectoryEntry, 1))
		if err != nil {
			t.Fatal(err)
		}
		d.push(packed[0])
		b.until(time.Minute, "stray", func() bool {
			n := uint64(0)
			b.View(func(s *fsm.State) { _, n = s.Strays(1, 1) })
			return n == 1
		})
		time.Sleep(time.Minute)
		if d.got(asdu.F_SC_NA_1, asdu.Request) != 0 || d.queue.Len() != 0 {
			t.Error("asked for its directory")
		}
	})
}
