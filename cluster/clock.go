package cluster

import "time"

// clock reads this process's monotonic clock, as the time since an arbitrary origin. It never goes back and no step of
// the wall clock moves it.
type clock func() time.Duration

func newClock() clock {
	origin := time.Now()
	return func() time.Duration { return time.Since(origin) }
}

// cp56 gives an instant as the seven octets of a CP56Time2a (IEC 60870-5-4, 6.8), the first in the lowest byte. t is in
// the station's zone. The summer-time bit is set as the zone says.
func cp56(t time.Time) uint64 {
	minute := uint64(t.Minute())
	hour := uint64(t.Hour())
	if t.IsDST() {
		hour |= 0x80
	}
	weekday := uint64(t.Weekday()) // Monday is 1, Sunday is 7
	if weekday == 0 {
		weekday = 7
	}
	ms := uint64(t.Second()*1000 + t.Nanosecond()/1e6)
	return ms | minute<<16 | hour<<24 | (uint64(t.Day())|weekday<<5)<<32 | uint64(t.Month())<<40 | uint64(t.Year()%100)<<48
}
