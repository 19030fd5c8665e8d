package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/configs"
)

// The host's clock is set where the configuration says so, and nowhere else.
func TestSetClockIsConfigured(t *testing.T) {
	s, err := configs.Load("../configs/examples/station.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []bool{false, true} {
		for i := range s.Uplinks {
			s.Uplinks[i].SetClock, s.Uplinks[i].TLS = set, nil
		}
		uplinks, err := forwarderUplinks(nil, s, "fep1")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uplinks {
			if (u.SetClock != nil) != set {
				t.Errorf("set_clock: %t: uplink %s sets the clock: %t", set, u.Name, u.SetClock != nil)
			}
		}
	}
}

func TestSetHostClock(t *testing.T) {
	defer func(set func(time.Time) error) { systemClock = set }(systemClock)
	at := time.Now().Add(time.Minute)
	var got time.Time
	systemClock = func(t time.Time) error { got = t; return nil }
	if err := setHostClock(at); err != nil || !got.Equal(at) {
		t.Errorf("set to %v, want %v; error %v", got, at, err)
	}
	refused := errors.New("operation not permitted")
	systemClock = func(time.Time) error { return refused }
	if err := setHostClock(at); !errors.Is(err, refused) || !strings.Contains(err.Error(), "CAP_SYS_TIME") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}
