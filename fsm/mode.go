package fsm

import "github.com/fepha/fepha/fsm/fsmpb"

// Mode is how the clients of an uplink's group share it (DESIGN, section 6), as the configuration and the API write it.
type Mode string

const (
	Exclusive   Mode = "exclusive"    // one link of the station; the other FEP does not even listen
	MainStandby Mode = "main-standby" // a started link on each FEP; one is the main one and has the events
	DualActive  Mode = "dual-active"  // a started link on each FEP, each with all events from its own cursor
)

var protoModes = map[Mode]fsmpb.Configure_Mode{
	Exclusive: fsmpb.Configure_EXCLUSIVE, MainStandby: fsmpb.Configure_MAIN_STANDBY, DualActive: fsmpb.Configure_DUAL_ACTIVE,
}

// Proto is the mode as it stands in commands; MODE_NONE for a word that is none.
func (m Mode) Proto() fsmpb.Configure_Mode { return protoModes[m] }

func modeOf(p fsmpb.Configure_Mode) Mode {
	for mode, proto := range protoModes {
		if proto == p {
			return mode
		}
	}
	return ""
}
