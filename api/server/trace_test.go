package server

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/internal/testneeds"
)

var errEnough = errors.New("enough")

var startAct = []byte{0x68, 4, 7, 0, 0, 0}

func TestTrace(t *testing.T) {
	s := serve(t)
	tracer := s.cfg.Tracer
	at := time.UnixMilli(1700000000123)
	explain := func(b []byte) string { return fmt.Sprintf("%d octets", len(b)) }
	first := tracer.Open("rtu/1", trace.Link{Name: "1/1", Explain: explain})
	second := tracer.Open("rtu/1", trace.Link{Name: "1/2"})
	first(at.Add(-time.Second), false, []byte{7}) // nobody has asked for it
	go func() {
		within(t, "somebody who watches", func() bool { return s.streams.Open() > 0 })
		tracer.Open("rtu/2", trace.Link{Name: "other"})(at, true, startAct)
		octets := slices.Clone(startAct)
		first(at, true, octets)
		clear(octets) // they may be used during the call only
		second(at.Add(time.Millisecond), false, []byte{1})
	}()
	var lines []api.TraceLine
	err := s.Trace(t.Context(), "rtu/1", 0, func(l api.TraceLine) error {
		if lines = append(lines, l); len(lines) == 2 {
			return errEnough
		}
		return nil
	})
	want := []api.TraceLine{
		{TimeMs: 1700000000123, Link: "1/1", Direction: "sent", Text: "6 octets", Octets: "680407000000"},
		{TimeMs: 1700000000124, Link: "1/2", Direction: "received", Octets: "01"},
	}
	if !errors.Is(err, errEnough) || !slices.Equal(lines, want) {
		t.Errorf("%v: %+v, want %+v", err, lines, want)
	}
	within(t, "the end of watching", func() bool { return s.streams.Open() == 0 })
	s.refuses(t, 404, api.CodeNotFound, "rtu/99", "GET", "/v1/trace/rtu/99", "")
	s.refuses(t, 404, api.CodeNotFound, "uplink/occ/none", "GET", "/v1/trace/uplink/occ/none", "")
	s.refuses(t, 400, api.CodeInvalid, "last", "GET", "/v1/trace/rtu/1?last=100000", "")
}

// What was before the fault is told first, and nothing of it twice.
func TestTraceBeginsWithWhatIsKept(t *testing.T) {
	s := serve(t)
	at := time.UnixMilli(1700000000000)
	show := s.cfg.Tracer.Open("rtu/1", trace.Link{Name: "1/1"})
	for i := range 5 {
		show(at.Add(time.Duration(i)*time.Millisecond), false, []byte{byte(i)})
	}
	var got []string
	err := s.Trace(t.Context(), "rtu/1", 3, func(l api.TraceLine) error {
		if got = append(got, l.Octets); len(got) == 3 {
			show(at.Add(time.Second), false, []byte{9})
		}
		if len(got) == 4 {
			return errEnough
		}
		return nil
	})
	if want := []string{"02", "03", "04", "09"}; !errors.Is(err, errEnough) || !slices.Equal(got, want) {
		t.Errorf("%v: %v, want %v", err, got, want)
	}
}

func TestTraceOnANodeWithoutLinks(t *testing.T) {
	s := serve(t, func(c *Config) { c.Tracer = nil })
	s.refuses(t, 404, api.CodeNotFound, "no links", "GET", "/v1/trace/rtu/1", "")
}

// What is kept can be opened with Wireshark: tshark decodes it.
func TestCapture(t *testing.T) {
	tshark := testneeds.Program(t, "tshark")
	s := serve(t)
	at := time.UnixMilli(1700000000123)
	for _, address := range []string{"192.168.1.1:2404", "[fd00::1]:2404"} {
		show := s.cfg.Tracer.Open("rtu/1", trace.Link{Name: address, Remote: netip.MustParseAddrPort(address)})
		show(at, true, startAct)
		show(at.Add(time.Millisecond), false, []byte{0x68, 4, 0x0b, 0, 0, 0})
		show(at.Add(2*time.Millisecond), true, []byte{0x68, 0x0e, 0, 0, 0, 0, 0x64, 1, 6, 0, 1, 0, 0, 0, 0, 0x14})
	}
	resp, file := s.request(t, "GET", "/v1/trace/rtu/1/capture", "")
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, file)
	}
	name := filepath.Join(t.TempDir(), "frames.pcapng")
	if err := os.WriteFile(name, []byte(file), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-r", name, "-T", "fields", "-e", "frame.time_epoch", "-e", "iec60870_104.utype", "-e", "iec60870_asdu.typeid").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for _, want := range []string{"1700000000.123000000\t0x00000001\t", "1700000000.124000000\t0x00000002\t", "1700000000.125000000\t\t100"} {
		if n := strings.Count(string(out), want); n != 2 {
			t.Errorf("tshark finds %q %d times, want it over IPv4 and IPv6:\n%s", want, n, out)
		}
	}
}
