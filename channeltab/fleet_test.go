package channeltab

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
)

// TestFleet: what measures the centre registers as stations do, and times a change in each copy.
func TestFleet(t *testing.T) {
	c := openRealCentre(t, "127.0.0.1:0", netip.MustParseAddr("239.255.74.12"))
	fleet, err := channeltabtest.OpenFleet(channeltabtest.FleetConfig{
		Stations: 50, First: 1000, Spread: 200 * time.Millisecond, Centres: c.all, Multicast: c.multi, Keys: testKeys(), Timing: fast,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	if err := fleet.Complete(withDeadline(t)); err != nil {
		t.Fatal(err)
	}
	if st := c.by["fep1"].Status(); st.Online != 50 {
		t.Errorf("%+v", st)
	}
	begun := time.Now()
	times, err := fleet.Rename(withDeadline(t), 7, "renamed")
	if err != nil || len(times) != 50 || times[0] <= 0 || times[49] > time.Since(begun) {
		t.Errorf("%v, %v", times, err)
	}
}
