package configs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// Columns of an RTU's table.
const (
	rtuKind = iota
	rtuPoint
	rtuIOA
	rtuType
	rtuName
	rtuDeadband
	rtuScale
	rtuOffset
	rtuUnit
	rtuInvert
	rtuCategory
	rtuEvent
	rtuLow
	rtuHigh
	rtuSelect
	rtuQualifier
	rtuState
	rtuChatter
	rtuBit
	rtuTransient
)

// A table that lacks a column by accident would change what its points mean, so only later additions are optional.
var rtuColumns = []column{
	rtuKind: {name: "kind"}, rtuPoint: {name: "point"}, rtuIOA: {name: "ioa"}, rtuType: {name: "type"}, rtuName: {name: "name"},
	rtuDeadband: {name: "deadband"}, rtuScale: {name: "scale"}, rtuOffset: {name: "offset"}, rtuUnit: {name: "unit"},
	rtuInvert: {name: "invert"}, rtuCategory: {name: "category"},
	rtuEvent: {name: "event", optional: true}, rtuLow: {name: "low", optional: true}, rtuHigh: {name: "high", optional: true},
	rtuSelect: {name: "select", optional: true}, rtuQualifier: {name: "qualifier", optional: true}, rtuState: {name: "state", optional: true},
	rtuChatter: {name: "chatter", optional: true}, rtuBit: {name: "bit", optional: true}, rtuTransient: {name: "transient", optional: true},
}

// rtuMeaning is for which kinds a column has a meaning, where it isn't all of them.
var rtuMeaning = map[int][]fsm.Kind{
	rtuDeadband: {fsm.AI},
	rtuScale:    {fsm.AI, fsm.Counter, fsm.AO},
	rtuOffset:   {fsm.AI, fsm.Counter, fsm.AO},
	rtuLow:      {fsm.AI, fsm.AO},
	rtuHigh:     {fsm.AI, fsm.AO},
	rtuInvert:   {fsm.DI, fsm.DO},
	rtuCategory: {fsm.DO, fsm.AO},
	rtuEvent:    {fsm.DI, fsm.AI, fsm.Counter, fsm.Bitstring},

	rtuSelect:    {fsm.DO, fsm.AO},
	rtuQualifier: {fsm.DO, fsm.AO},
	rtuState:     {fsm.DO},
	rtuChatter:   {fsm.DI, fsm.AI},
	rtuBit:       {fsm.DI},
	rtuTransient: {fsm.DI},
}

// rtuRows is what a table says.
type rtuRows struct {
	points   []Point
	controls map[ControlKey]Control // of those whose rows say anything
	chatters map[ControlKey]Chatter // of those whose rows say anything
}

// pointKey is a point within an RTU.
type pointKey struct {
	kind   fsm.Kind
	number uint32
}

// String names the point in messages.
func (k pointKey) String() string { return fmt.Sprintf("%s point %d", k.kind, k.number) }

// rtuTable reads an RTU's table; its points are nil where it can't be read.
func (l *loader) rtuTable(file string, data []byte, maxIOA uint32, format AddressFormat) rtuRows {
	points, controls, chatters := []Point{}, map[ControlKey]Control{}, map[ControlKey]Chatter{}
	var states []shows
	ioas, numbers := directions{}, map[pointKey]int32{}
	split, bits := map[uint32]bool{}, map[objectBit]int32{}
	t := table{file: file, columns: rtuColumns, errs: l.errs, warnings: l.warnings}
	readable := t.read(data, func(r *row) {
		kind, known := r.kind(rtuKind)
		if !known {
			return // what else is right depends on it
		}
		p := Point{Kind: kind, Name: strings.Clone(r.text(rtuName))}
		var ok bool
		if p.Number, ok = r.uint(rtuPoint, 0, math.MaxUint32); ok {
			uniqueIn(r, rtuPoint, numbers, pointKey{kind, p.Number})
		}
		if p.IOA, ok = r.address(rtuIOA, maxIOA, format); ok {
			if said := r.means(rtuBit, kind) && r.text(rtuBit) != ""; !said || !split[p.IOA] {
				ioas.unique(r, rtuIOA, kind, p.IOA)
				split[p.IOA] = said
			}
		}
		p.Type, p.Bit = r.typeAndBit(kind)
		if p.Bit != 0 {
			uniqueIn(r, rtuBit, bits, objectBit{p.IOA, p.Bit - 1})
		}
		p.Transient = r.transient(&p)
		if r.means(rtuCategory, kind) {
			p.Category = r.category(rtuCategory, kind)
		}
		p.Invert = r.means(rtuInvert, kind) && r.bool(rtuInvert)
		p.Event = r.means(rtuEvent, kind) && (r.bool(rtuEvent) || kind == fsm.DI || kind == fsm.Bitstring)
		p.Analog = l.analog(r, kind)
		if c, said := r.chatter(&p); said {
			chatters[ControlKey{kind, p.Number}] = c
		}
		if c, said := r.control(&p); said {
			controls[ControlKey{kind, p.Number}] = c
			if c.State != nil {
				states = append(states, shows{*c.State, r.about(t.place[rtuState], "state",
					fmt.Sprintf("%v is unknown", pointKey{fsm.DI, *c.State}), "a di point of this table")})
			}
		}
		points = append(points, p)
	})
	if !readable {
		return rtuRows{}
	}
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number))
	})
	l.checkStates(points, states)
	return rtuRows{slices.Clone(points), controls, chatters} // of the right size: there may be a million
}

