// Package asdu has the application layer of IEC 60870-5-101 and -104: application service data units, without the frames and
// links that bear them, which are package iec104's.
//
// An [ASDU] has a [Header] and information objects of one [TypeID]; how many octets its fields have is agreed upon in a
// [Profile], whose methods parse and build ASDUs. An [Object] of any type is one plain value. A [Builder] packs objects into
// ASDUs without allocating.
//
//	a, err := asdu.DefaultProfile.Parse(octets)
//	for o := range a.Objects() {
//		fmt.Println(o.Address, o.Value, o.Quality, o.Time)
//	}
//
// # What always holds
//
// Octets that break the rules are refused with an error that says what, where and what was
// expected; none are delivered in part. Qualities, time tags and everything else that was received
// are kept bit for bit, reserved bits and unknown types included. Values that do not fit are
// refused, not cut. Decoding and encoding do not allocate.
package asdu
