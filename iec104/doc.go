// Package iec104 speaks IEC 60870-5-104: telecontrol messages of IEC 60870-5-101 over TCP. It is
// for controlled stations (servers, such as a substation's device), for controlling stations
// (clients, such as a control centre), and for tools that read or relay their traffic.
//
// # Codec
//
// A [Frame] is what TCP carries: an I-frame with an [ASDU], or an S- or U-frame that keeps the
// link going. [ParseFrame], [AppendI], [AppendS] and [AppendU] read and write them. An ASDU has a
// [Header] and information objects of one [TypeID]; how many octets its fields have is agreed
// upon in a [Profile], whose methods parse and build ASDUs. An [Object] of any type is one plain value.
//
//	f, n, err := iec104.ParseFrame(received)
//	a, err := iec104.DefaultProfile.Parse(f.ASDU)
//	for o := range a.Objects() {
//		fmt.Println(o.Address, o.Value, o.Quality, o.Time)
//	}
//
// [Explain] puts a frame into a line of words.
//
// # Stations
//
// A [Server] is a controlled station's endpoint: it sorts clients into redundancy groups, holds
// their links until one is started, asks the group's [Source] for what to send while the window
// has room, and tells it what was acknowledged. A [Station] answers interrogations, commands and
// the rest as the standard wants it. A [Client] is a controlling station's link; [Run] keeps
// one up. Either end acknowledges only what the application has taken.
//
// # What always holds
//
// Octets that break the rules are refused with an error that says what, where and what was
// expected; none are delivered in part. Qualities, time tags and everything else that was received
// are kept bit for bit, reserved bits and unknown types included. Values that do not fit are
// refused, not cut. Decoding and encoding do not allocate.
//
// # What it never does
//
// It does not transfer files (types 120 to 127), nor authenticate inside the protocol
// (IEC 60870-5-7); TLS as in IEC 62351-3 is below it. It knows nothing of points or
// databases: what an object means is up to who uses the package.
package iec104
