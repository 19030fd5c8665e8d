package asdu

import (
	"encoding/binary"
	"fmt"
	"time"
)

// CP56Time2a is a time tag, exactly as its seven octets are on the wire (101, clause 7.2.6.18).
// It is a clock reading without a time zone: who reads it must know the zone of the device.
// A CP24Time2a, which lacks hour and date, is held in the first three octets.
type CP56Time2a [7]byte

// NewCP56Time2a is the reading of a clock in loc at t, to the millisecond, with day of week,
// and with SU set while loc has summer time. The century is lost.
func NewCP56Time2a(t time.Time, loc *time.Location) CP56Time2a {
	t = t.In(loc)
	ms := t.Second()*1000 + t.Nanosecond()/int(time.Millisecond)
	dow := int(t.Weekday())
	if dow == 0 {
		dow = 7
	}
	tag := CP56Time2a{
		byte(ms), byte(ms >> 8), byte(t.Minute()), byte(t.Hour()),
		byte(t.Day() | dow<<5), byte(t.Month()), byte((t.Year()%100 + 100) % 100),
	}
	if t.IsDST() {
		tag[3] |= 0x80
	}
	return tag
}

// UnpackCP56Time2a is the inverse of Uint64.
func UnpackCP56Time2a(octets uint64) CP56Time2a {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], octets)
	return CP56Time2a(b[:7])
}

// Uint64 is the tag as a number below 1<<56, its first octet in the lowest byte.
func (t CP56Time2a) Uint64() uint64 {
	var b [8]byte
	copy(b[:], t[:])
	return binary.LittleEndian.Uint64(b[:])
}

func (t CP56Time2a) millisecond() int { return int(t[0]) | int(t[1])<<8 }
func (t CP56Time2a) minute() int      { return int(t[2] & 0x3f) }
func (t CP56Time2a) hour() int        { return int(t[3] & 0x1f) }
func (t CP56Time2a) day() int         { return int(t[4] & 0x1f) }
func (t CP56Time2a) month() int       { return int(t[5] & 0x0f) }

// year reads 70 to 99 as 1970 to 1999, where the clocks of devices that were never set begin,
// and 100 to 127 as what some devices mean by them: the years since 1900, 109 for 2009.
func (t CP56Time2a) year() int {
	y := int(t[6] & 0x7f)
	if y >= 70 {
		return 1900 + y
	}
	return 2000 + y
}

// Invalid reports the IV bit: the device does not vouch for its time.
func (t CP56Time2a) Invalid() bool { return t[2]&0x80 != 0 }

// Substituted reports the bit (GEN, RES1) that says that the time was not set by the device
// where the information arose.
func (t CP56Time2a) Substituted() bool { return t[2]&0x40 != 0 }

// WithSubstituted returns the tag with the bit that Substituted reports set or cleared.
func (t CP56Time2a) WithSubstituted(substituted bool) CP56Time2a {
	t[2] &^= 0x40
	if substituted {
		t[2] |= 0x40
	}
	return t
}

// SummerTime reports the SU bit.
func (t CP56Time2a) SummerTime() bool { return t[3]&0x80 != 0 }

// WithInvalid returns the tag with the IV bit set or cleared.
func (t CP56Time2a) WithInvalid(iv bool) CP56Time2a {
	t[2] &^= 0x80
	if iv {
		t[2] |= 0x80
	}
	return t
}

// Check returns an error that wraps ErrTime if the octets name no instant. It does not look at
// the IV bit, nor at the day of the week, which many devices leave 0.
func (t CP56Time2a) Check() error {
	if err := t.CheckCP24(); err != nil {
		return err
	}
	switch {
	case t.hour() > 23:
		return fmt.Errorf("%w: hour %d", ErrTime, t.hour())
	case t.month() < 1 || t.month() > 12:
		return fmt.Errorf("%w: month %d", ErrTime, t.month())
	case t.day() < 1 || t.day() > daysIn(t.month(), t.year()):
		return fmt.Errorf("%w: day %d of month %d in %d", ErrTime, t.day(), t.month(), t.year())
	}
	return nil
}

// CheckCP24 is Check for a tag that has only milliseconds and minutes.
func (t CP56Time2a) CheckCP24() error {
	switch {
	case t.millisecond() > 59999:
		return fmt.Errorf("%w: %d ms", ErrTime, t.millisecond())
	case t.minute() > 59:
		return fmt.Errorf("%w: minute %d", ErrTime, t.minute())
	}
	return nil
}

func daysIn(month, year int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// Time is the instant at which a clock in loc showed this reading. SU decides where the reading
// occurs twice, or never because the clock was put forward; elsewhere the zone's own rules
// count, since many devices leave the bit 0. The error wraps ErrTime (see Check); IV is no error.
func (t CP56Time2a) Time(loc *time.Location) (time.Time, error) {
	if err := t.Check(); err != nil {
		return time.Time{}, err
	}
	reading := time.Date(t.year(), time.Month(t.month()), t.day(), t.hour(), t.minute(), 0,
		t.millisecond()*int(time.Millisecond), time.UTC)
	// A day before and after lie on both sides of any change of the clock that could matter.
	before, after := reading.AddDate(0, 0, -1).In(loc), reading.AddDate(0, 0, 1).In(loc)
	_, offsetBefore := before.Zone()
	_, offsetAfter := after.Zone()
	at := func(offset int) (u time.Time, shown bool) {
		u = reading.Add(-time.Duration(offset) * time.Second).In(loc)
		_, o := u.Zone()
		return u, o == offset
	}
	first, firstShown := at(offsetBefore)
	if offsetBefore == offsetAfter {
		return first, nil
	}
	second, secondShown := at(offsetAfter)
	if firstShown != secondShown {
		if firstShown {
			return first, nil
		}
		return second, nil
	}
	if before.IsDST() == t.SummerTime() {
		return first, nil
	}
	return second, nil
}

// In is the reading that a clock in to showed when one in from showed this one: the same instant, IV and RES1. In one zone, and
// where it names no instant, it stays as it is.
func (t CP56Time2a) In(from, to *time.Location) CP56Time2a {
	if from == to || from.String() == to.String() {
		return t
	}
	at, err := t.Time(from)
	if err != nil {
		return t
	}
	there := NewCP56Time2a(at, to)
	there[2] |= t[2] & 0xc0
	if t[4]&0xe0 == 0 { // no day of week
		there[4] &= 0x1f
	}
	return there
}

// ExpandCP24 is the instant that a CP24Time2a means when it arrives at ref: the last one with
// these minutes of the hour in loc that is not more than 5 minutes after ref, since a device's
// clock may be a little ahead but its events are never from the future.
func (t CP56Time2a) ExpandCP24(ref time.Time, loc *time.Location) (time.Time, error) {
	if err := t.CheckCP24(); err != nil {
		return time.Time{}, err
	}
	const ahead = 5 * time.Minute
	latest := ref.Add(ahead).In(loc)
	sinceHour := time.Duration(latest.Minute())*time.Minute +
		time.Duration(latest.Second())*time.Second + time.Duration(latest.Nanosecond())
	tag := time.Duration(t.minute())*time.Minute + time.Duration(t.millisecond())*time.Millisecond
	at := latest.Add(tag - sinceHour)
	if tag > sinceHour {
		at = at.Add(-time.Hour)
	}
	return at, nil
}
