package node

import (
	"runtime/debug"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/trend"
)

// What a node keeps in memory, measured with a million points (fepha-bench
// scale): beside what it takes at least, for each point and for each event that
// the journal retains. A third of it is room for the garbage collector.
const (
	memoryAtLeast  = 48 << 20
	memoryPerPoint = 255
	memoryPerEvent = 64

	// witnessGarbage is GOGC of a witness: it has little to do, and often runs on a small machine.
	witnessGarbage = 15
)

// boundMemory makes the garbage collector run more often, rather than let a large
// station's heap grow to twice its size. It's no hard limit: a small station
// never gets near it.
func boundMemory(s *configs.Station, role configs.Role) {
	if role == configs.RoleWitness {
		debug.SetGCPercent(witnessGarbage)
	}
	debug.SetMemoryLimit(MemoryNeed(s, role))
	debug.FreeOSMemory() // of reading the tables
}

// MemoryNeed is about how much memory a node of a station takes, in octets.
func MemoryNeed(s *configs.Station, role configs.Role) int64 {
	atLeast := int64(memoryAtLeast)
	if role == configs.RoleFEP {
		atLeast += trend.Shape(s.Trend).Memory()
	}
	points := 0
	for i := range s.RTUs {
		points += len(s.RTUs[i].Points)
	}
	return atLeast + int64(points)*memoryPerPoint + int64(s.Journal.Retain)*memoryPerEvent
}
