package points

import "math"

// Information is what a value says, and since when.
type Information struct {
	Value     float64
	Type      uint8 // TypeID
	Quality   uint8
	Transient bool
	TimeMs    int64 // ms since 1970-01-01 UTC
}

// Same tells whether both say the same of a point, whenever. Devices send a point as one type when it changes and as another when they
// are interrogated; 1 is on of a single point, but off of a double one.
func (a Information) Same(kind Kind, b Information) bool {
	va, vb, qa, qb := a.Value, b.Value, a.Quality, b.Quality
	if kind == DI {
		va, vb = comparableState(a.Type, va), comparableState(b.Type, vb)
		if protectionEvent(a.Type) != protectionEvent(b.Type) { // the elapsed time, of which EI tells, is in only one of them
			qa, qb = qa&^QualityElapsed, qb&^QualityElapsed
		}
	}
	return qa == qb && a.Transient == b.Transient && math.Float64bits(va) == math.Float64bits(vb)
}

// BecomesTopical tells whether b says nothing new but that the value is topical again.
func (a Information) BecomesTopical(kind Kind, b Information) bool {
	if a.Quality&NotTopicalBit(a.Type) == 0 || b.Quality&NotTopicalBit(b.Type) != 0 {
		return false
	}
	a.Quality &^= NotTopicalBit(a.Type)
	return a.Same(kind, b)
}
