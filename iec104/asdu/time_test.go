package asdu_test

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func tag(octets string) asdu.CP56Time2a { return asdu.CP56Time2a(asdutest.Octets(octets)) }

// The state keeps a tag as one number.
func TestTimeTagAsNumber(t *testing.T) {
	tag := asdu.CP56Time2a{0x5f, 0xea, 59, 0x80 | 23, 7<<5 | 22, 11, 126}
	if got := tag.Uint64(); got != 0x7e_0b_f6_97_3b_ea5f {
		t.Errorf("%#x", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Max(1<<56-1).Draw(t, "octets")
		if got := asdu.UnpackCP56Time2a(n).Uint64(); got != n {
			t.Errorf("%#x became %#x", n, got)
		}
	})
}

func TestRow56_CP56(t *testing.T) {
	for _, c := range []struct {
		octets string
		want   string // in UTC; "" if it is no time
	}{
		{"00 00 00 00 01 01 00", "2000-01-01T00:00:00Z"},
		{"5f ea 3b 17 1f 0c 45", "2069-12-31T23:59:59.999Z"}, // ms 59999
		{"60 ea 3b 17 1f 0c 45", ""},                         // ms 60000
		{"ff ff 00 00 01 01 00", ""},
		{"00 00 3c 00 01 01 00", ""},                     // minute 60
		{"00 00 00 18 01 01 00", ""},                     // hour 24
		{"00 00 00 00 00 01 00", ""},                     // day 0
		{"00 00 00 00 01 00 00", ""},                     // month 0
		{"00 00 00 00 01 0d 00", ""},                     // month 13
		{"00 00 00 00 1d 02 18", "2024-02-29T00:00:00Z"}, // 29 February
		{"00 00 00 00 1d 02 17", ""},                     // not in 2023
		{"00 00 00 00 1d 02 00", "2000-02-29T00:00:00Z"},
		{"00 00 00 00 1e 02 18", ""},
		{"00 00 00 00 1f 04 18", ""},                     // 31 April
		{"00 00 00 00 01 01 46", "1970-01-01T00:00:00Z"}, // a clock that was never set
		{"00 00 00 00 01 01 63", "1999-01-01T00:00:00Z"},
		{"00 00 00 00 01 01 6d", "2009-01-01T00:00:00Z"}, // years since 1900
		{"00 00 80 00 01 01 18", "2024-01-01T00:00:00Z"}, // IV is no reason to lose the time
		{"00 00 40 00 e1 01 18", "2024-01-01T00:00:00Z"}, // GEN, day of week 7
		{"00 00 00 60 01 f1 98", "2024-01-01T00:00:00Z"}, // reserved bits
		{"00 00 00 00 00 00 00", ""},                     // no time at all
		{"ff ff ff ff ff ff ff", ""},
	} {
		got, err := tag(c.octets).Time(time.UTC)
		if c.want == "" {
			if !errors.Is(err, asdu.ErrTime) || !got.IsZero() || !errors.Is(tag(c.octets).Check(), asdu.ErrTime) {
				t.Errorf("%s is %v, %v", c.octets, got, err)
			}
			continue
		}
		want, parseErr := time.Parse(time.RFC3339Nano, c.want)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		if err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v, want %v", c.octets, got, err, want)
		}
	}
	iv := tag("00 00 80 80 01 01 18")
	if !iv.Invalid() || !iv.SummerTime() || iv.Substituted() || iv.WithInvalid(false).Invalid() || !iv.WithInvalid(false).WithInvalid(true).Invalid() {
		t.Errorf("flags of %v", iv)
	}
}

func TestRow56_New(t *testing.T) {
	shanghai, berlin := zone(t, "Asia/Shanghai"), zone(t, "Europe/Berlin")
	for _, c := range []struct {
		at   time.Time
		loc  *time.Location
		want string
	}{
		{time.Date(2026, 11, 21, 15, 4, 5, 678_999_999, time.UTC), time.UTC, "2e 16 04 0f d5 0b 1a"}, // a Saturday
		{time.Date(2026, 11, 21, 15, 4, 5, 0, time.UTC), shanghai, "88 13 04 17 d5 0b 1a"},
		{time.Date(2026, 7, 5, 10, 0, 0, 0, time.UTC), berlin, "00 00 00 8c e5 07 1a"}, // SU; a Sunday is 7
		{time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC), berlin, "00 00 00 0b 25 01 1a"},
		{time.Date(1999, 12, 31, 23, 59, 59, 999_000_000, time.UTC), time.UTC, "5f ea 3b 17 bf 0c 63"},
		{time.Date(2123, 1, 1, 0, 0, 0, 0, time.UTC), time.UTC, "00 00 00 00 a1 01 17"}, // modulo 100
	} {
		if got := asdu.NewCP56Time2a(c.at, c.loc); got != tag(c.want) {
			t.Errorf("%v in %v is % x, want %s", c.at, c.loc, got[:], c.want)
		}
	}
}

