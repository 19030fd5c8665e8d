package chantable

import (
	"cmp"
	"iter"
	"slices"
)

// slots stores entries by channel number, with an index by id and one by version.
type slots struct {
	byCN []Entry // channel cn at [cn-1]; the zero Entry is a channel that nothing is known of
	byID map[ID]CN

	// order has each channel's last change, ascending by version. A place whose channel has changed since is void:
	// a change appends, and compact removes the void ones now and then, so that both cost little.
	order    []place
	void     int
	unsorted bool // a change came with a version below the last; sorted when next read

	free CN // no channel below this one is empty; a hint that saves a search
}

type place struct {
	version uint64
	cn      CN
}

func newSlots() slots { return slots{byID: map[ID]CN{}, free: 1} }

// at returns the entry of a channel; the zero Entry if nothing is known of it.
func (s *slots) at(cn CN) Entry {
	if cn == 0 || int(cn) > len(s.byCN) {
		return Entry{}
	}
	return s.byCN[cn-1]
}

// of returns the entry of a station; the zero Entry if it has none.
func (s *slots) of(id ID) Entry { return s.at(s.byID[id]) }

// put replaces the entry of a channel. Where an id stands in two channels, which only a Copy can see for a while, the
// index points to the one that changed later.
func (s *slots) put(e Entry) {
	for int(e.CN) > len(s.byCN) {
		s.byCN = append(s.byCN, Entry{})
	}
	held := &s.byCN[e.CN-1]
	if held.ID != e.ID && s.byID[held.ID] == e.CN {
		delete(s.byID, held.ID)
	}
	if held.Changed != 0 {
		s.void++
	}
	*held = e
	if e.ID != 0 {
		if other, ok := s.byID[e.ID]; !ok || s.at(other).Changed <= e.Changed {
			s.byID[e.ID] = e.CN
		}
	} else {
		s.free = min(s.free, e.CN)
	}
	if n := len(s.order); n > 0 && s.order[n-1].version > e.Changed {
		s.unsorted = true
	}
	s.order = append(s.order, place{e.Changed, e.CN})
	if s.void > 64 && s.void > len(s.order)/2 {
		s.compact()
	}
}

func (s *slots) compact() {
	s.order = slices.DeleteFunc(s.order, func(p place) bool { return s.at(p.cn).Changed != p.version })
	s.void = 0
}

// sort puts order in order.
func (s *slots) sort() {
	if s.unsorted {
		slices.SortFunc(s.order, func(a, b place) int { return cmp.Compare(a.version, b.version) })
		s.unsorted = false
	}
}

// after yields the entries whose last change is later than version, in order of change.
func (s *slots) after(version uint64) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		s.sort()
		from, _ := slices.BinarySearchFunc(s.order, version+1, func(p place, v uint64) int { return cmp.Compare(p.version, v) })
		for _, p := range s.order[from:] {
			if e := s.at(p.cn); e.Changed == p.version && !yield(e) {
				return
			}
		}
	}
}

// all yields the entries of stations, by channel number.
func (s *slots) all() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, e := range s.byCN {
			if e.ID != 0 && !yield(e) {
				return
			}
		}
	}
}

// lowestFree returns the lowest channel number without a station; false if all are taken.
func (s *slots) lowestFree() (CN, bool) {
	for cn := int(max(s.free, 1)); cn <= int(MaxCN); cn++ {
		if s.at(CN(cn)).ID == 0 {
			s.free = CN(cn)
			return CN(cn), true
		}
	}
	s.free = MaxCN
	return 0, false
}