// directions are the object addresses that a table has used: what is monitored and what is operated may share them, since
// the type of an ASDU says which is meant (IEC 60870-5-101, 7.2.5).
type directions [2]map[uint32]int32

func (d *directions) unique(r *row, column int, kind fsm.Kind, ioa uint32) {
	lines := &d[0]
	if kind.IsControl() {
		lines = &d[1]
	}
	if *lines == nil {
		*lines = map[uint32]int32{}
	}
	uniqueIn(r, column, *lines, ioa)
}

// kind reads a point's kind.
func (r *row) kind(column int) (fsm.Kind, bool) {
	if k, ok := kindWords[folded(r.text(column))]; ok {
		return k, true
	}
	text := strings.ToLower(folded(r.text(column)))
	k, err := fsm.ParseKind(text)
	if err != nil {
		r.fail(column, quote(text)+" is unknown", "one of di, ai, counter, bitstring, do, ao")
	}
	return k, err == nil
}

// pointType reads a type; 0 where it's empty and may be, or wrong.
func (r *row) pointType(column int, kind fsm.Kind, optional bool) asdu.TypeID {
	text := r.text(column)
	if text == "" && optional {
		return 0
	}
	id, ok := parseType(text, kind)
	switch {
	case text == "":
		r.fail(column, "is missing", typesOf(kind))
	case !ok:
		r.fail(column, quote(text)+" is not a type of kind "+kind.String(), typesOf(kind))
	}
	return id
}

// packed are the types whose objects have a point in each bit, without and with time tag, and how many bits that are (101, clauses
// 7.2.6.40, 7.2.6.13, 7.2.6.11 and 7.2.6.12).
var packed = map[asdu.TypeID]uint32{asdu.M_PS_NA_1: 16, asdu.M_BO_NA_1: 32, asdu.M_BO_TB_1: 32, asdu.M_EP_TE_1: 6, asdu.M_EP_TF_1: 4}

// objectBit is a bit of an object.
type objectBit struct {
	ioa uint32
	bit uint8
}

// String names the bit in messages.
func (b objectBit) String() string { return fmt.Sprintf("bit %d of %d", b.bit, b.ioa) }

// typeAndBit reads a monitored or operated point's type, and of a di that is a bit of its object which one, counted from 1.
func (r *row) typeAndBit(kind fsm.Kind) (t asdu.TypeID, bit uint8) {
	if !slices.Contains(rtuMeaning[rtuBit], kind) || r.text(rtuBit) == "" {
		r.means(rtuBit, kind)
		return r.pointType(rtuType, kind, !kind.IsControl() && kind != fsm.Bitstring), 0
	}
	t, ok := parseType(r.text(rtuType), fsm.Bitstring)
	if !ok {
		r.fail(rtuType, quote(r.text(rtuType))+" has no points in its bits", typesOf(fsm.Bitstring))
		return 0, 0
	}
	n, ok := r.uint(rtuBit, 0, packed[t]-1)
	if !ok {
		return t, 0
	}
	return t, uint8(n) + 1
}

