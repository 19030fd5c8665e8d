package chantable

import (
	"cmp"
	"slices"
)

// Range is the versions after From up to To.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Known is the set of versions that a copy knows: for each version in it, the copy has every entry whose last change
// it is. That stays true whatever happens later, since an entry that changes again moves to a later version; so ranges
// may come in any order, from anywhere in the table, and their union tells what is missing.
//
// The zero Known is empty. It holds at most maxRanges ranges; what it forgets beyond that is asked for again.
type Known struct {
	ranges []Range // ascending, apart by at least one version, none empty
}

const maxRanges = 32

// Add adds a range.
func (k *Known) Add(r Range) {
	if r.From >= r.To {
		return
	}
	// All ranges that overlap or touch r become one with it.
	i, _ := slices.BinarySearchFunc(k.ranges, r.From, func(h Range, from uint64) int { return cmp.Compare(h.To, from) })
	j := i
	for j < len(k.ranges) && k.ranges[j].From <= r.To {
		r.From, r.To = min(r.From, k.ranges[j].From), max(r.To, k.ranges[j].To)
		j++
	}
	k.ranges = slices.Replace(k.ranges, i, j, r)
	if len(k.ranges) > maxRanges {
		least := 1 // never the first, which carries Floor
		for i, h := range k.ranges {
			if i > 0 && h.To-h.From < k.ranges[least].To-k.ranges[least].From {
				least = i
			}
		}
		k.ranges = slices.Delete(k.ranges, least, least+1)
	}
}

// has reports whether a version is known.
func (k *Known) has(version uint64) bool {
	i, _ := slices.BinarySearchFunc(k.ranges, version, func(h Range, v uint64) int { return cmp.Compare(h.To, v) })
	return i < len(k.ranges) && k.ranges[i].From < version
}

// Floor is the version up to which everything is known.
func (k *Known) Floor() uint64 {
	if len(k.ranges) == 0 || k.ranges[0].From != 0 {
		return 0
	}
	return k.ranges[0].To
}

// Ranges returns a copy of the ranges, lowest first.
func (k *Known) Ranges() []Range { return slices.Clone(k.ranges) }

// Missing returns the ranges up to version that are not known, at most limit of them, lowest first.
func (k *Known) Missing(version uint64, limit int) []Range {
	var missing []Range
	from := uint64(0)
	for _, h := range k.ranges {
		if len(missing) == limit || from >= version {
			return missing
		}
		if h.From > from {
			missing = append(missing, Range{from, min(h.From, version)})
		}
		from = h.To
	}
	if from < version && len(missing) < limit {
		missing = append(missing, Range{from, version})
	}
	return missing
}
