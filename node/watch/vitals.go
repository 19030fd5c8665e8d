package watch

import (
	"maps"
	"slices"
	"time"

	"github.com/fepha/fepha/replica"
)

// usage is what the program has taken of the machine.
type usage struct {
	memory uint64        // octets in memory
	cpu    time.Duration // of one core, since its start
}

// vitals keeps how the machine is, for all nodes to show.
func (m *Machine) vitals(now time.Time, v replica.Vitals) {
	if u, known := used(); known {
		if passed := now.Sub(m.usedAt); !m.usedAt.IsZero() && passed > 0 {
			v.CPU = uint32((u.cpu - m.used.cpu) * 1000 / passed)
		}
		v.Memory, m.used, m.usedAt = u.memory, u, now
	}
	m.seen.Store(&v)
}

// Vitals is how the machine was when it was looked at last; nil: it wasn't yet.
func (m *Machine) Vitals() *replica.Vitals { return m.seen.Load() }

// Seen tells which nodes took a connection when they were tried last, and which didn't.
func (r *Reach) Seen() (reaches, misses []string) {
	reached := r.seen.Load()
	if reached == nil {
		return nil, nil
	}
	for _, id := range slices.Sorted(maps.Keys(*reached)) {
		if (*reached)[id] {
			reaches = append(reaches, id)
		} else {
			misses = append(misses, id)
		}
	}
	return reaches, misses
}
