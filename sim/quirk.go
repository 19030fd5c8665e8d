package sim

import (
	"fmt"
	"slices"
	"strings"
)

// A Quirk is a way in which devices in the field differ from the standard.
type Quirk string

// The quirks of a device. That answers to an interrogation overtake its events is none: they do in good ones too.
const (
	NeverTerminates      Quirk = "never-terminates"
	NeverConfirms        Quirk = "never-confirms"
	SelectRequired       Quirk = "select-required"
	Malformed            Quirk = "malformed"
	NoCause              Quirk = "no-cause"
	OtherAddress         Quirk = "other-address"
	UnknownObject        Quirk = "unknown-object"
	OtherType            Quirk = "other-type"
	PrivateType          Quirk = "private-type"
	TestBit              Quirk = "test-bit"
	NotANumber           Quirk = "not-a-number"
	ProtectionEvents     Quirk = "protection-events"
	Transient            Quirk = "transient"
	Bitstring            Quirk = "bitstring"
	PackedPoints         Quirk = "packed-points"
	Intermediate         Quirk = "intermediate"
	NoTime               Quirk = "no-time"
	LosesEvents          Quirk = "loses-events"
	RefusesInterrogation Quirk = "refuses-interrogation"
	IgnoresInterrogation Quirk = "ignores-interrogation"
	EndlessInterrogation Quirk = "endless-interrogation"
	PartialInterrogation Quirk = "partial-interrogation"
	StuckCounters        Quirk = "stuck-counters"
	RefusesClock         Quirk = "refuses-clock"
	WrongClock           Quirk = "wrong-clock"
	WrongZone            Quirk = "wrong-zone"
	EarlyData            Quirk = "early-data"
	OddFrames            Quirk = "odd-frames"
	StoppedFrames        Quirk = "stopped-frames"
	KeepsOldLink         Quirk = "keeps-old-link"
	OneClient            Quirk = "one-client"
	SmallWindow          Quirk = "small-window"
)

type described struct {
	name  Quirk
	about string
}

// deviceQuirks are what each does.
var deviceQuirks = []described{
	{NeverTerminates, "confirms commands, and never terminates them"},
	{NeverConfirms, "answers no command; the n-th output's new state comes as the n-th single or double point's, cause 11"},
	{SelectRequired, "refuses a command that was not selected before"},
	{Malformed, "sends an ASDU a second that can't be parsed: no object, count and length disagree, an octet too many or too few"},
	{NoCause, "sends data a second with cause 0, with cause 44, or with P/N = 1"},
	{OtherAddress, "sends a point a second from another common address"},
	{UnknownObject, "sends a point a second with object address 9999"},
	{OtherType, "sends its first single point as a measured value, a second"},
	{PrivateType, "sends an ASDU of type 140 a second"},
	{TestBit, "sends its first point a second with the test bit"},
	{NotANumber, "its first short float is not a number"},
	{ProtectionEvents, "sends its first single point as a protection event, off, a second"},
	{Transient, "its first step position is on its way for good"},
	{Bitstring, "sends its first measured value as a bitstring"},
	{PackedPoints, "sends its first packed single points (M_PS_NA_1) with a change bit, a second"},
	{Intermediate, "its first double point comes to rest in the intermediate state"},
	{NoTime, "sends its events without a time"},
	{LosesEvents, "loses every tenth of its events"},
	{RefusesInterrogation, "refuses interrogation"},
	{IgnoresInterrogation, "doesn't answer interrogation"},
	{EndlessInterrogation, "answers interrogation, and never terminates it"},
	{PartialInterrogation, "leaves its last point out of all interrogations but the first"},
	{StuckCounters, "its counters' sequence number never changes"},
	{RefusesClock, "refuses clock synchronization"},
	{WrongClock, "its clock is 10 s late"},
	{WrongZone, "its clock is 8 h early"},
	{EarlyData, "sends data before it confirms STARTDT"},
	{OddFrames, "sends U-frames with no function"},
	{StoppedFrames, "sends an S-frame before it's started"},
	{KeepsOldLink, "confirms no STARTDT as long as another client's link is started"},
	{OneClient, "drops its client when another one connects"},
	{SmallWindow, "k = 1, w = 1"},
}

// ParseDeviceQuirks reads names; the error lists those that there are.
func ParseDeviceQuirks(names []string) ([]Quirk, error) { return parseQuirks(deviceQuirks, names) }

// DescribeDeviceQuirks lists a device's quirks, one a line.
func DescribeDeviceQuirks() string { return describeQuirks(deviceQuirks) }

// DeviceQuirks are the names of all.
func DeviceQuirks() []Quirk { return namesOf(deviceQuirks) }

func namesOf(all []described) (names []Quirk) {
	for _, q := range all {
		names = append(names, q.name)
	}
	return names
}

func parseQuirks(all []described, names []string) (list []Quirk, err error) {
	for _, name := range names {
		if !slices.Contains(namesOf(all), Quirk(name)) {
			return nil, fmt.Errorf("quirk %q: expected one of\n%s", name, describeQuirks(all))
		}
		list = append(list, Quirk(name))
	}
	return list, nil
}

func describeQuirks(all []described) string {
	var b strings.Builder
	for _, q := range all {
		fmt.Fprintf(&b, "  %-22s %s\n", q.name, q.about)
	}
	return strings.TrimRight(b.String(), "\n")
}
