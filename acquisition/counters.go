package acquisition

// Counters are an RTU's counts since the process started.
type Counters struct {
	RTU uint32

	Connected, Refused uint64 // connections made for use, and attempts that failed
	Started            uint64 // STARTDT confirmed
	Lost               uint64 // started links that ended without this node's wish
	Interrogations     uint64 // ended well
	InterrogationsBad  uint64 // refused, or not ended in time

	ASDUs, Items uint64 // received from started links; values proposed

	// Received, acknowledged, and not taken over.
	UnknownType, UnknownCommonAddress, UnknownAddress, BadTime, Mismatched uint64

	Controls, ControlsRefused uint64 // sent to the device; refused by it or without a link
}