// transient reads for how long a double point is left untold that is neither off nor on.
func (r *row) transient(p *Point) time.Duration {
	if !r.means(rtuTransient, p.Kind) || r.text(rtuTransient) == "" {
		return 0
	}
	d, err := time.ParseDuration(strings.ToLower(folded(r.text(rtuTransient))))
	switch {
	case err != nil || d < 10*time.Millisecond || d > 10*time.Minute:
		r.fail(rtuTransient, quote(r.text(rtuTransient))+" is no duration in range", "10ms to 10m, such as 10s")
		return 0
	case p.Type != 0 && p.Type.Untimed() != asdu.M_DP_NA_1:
		r.fail(rtuTransient, fmt.Sprintf("%v has no intermediate state", p.Type), "M_DP_NA_1 (3) or M_DP_TB_1 (31), or nothing")
	}
	return d
}

// means tells whether a column has a meaning for a kind. Where it has none, it's left empty or neutral: anything else is
// likely a slipped row.
func (r *row) means(column int, kind fsm.Kind) bool {
	if slices.Contains(rtuMeaning[column], kind) {
		return true
	}
	switch text := r.text(column); strings.ToLower(folded(text)) {
	case "", "0", "false", "no", "否":
	case "1":
		if column == rtuScale {
			break
		}
		fallthrough
	default:
		r.fail(column, quote(text)+" has no meaning for kind "+kind.String(), "nothing")
	}
	return false
}

// category reads what a control is for; by default, what its kind says.
func (r *row) category(column int, kind fsm.Kind) Category {
	own := CategoryDO
	if kind == fsm.AO {
		own = CategoryAO
	}
	text := strings.ToUpper(r.text(column))
	for _, c := range []Category{own, CategoryGeneral, CategoryPA, CategoryPIS, CategoryCCTV} {
		if text == c.String() {
			return c
		}
	}
	if text != "" {
		r.fail(column, quote(text)+" is unknown for kind "+kind.String(), "one of "+own.String()+", 20, 26, 27, 29")
	}
	return own
}

// analog reads how a value is scaled, and gives nil for a point without anything of that.
func (l *loader) analog(r *row, kind fsm.Kind) *Analog {
	a := unscaled
	a.Unit = r.text(rtuUnit)
	if r.means(rtuScale, kind) {
		if a.Scale = r.float(rtuScale, 1); a.Scale == 0 {
			r.fail(rtuScale, "0 would make every value the same", "any other number")
		}
	}
	if r.means(rtuOffset, kind) {
		a.Offset = r.float(rtuOffset, 0)
	}
	if r.means(rtuDeadband, kind) {
		a.Deadband, a.Percent = r.deadband(rtuDeadband)
	}
	if r.means(rtuLow, kind) && r.means(rtuHigh, kind) {
		a.Low, a.High = r.float(rtuLow, a.Low), r.float(rtuHigh, a.High)
		if a.Low >= a.High {
			r.fail(rtuLow, r.text(rtuLow)+" is out of range", "less than high, which is "+r.text(rtuHigh))
		}
	}
	if a == unscaled {
		return nil
	}
	shared, ok := l.analogs[a]
	if !ok {
		kept := a
		kept.Unit = strings.Clone(a.Unit) // a part of the row's text would keep the whole row
		shared = &kept
		l.analogs[kept] = shared
	}
	return shared
}

// deadband reads a number in engineering units, or one with a %.
func (r *row) deadband(column int) (value float64, percent bool) {
	text := r.text(column)
	if text == "" {
		return 0, false
	}
	number, percent := strings.CutSuffix(text, "%")
	value = r.parseFloat(column, strings.TrimSpace(number), 0)
	if value < 0 || percent && value > 100 {
		r.fail(column, text+" is out of range", "0 or more in engineering units, or 0% to 100%")
	}
	return value, percent && value != 0
}

// find looks a point up in a sorted table.
func find(points []Point, key pointKey) (*Point, bool) {
	i := sort.Search(len(points), func(i int) bool {
		p := &points[i]
		return p.Kind > key.kind || p.Kind == key.kind && p.Number >= key.number
	})
	if i < len(points) && points[i].Kind == key.kind && points[i].Number == key.number {
		return &points[i], true
	}
	return nil, false
}
