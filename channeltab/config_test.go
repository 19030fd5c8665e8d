package channeltab

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/fsm/chantable"
)

func TestStationConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mutate func(*StationConfig)
		want   string
	}{
		{"no id", func(c *StationConfig) { c.ID = 0 }, "id out of range: 0"},
		{"bad name", func(c *StationConfig) { c.Name = "\n" }, "unprintable"},
		{"no keys", func(c *StationConfig) { c.Keys = nil }, "no key"},
		{"no way to a centre", func(c *StationConfig) { c.Centres = nil }, "neither a centre nor a multicast group"},
		{"a centre without port", func(c *StationConfig) { c.Centres = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:0")} }, "port 0"},
		{"an address that is none", func(c *StationConfig) { c.Advertise = netip.MustParseAddrPort("224.0.0.1:1") }, "not one host's"},
		{"no listen address", func(c *StationConfig) { c.Listen = netip.AddrPort{} }, "no listen address"},
		{"a group that is none", func(c *StationConfig) { c.Multicast.Group = netip.MustParseAddrPort("10.0.0.1:1") }, "multicast group 10.0.0.1:1, want an address"},
		{"a group of the other family", func(c *StationConfig) { c.Multicast.Group = netip.MustParseAddrPort("[ff02::1]:1") }, "both IPv4 or both IPv6"},
		{"the group's port", func(c *StationConfig) {
			c.Listen = netip.MustParseAddrPort("127.0.0.1:5000")
			c.Multicast.Group = netip.MustParseAddrPort("239.0.0.1:5000")
		}, "port 5000 is the multicast group's and the listen address's"},
		{"hops", func(c *StationConfig) {
			c.Multicast.Group = netip.MustParseAddrPort("239.0.0.1:5000")
			c.Multicast.Hops = 256
		}, "256 multicast hops, want 1 to 255"},
		{"no such interface", func(c *StationConfig) {
			c.Multicast.Group = netip.MustParseAddrPort("239.0.0.1:5000")
			c.Multicast.Interface = "nowhere0"
		}, "no such network interface"},
		{"a time out of range", func(c *StationConfig) { c.Timing.AckTimeout = time.Hour }, "AckTimeout is 1h0m0s, want 5ms to 1m0s"},
		{"a number out of range", func(c *StationConfig) { c.Timing.Resends = -1 }, "Resends is -1, want 1 to 1000"},
		{"times that do not fit", func(c *StationConfig) { c.Timing.Silence = 15 * time.Second }, "Silence is 15s, want at least twice RegisterEvery, 20s"},
		{"no directory for the file", func(c *StationConfig) { c.CopyFile = filepath.Join(t.TempDir(), "none", "copy") }, "save copy"},
	} {
		cfg := StationConfig{
			ID: 1, Name: "n", Listen: netip.MustParseAddrPort("127.0.0.1:0"), Keys: testKeys(),
			Centres: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
		}
		tt.mutate(&cfg)
		s, err := OpenStation(cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCentreConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mutate func(*CentreConfig)
		want   string
	}{
		{"no id", func(c *CentreConfig) { c.ID = 0 }, "centre id 0"},
		{"level 0", func(c *CentreConfig) { c.Level = 0 }, "level 0 is an ordinary station's"},
		{"a node without address", func(c *CentreConfig) { c.Node = "b" }, `no address and port for node "b"`},
		{"no registry", func(c *CentreConfig) { c.Registry = nil }, "no registry"},
		{"bad name", func(c *CentreConfig) { c.Name = strings.Repeat("x", 33) }, "33 octets"},
		{"no keys", func(c *CentreConfig) { c.Keys = nil }, "no key"},
		{"bad timing", func(c *CentreConfig) { c.Timing.Tick = time.Minute }, "Tick is 1m0s"},
		{"rate", func(c *CentreConfig) { c.Timing.MulticastRate = 9600 }, "MulticastRate is 9600, want 100000 to 1000000000"},
	} {
		cfg := CentreConfig{
			ID: 900, Level: 1, Node: "a", Nodes: map[string]netip.AddrPort{"a": netip.MustParseAddrPort("127.0.0.1:1")},
			Keys: testKeys(), Registry: channeltabtest.NewMemory().Node("a"),
		}
		tt.mutate(&cfg)
		_, err := OpenCentre(cfg)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCopyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	if s, err := load(path, 1); s != nil || err != nil {
		t.Fatalf("no file: %+v, %v", s, err)
	}
	table := chantable.New()
	table.Renew(5)
	table.Register(chantable.Claim{ID: 9, Address: stationAddress(9), Name: "nine", Instance: 1}, 1000)
	c := chantable.NewCopy()
	c.Follow(5)
	c.Take(table.Since(0, 0))
	kept := &saved{id: 1, instance: 2, epoch: 3, cn: 4, copy: c}
	if err := store(path, kept.encode()); err != nil {
		t.Fatal(err)
	}
	s, err := load(path, 1)
	if err != nil || s.instance != 2 || s.epoch != 3 || s.cn != 4 {
		t.Fatalf("%+v, %v", s, err)
	}
	if e, ok := s.copy.ByID(9); !ok || e.Name != "nine" || s.copy.Floor() != 1 {
		t.Errorf("the copy has %+v, floor %d", e, s.copy.Floor())
	}
	if _, err := load(path, 2); !errors.Is(err, ErrCopyFile) || !strings.Contains(err.Error(), "station 1's, not 2's") {
		t.Errorf("another station's file: %v", err)
	}
	b := kept.encode()
	for i := range b {
		damaged := append([]byte(nil), b...)
		damaged[i] ^= 0x40
		if _, err := decodeSaved(damaged); !errors.Is(err, ErrCopyFile) {
			t.Fatalf("octet %d damaged: %v", i, err)
		}
		if _, err := decodeSaved(b[:i]); !errors.Is(err, ErrCopyFile) {
			t.Fatalf("cut to %d octets: %v", i, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

// TestIdentify: who a station is after a start.
// TestCopyIsSavedEverySoOften: what a station has when it is killed, it begins with, without any centre.
func TestCopyIsSavedEverySoOften(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	path := filepath.Join(t.TempDir(), "copy")
	first := c.station(t, 1, func(cfg *StationConfig) { cfg.CopyFile, cfg.Timing.SaveEvery = path, 20*time.Millisecond })
	c.station(t, 2, nil)
	eventually(t, "both saved", func() bool {
		held, err := load(path, 1)
		return err == nil && held.copy.Len() == 2 && held.cn != 0
	})
	saved, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "copy") // as it is when the first is killed now
	if err := os.WriteFile(kept, saved, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := OpenStation(StationConfig{
		ID: 1, Listen: netip.MustParseAddrPort("127.0.0.1:0"), Centres: []netip.AddrPort{freePort(t, "127.0.0.1:0")}, Keys: testKeys(), CopyFile: kept, Timing: fast,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if e, ok := again.Lookup(2); !ok || !e.Online || again.Status().CN != first.Status().CN {
		t.Errorf("%+v, %+v", e, again.Status())
	}
	if err := again.SendDataByID(withDeadline(t), 2, []byte("without a centre"), AnyOrder); err != nil {
		t.Error(err)
	}
}

func TestIdentify(t *testing.T) {
	now := time.UnixMilli(5000)
	held := &saved{instance: 7, epoch: 9000, cn: 3, copy: chantable.NewCopy()}
	for _, tt := range []struct {
		name            string
		cfg             StationConfig
		held            *saved
		instance, epoch uint64 // instance 0: any
	}{
		{"for the first time", StationConfig{}, nil, 0, 5000},
		{"from its file, by a clock that was set back", StationConfig{}, held, 7, 9001},
		{"from its file", StationConfig{}, &saved{instance: 7, epoch: 4000, copy: held.copy}, 7, 5000},
		{"as configured", StationConfig{Instance: 77, Epoch: 2}, held, 77, 2},
	} {
		s := core.StationSetup{Rand: newRand()}
		identify(&s, tt.cfg, tt.held, now)
		if s.Instance == 0 || tt.instance != 0 && s.Instance != tt.instance || s.Epoch != tt.epoch || s.Copy == nil {
			t.Errorf("%s: instance %d epoch %d, want %d, %d", tt.name, s.Instance, s.Epoch, tt.instance, tt.epoch)
		}
	}
}

func TestStationWithDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, []byte("fnpcopy1 but no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStation(StationConfig{
		ID: 1, Listen: netip.MustParseAddrPort("127.0.0.1:0"), Keys: testKeys(), Centres: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
		CopyFile: path,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if held, err := load(path, 1); err != nil || held.instance == 0 {
		t.Errorf("the file that took its place: %+v, %v", held, err)
	}
}
