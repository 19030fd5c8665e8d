package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

func TestConfig(t *testing.T) {
	good := func() Config {
		return Config{ID: "fep1", Members: append([]Member(nil), threeMembers...), DataDir: "d", Station: &fsmpb.Configure{Digest: "x"}, TimeTag: testTag}
	}
	c, err := good().withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Lease != defaultLease || c.LogStore != LogStoreBolt || c.Logger == nil || c.SnapshotEvery == 0 || c.TrailingLogs == 0 {
		t.Errorf("defaults: %+v", c)
	}
	for says, change := range map[string]func(*Config){
		`this node, "x", is none`:       func(c *Config) { c.ID = "x" },
		"no TimeTag":                    func(c *Config) { c.TimeTag = nil },
		"member fep1 is listed twice":   func(c *Config) { c.Members[1].ID = "fep1" },
		"a member has no id":            func(c *Config) { c.Members[1].ID = "" },
		"member fep2: host 1 is taken":  func(c *Config) { c.Members[1].Host = 1 },
		`role "boss", expected "fep"`:   func(c *Config) { c.Members[1].Role = "boss" },
		`address "7300", expected host`: func(c *Config) { c.Members[1].Address = "7300" },
		"address 127.0.0.1:1 is taken":  func(c *Config) { c.Members[1].Address = "127.0.0.1:1" },
		"not a loopback address":        func(c *Config) { c.Members[1].Address = "10.1.2.3:7300" },
		"no data folder":                func(c *Config) { c.DataDir = "" },
		"lease 149ms, expected":         func(c *Config) { c.Lease = 149 * ms },
		"lease 10.001s, expected":       func(c *Config) { c.Lease = MaxLease + ms },
		`log store "tape", expected`:    func(c *Config) { c.LogStore = "tape" },
		"no station to declare":         func(c *Config) { c.Station = nil },
	} {
		bad := good()
		change(&bad)
		if _, err := bad.withDefaults(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected %v and %q", err, ErrConfig, says)
		}
	}
	bad := good()
	bad.ID, bad.DataDir = "x", ""
	if _, err := bad.withDefaults(); strings.Count(err.Error(), ErrConfig.Error()) != 2 {
		t.Errorf("%v: not both errors at once", err)
	}
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, "127.9.9.9:1": true,
		"0.0.0.0:1": false, ":1": false, "10.0.0.1:1": false, "example.org:1": false, "nonsense": false,
	} {
		if got := isLoopback(address); got != want {
			t.Errorf("isLoopback(%q) = %t", address, got)
		}
	}
}

func TestTiming(t *testing.T) {
	for _, lease := range []time.Duration{MinLease, 250 * ms, 500 * ms, MaxLease} {
		fep, wit := newTiming(lease, replica.RoleFEP, 2), newTiming(lease, replica.RoleWitness, 3)
		for _, tm := range []timing{fep, wit} {
			// What Raft's ValidateConfig asks for.
			if tm.heartbeat < 5*ms || tm.election < tm.heartbeat || tm.commit < ms {
				t.Errorf("lease %v: %+v", lease, tm)
			}
			if tm.stuck <= 2*tm.hang || tm.hang <= tm.stall || 3*tm.renew >= tm.lease+tm.renew/2 {
				t.Errorf("lease %v: %+v", lease, tm)
			}
		}
		if wit.heartbeat >= fep.heartbeat {
			t.Errorf("lease %v: the witness believes in a leader for %v, a FEP for %v", lease, wit.heartbeat, fep.heartbeat)
		}
	}
}
