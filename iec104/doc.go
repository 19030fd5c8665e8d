// Package iec104 speaks IEC 60870-5-104: telecontrol messages of IEC 60870-5-101 over TCP. It is
// for controlled stations (servers, such as a substation's device), for controlling stations
// (clients, such as a control centre), and for tools that read or relay their traffic.
//
// # Frames
//
// A [Frame] is what TCP carries: an I-frame with an ASDU, or an S- or U-frame that keeps the link going. [ParseFrame], [AppendI],
// [AppendS] and [AppendU] read and write them. What an ASDU has in it is package asdu's.
//
//	f, n, err := iec104.ParseFrame(received)
//	a, err := asdu.DefaultProfile.Parse(f.ASDU)
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
// A frame that breaks the rules closes the link, with an error that says what, where and what was expected. Nothing is
// acknowledged that the application has not taken, and nothing is sent beyond the window.
//
// # What it never does
//
// It does not transfer files (types 120 to 127), nor authenticate inside the protocol
// (IEC 60870-5-7); TLS as in IEC 62351-3 is below it. It knows nothing of points or
// databases: what an object means is up to who uses the package.
package iec104
