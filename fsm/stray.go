package fsm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Strays: ASDUs of a device of which something could not be taken over. They come with the batch that they came with, so the
// device gets its acknowledgement only after they are kept.

// Bounds of the strays.
const (
	maxStrays     = 1000    // of an RTU; the oldest goes first
	maxStraysSize = 8 << 20 // octets of all RTUs' strays; the oldest of whoever has most goes first
	maxASDU       = 253     // octets of one, whatever the profile
	strayOverhead = 64      // octets that each counts beside its text
)

// Stray is an ASDU, or the part of one, that could not be taken over. It is shared: readers must not change the octets.
type Stray struct {
	Number uint64 // from 1 for each RTU, with gaps where more came than are kept
	TimeMs int64  // when it was received, ms since 1970-01-01 UTC, by the owner's clock
	Reason string // a sentence: what is wrong with it
	ASDU   []byte // as it came
}

// strays are those of one RTU.
type strays struct {
	kept  []Stray // oldest first
	size  int     // octets
	total uint64  // all that came, ever
}

func (x *Stray) size() int { return strayOverhead + len(x.Reason) + len(x.ASDU) }

// Strays returns up to limit of an RTU's newest strays, the newest first, of those that are kept: 1000 at most. total is how
// many there ever were.
func (s *State) Strays(rtu uint32, limit int) (newest []Stray, total uint64) {
	u := s.rtus[rtu]
	if u == nil {
		return nil, 0
	}
	kept := u.strays.kept
	newest = slices.Clone(kept[max(0, len(kept)-limit):])
	slices.Reverse(newest)
	return newest, u.strays.total
}

func faultOfStray(x *fsmpb.Stray) string {
	if len(x.GetAsdu()) > maxASDU {
		return fmt.Sprintf("expected an ASDU of at most %d octets", maxASDU)
	}
	return ""
}

// keepStrays takes the strays of a batch, and counts those that it has only counted.
func (s *State) keepStrays(u *rtu, op *fsmpb.Events) {
	for _, x := range op.Strays {
		u.strays.total++
		s.addStray(u, Stray{Number: u.strays.total, TimeMs: x.TimeMs, Reason: command.Clip(x.Reason), ASDU: bytes.Clone(x.Asdu)})
	}
	u.strays.total += op.StraysOmitted
}

func (s *State) addStray(u *rtu, x Stray) {
	u.strays.kept = append(u.strays.kept, x)
	u.strays.size += x.size()
	s.strays += x.size()
	if len(u.strays.kept) > maxStrays {
		s.dropStray(u)
	}
	for s.strays > maxStraysSize {
		most := u
		for _, o := range s.rtus {
			if o.strays.size > most.strays.size || o.strays.size == most.strays.size && o.number < most.number {
				most = o
			}
		}
		s.dropStray(most)
	}
}

// dropStray forgets the oldest stray of an RTU.
func (s *State) dropStray(u *rtu) {
	n := u.strays.kept[0].size()
	u.strays.kept[0] = Stray{}
	u.strays.kept = u.strays.kept[1:]
	u.strays.size -= n
	s.strays -= n
}

func (u *rtu) keptProto() (kept []*fsmpb.RTUState_Kept) {
	for i := range u.strays.kept {
		x := &u.strays.kept[i]
		kept = append(kept, &fsmpb.RTUState_Kept{Number: x.Number, Stray: &fsmpb.Stray{TimeMs: x.TimeMs, Reason: x.Reason, Asdu: x.ASDU}})
	}
	return kept
}

func (in *restorer) takeStrays(u *rtu, p *fsmpb.RTUState) error {
	u.strays.total = p.Strays
	var last uint64
	for _, x := range p.Kept {
		stray := x.GetStray()
		if why := faultOfStray(stray); why != "" || x.GetNumber() <= last || x.GetNumber() > p.Strays {
			return fmt.Errorf("stray %d of RTU %d of %d: %s", x.GetNumber(), u.number, p.Strays, why)
		}
		last = x.Number
		in.s.addStray(u, Stray{Number: x.Number, TimeMs: stray.GetTimeMs(), Reason: stray.GetReason(), ASDU: stray.GetAsdu()})
	}
	return nil
}
