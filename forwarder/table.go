package forwarder

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
)

// entry is a row of the table that clients are shown. There may be a million, so it's kept small.
type entry struct {
	key     fsm.PointKey
	address asdu.InformationObjectAddress
	sector  asdu.CommonAddress
	typeID  asdu.TypeID
	role    bool // not of the image: the role of the link that asks
}

func (e *entry) isControl() bool { return !e.role && e.key.Kind.IsControl() }

// object is what a command names.
type object struct {
	sector  asdu.CommonAddress
	address asdu.InformationObjectAddress
}

func (e *entry) where() object { return object{e.sector, e.address} }

// compare orders entries by sector and address, and those that are monitored before controls.
func (e *entry) compare(at object, control bool) int {
	direction := func(control bool) int {
		if control {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(e.sector, at.sector), cmp.Compare(e.address, at.address), cmp.Compare(direction(e.isControl()), direction(control)))
}

// table maps the points of the station to the objects of one uplink and back. It does not change.
type table struct {
	entries    []entry // by sector and address, unique in each direction
	tags       tagging
	byKey      keyIndex
	roleEntry  int32                // -1: none
	categories map[object]string    // of controls
	parameters map[asdu.TypeID]bool // types of 110 to 113 that rows have
	sectors    map[asdu.CommonAddress]*inventory
}

// inventory is what the interrogations of one sector answer.
type inventory struct {
	interrogated []int32 // by a station interrogation: by type, so that ASDUs are full, then by address
	counters     []int32 // by type and address
}

// kindTypes are the types that a point of a kind may be sent as, without time tag, and the commands for it. M_ME_ND_1 is
// none: it has no quality, so that an invalid value would look good.
var kindTypes = map[fsm.Kind][]asdu.TypeID{
	fsm.DI:        {asdu.M_SP_NA_1, asdu.M_DP_NA_1, asdu.M_EP_TD_1},
	fsm.AI:        {asdu.M_ST_NA_1, asdu.M_ME_NA_1, asdu.M_ME_NB_1, asdu.M_ME_NC_1},
	fsm.Counter:   {asdu.M_IT_NA_1},
	fsm.Bitstring: {asdu.M_BO_NA_1, asdu.M_PS_NA_1, asdu.M_EP_TE_1, asdu.M_EP_TF_1},
	fsm.DO:        {asdu.C_SC_NA_1, asdu.C_DC_NA_1, asdu.C_RC_NA_1},
	fsm.AO: {asdu.C_SE_NA_1, asdu.C_SE_NB_1, asdu.C_SE_NC_1, asdu.C_BO_NA_1,
		asdu.P_ME_NA_1, asdu.P_ME_NB_1, asdu.P_ME_NC_1, asdu.P_AC_NA_1},
}

// newTable checks an uplink's points; station is the zone of the state's time tags. It reports everything that is wrong at once; each error wraps ErrConfig.
func newTable(u Uplink, station *time.Location) (*table, error) {
	t := &table{
		entries:    make([]entry, 0, len(u.Points)+1),
		tags:       tagging{u.PlainTime, station, cmp.Or(u.Location, station)},
		byKey:      keyIndex{},
		roleEntry:  -1,
		categories: map[object]string{},
		parameters: map[asdu.TypeID]bool{},
		sectors:    map[asdu.CommonAddress]*inventory{},
	}
	for _, a := range u.stations() {
		t.sectors[a] = &inventory{}
	}
	var errs []error
	bad := func(ioa asdu.InformationObjectAddress, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: uplink %s, ioa %d: "+format, append([]any{ErrConfig, u.Name, ioa}, args...)...))
	}
	octets := cmp.Or(u.IEC104.Profile.ObjectAddressSize, asdu.DefaultProfile.ObjectAddressSize)
	most := asdu.InformationObjectAddress(1)<<(8*min(max(octets, 1), 3)) - 1
	for _, p := range u.Points {
		e := entry{
			key:     fsm.PointKey{RTU: p.RTU, Kind: p.Kind, Point: p.Point},
			address: asdu.InformationObjectAddress(p.IOA), typeID: p.Type,
			sector: cmp.Or(p.Sector, u.CommonAddress),
		}
		types, known := kindTypes[p.Kind]
		switch {
		case t.sectors[e.sector] == nil:
			bad(e.address, "the uplink has no sector with common address %d", e.sector)
			continue
		case e.address == 0 || e.address > most:
			bad(e.address, "expected 1 to %d", most)
		case !known:
			bad(e.address, "%v, expected di, ai, counter, bitstring, do or ao", p.Kind)
		case !slices.Contains(types, p.Type.Untimed()):
			bad(e.address, "a point of kind %v can't be %v", p.Kind, p.Type)
		case p.Type.TimeTag() == asdu.CP24:
			bad(e.address, "%v: 104 has CP56Time2a only, expected %v", p.Type, p.Type.WithCP56())
		}
		if p.Type.IsParameter() {
			t.parameters[p.Type] = true
		}
		if p.Category != "" {
			t.categories[e.where()] = p.Category
		}
		t.entries = append(t.entries, e)
	}
	if u.RoleIOA != 0 {
		e := entry{address: asdu.InformationObjectAddress(u.RoleIOA), sector: u.CommonAddress, typeID: asdu.M_SP_TB_1, role: true}
		if e.address > most {
			bad(e.address, "role_ioa, expected at most %d", most)
		}
		t.entries = append(t.entries, e)
	}
	slices.SortStableFunc(t.entries, func(a, b entry) int { return a.compare(b.where(), b.isControl()) })
	for i := range t.entries {
		e := &t.entries[i]
		if i > 0 && t.entries[i-1].compare(e.where(), e.isControl()) == 0 {
			bad(e.address, "the address is taken")
		}
		if e.role {
			t.roleEntry = int32(i)
		} else {
			t.byKey.add(e.key, int32(i))
		}
		switch {
		case e.onlyEvents(), e.isControl():
		case e.key.Kind != fsm.Counter:
			t.sectors[e.sector].interrogated = append(t.sectors[e.sector].interrogated, int32(i))
		default:
			t.sectors[e.sector].counters = append(t.sectors[e.sector].counters, int32(i))
		}
	}
	for _, i := range t.byKey.settle() {
		bad(t.entries[i].address, "point %v has an address already", t.entries[i].key)
	}
	byType := func(a, b int32) int {
		return cmp.Compare(t.entries[a].typeID.Untimed(), t.entries[b].typeID.Untimed())
	}
	for _, s := range t.sectors {
		slices.SortStableFunc(s.interrogated, byType)
		slices.SortStableFunc(s.counters, byType)
	}
	return t, errors.Join(errs...)
}

// keyIndex finds the entry of a point. A map of all points would take 30 octets for each; this takes 8.
type keyIndex map[keySet][]keyEntry

// keySet are the points of one kind of one RTU.
type keySet struct {
	rtu  uint32
	kind fsm.Kind
}

type keyEntry struct {
	point uint32
	entry int32
}

func (x keyIndex) add(k fsm.PointKey, entry int32) {
	set := keySet{k.RTU, k.Kind}
	x[set] = append(x[set], keyEntry{k.Point, entry})
}

// settle makes the index ready for use, and returns the entries of points that have more than one, but for the first.
func (x keyIndex) settle() (twice []int32) {
	for set, list := range x {
		list = slices.Clone(list) // of the right size
		slices.SortStableFunc(list, func(a, b keyEntry) int { return cmp.Compare(a.point, b.point) })
		for i := 1; i < len(list); i++ {
			if list[i].point == list[i-1].point {
				twice = append(twice, list[i].entry)
			}
		}
		x[set] = list
	}
	slices.Sort(twice)
	return twice
}

// get returns the entry of a point.
func (x keyIndex) get(k fsm.PointKey) (entry int32, ok bool) {
	list := x[keySet{k.RTU, k.Kind}]
	i, ok := slices.BinarySearchFunc(list, k.Point, func(e keyEntry, point uint32) int { return cmp.Compare(e.point, point) })
	if !ok {
		return 0, false
	}
	return list[i].entry, true
}

// equal tells whether both tables say the same.
func (t *table) equal(o *table) bool {
	return slices.Equal(t.entries, o.entries) && maps.Equal(t.categories, o.categories)
}

// role is the entry of the role point; nil if it isn't told.
func (t *table) role() *entry {
	if t.roleEntry < 0 {
		return nil
	}
	return &t.entries[t.roleEntry]
}

// find returns the entry of an object, of a control or of what is monitored: the two may share addresses.
func (t *table) find(at object, control bool) (*entry, bool) {
	i, ok := slices.BinarySearchFunc(t.entries, at, func(e entry, at object) int { return e.compare(at, control) })
	if !ok {
		return nil, false
	}
	return &t.entries[i], true
}

// ofKind lists the entries of these kinds that are interrogated in a sector, in the order of interrogated.
func (t *table) ofKind(sector asdu.CommonAddress, kinds ...fsm.Kind) (entries []int32) {
	for _, i := range t.sectors[sector].interrogated {
		if e := &t.entries[i]; slices.Contains(kinds, e.key.Kind) && !e.role {
			entries = append(entries, i)
		}
	}
	return entries
}

// counterGroup lists the counters of a group of a sector, 5 for all or 1 to 4. All are in group 1.
func (t *table) counterGroup(sector asdu.CommonAddress, rqt uint8) []int32 {
	if rqt == asdu.RQTGeneral || rqt == asdu.RQTGroup1 {
		return t.sectors[sector].counters
	}
	return nil
}