// Any instant that a tag can hold comes back to the millisecond in any zone, in the hours when the clock
// is put back too, since SU tells them apart.
func TestRow56_RoundTrip(t *testing.T) {
	zones := []*time.Location{time.UTC, zone(t, "Asia/Shanghai"), zone(t, "Europe/Berlin"), zone(t, "America/St_Johns"),
		zone(t, "Australia/Lord_Howe"), zone(t, "Asia/Kolkata"), time.FixedZone("", -9*3600-1800)}
	first, last := time.Date(1970, 1, 3, 0, 0, 0, 0, time.UTC), time.Date(2069, 12, 29, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		at := time.UnixMilli(rapid.Int64Range(first.UnixMilli(), last.UnixMilli()).Draw(t, "ms"))
		if rapid.Bool().Draw(t, "near a change of the clock") {
			if _, end := at.In(loc).ZoneBounds(); !end.IsZero() && end.Before(last) {
				at = end.Add(time.Duration(rapid.Int64Range(-7_200_000, 7_200_000).Draw(t, "ms from it")) * time.Millisecond)
			}
		}
		got, err := asdu.NewCP56Time2a(at, loc).Time(loc)
		if err != nil || !got.Equal(at) {
			// SU cannot tell readings apart where the zone itself changed, not its summer time.
			before, after := at.Add(-3*time.Hour).In(loc), at.Add(3*time.Hour).In(loc)
			if before.IsDST() == after.IsDST() && got.Sub(at).Abs() <= 2*time.Hour {
				t.Skip("a change without summer time")
			}
			t.Fatalf("%v became %v, then %v (%v)", at.In(loc), asdu.NewCP56Time2a(at, loc), got, err)
		}
	})
}

// The hour that is there twice, the hour that is not there, and SU where it contradicts the zone.
func TestRow56_SummerTime(t *testing.T) {
	berlin := zone(t, "Europe/Berlin") // in 2026 forward on 29 March, back on 25 October
	for _, c := range []struct {
		octets string
		want   string
	}{
		{"00 00 1e 82 19 0a 1a", "2026-10-25T00:30:00Z"}, // 02:30 summer time
		{"00 00 1e 02 19 0a 1a", "2026-10-25T01:30:00Z"}, // 02:30 an hour later
		{"00 00 1e 02 1d 03 1a", "2026-03-29T01:30:00Z"}, // 02:30 by a clock not put forward yet
		{"00 00 1e 82 1d 03 1a", "2026-03-29T00:30:00Z"}, // 02:30 by one put forward too early
		{"00 00 00 0c 05 07 1a", "2026-07-05T10:00:00Z"}, // summer, SU not set by the device
		{"00 00 00 8c 05 01 1a", "2026-01-05T11:00:00Z"}, // winter, SU set
		{"00 00 00 0c 1d 03 1a", "2026-03-29T10:00:00Z"}, // the day of the change, SU not set
		{"00 00 00 01 1d 03 1a", "2026-03-29T00:00:00Z"},
		{"00 00 00 8c 19 0a 1a", "2026-10-25T11:00:00Z"}, // the day of the change, SU still set
	} {
		got, err := tag(c.octets).Time(berlin)
		if err != nil || got.UTC().Format(time.RFC3339) != c.want {
			t.Errorf("%v is %v, %v, want %s", tag(c.octets), got.UTC(), err, c.want)
		}
	}
}

func TestRow56_CP24(t *testing.T) {
	kolkata := zone(t, "Asia/Kolkata") // half an hour off the others
	for _, c := range []struct {
		octets, ref, want string
		loc               *time.Location
	}{
		{"e8 03 1e", "2026-01-01T10:30:02Z", "2026-01-01T10:30:01Z", time.UTC},
		{"9a e9 3b", "2026-01-01T00:00:00.1Z", "2025-12-31T23:59:59.802Z", time.UTC}, // over the hour
		{"32 00 00", "2025-12-31T23:59:59.99Z", "2026-01-01T00:00:00.05Z", time.UTC}, // a clock ahead
		{"00 00 2f", "2026-01-01T10:42:00Z", "2026-01-01T10:47:00Z", time.UTC},       // 5 minutes ahead
		{"01 00 2f", "2026-01-01T10:42:00Z", "2026-01-01T09:47:00.001Z", time.UTC},   // more: it was kept
		{"00 00 9e", "2026-01-01T10:30:02Z", "2026-01-01T10:30:00Z", time.UTC},       // IV
		{"00 00 05", "2026-01-01T10:36:00Z", "2026-01-01T10:35:00Z", kolkata},
		{"60 ea 00", "2026-01-01T10:00:00Z", "", time.UTC},
		{"00 00 3c", "2026-01-01T10:00:00Z", "", time.UTC},
	} {
		ref, err := time.Parse(time.RFC3339Nano, c.ref)
		if err != nil {
			t.Fatal(err)
		}
		var cp24 asdu.CP56Time2a
		copy(cp24[:], asdutest.Octets(c.octets))
		got, err := cp24.ExpandCP24(ref, c.loc)
		if c.want == "" {
			if !errors.Is(err, asdu.ErrTime) || !got.IsZero() {
				t.Errorf("%s at %s is %v, %v", c.octets, c.ref, got, err)
			}
		} else if err != nil || got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s at %s is %v, %v, want %s", c.octets, c.ref, got.UTC(), err, c.want)
		}
	}
}
