package forwarder

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104"
)

// entry is a row of the table that clients are shown.
type entry struct {
	key      fsm.PointKey
	address  iec104.InformationObjectAddress
	typeID   iec104.TypeID
	category string
	role     bool // not of the image: the role of the link that asks
}

// table maps the points of the station to the objects of one uplink and back. It does not change.
type table struct {
	entries   []entry
	byKey     map[fsm.PointKey]int32
	byAddress map[iec104.InformationObjectAddress]int32

	// interrogated is what a station interrogation answers: by type, so that ASDUs are full, then by address.
	interrogated []int32
	roleEntry    int32   // -1: none
	counters     []int32 // by type and address
}

// kindTypes are the types that a point of a kind may be sent as, without time tag, and the commands for it.
var kindTypes = map[fsm.Kind][]iec104.TypeID{
	fsm.DI:      {iec104.M_SP_NA_1, iec104.M_DP_NA_1},
	fsm.AI:      {iec104.M_ST_NA_1, iec104.M_ME_NA_1, iec104.M_ME_NB_1, iec104.M_ME_NC_1, iec104.M_ME_ND_1},
	fsm.Counter: {iec104.M_IT_NA_1},
	fsm.DO:      {iec104.C_SC_NA_1, iec104.C_DC_NA_1, iec104.C_RC_NA_1},
	fsm.AO:      {iec104.C_SE_NA_1, iec104.C_SE_NB_1, iec104.C_SE_NC_1, iec104.C_BO_NA_1},
}

// newTable checks an uplink's points. It reports everything that is wrong at once; each error wraps ErrConfig.
func newTable(u Uplink) (*table, error) {
	t := &table{
		roleEntry: -1,
		byKey:     make(map[fsm.PointKey]int32, len(u.Points)),
		byAddress: make(map[iec104.InformationObjectAddress]int32, len(u.Points)),
	}
	var errs []error
	bad := func(p Point, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: uplink %s, ioa %d: "+format, append([]any{ErrConfig, u.Name, p.IOA}, args...)...))
	}
	most := iec104.InformationObjectAddress(1)<<(8*min(3, max(1, u.IEC104.Profile.ObjectAddressSize))) - 1
	if u.IEC104.Profile == (iec104.Profile{}) {
		most = 1<<24 - 1
	}
	for _, p := range u.Points {
		key := fsm.PointKey{RTU: p.RTU, Kind: p.Kind, Point: p.Point}
		e := entry{key: key, address: iec104.InformationObjectAddress(p.IOA), typeID: p.Type, category: p.Category}
		types, ok := kindTypes[p.Kind]
		switch {
		case e.address == 0 || e.address > most:
			bad(p, "expected 1 to %d", most)
		case !ok:
			bad(p, "%v, expected di, ai, counter, do or ao", p.Kind)
		case !slices.Contains(types, p.Type.Untimed()):
			bad(p, "a point of kind %v can't be %v", p.Kind, p.Type)
		case p.Type.TimeTag() == iec104.CP24:
			bad(p, "%v: 104 has CP56Time2a only, expected %v", p.Type, p.Type.WithCP56())
		}
		if _, taken := t.byAddress[e.address]; taken || (u.RoleIOA != 0 && p.IOA == u.RoleIOA) {
			bad(p, "the address is taken")
		}
		if _, taken := t.byKey[key]; taken {
			bad(p, "point %v has an address already", key)
		}
		t.add(e)
	}
	if u.RoleIOA != 0 {
		if iec104.InformationObjectAddress(u.RoleIOA) > most {
			bad(Point{IOA: u.RoleIOA}, "role_ioa, expected at most %d", most)
		}
		t.add(entry{address: iec104.InformationObjectAddress(u.RoleIOA), typeID: iec104.M_SP_TB_1, role: true})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	byType := func(a, b int32) int {
		x, y := &t.entries[a], &t.entries[b]
		return cmp.Or(cmp.Compare(x.typeID.Untimed(), y.typeID.Untimed()), cmp.Compare(x.address, y.address))
	}
	slices.SortFunc(t.interrogated, byType)
	slices.SortFunc(t.counters, byType)
	return t, nil
}

func (t *table) add(e entry) {
	i := int32(len(t.entries))
	t.entries = append(t.entries, e)
	t.byAddress[e.address] = i
	if e.role {
		t.roleEntry = i
	} else {
		t.byKey[e.key] = i
	}
	switch {
	case e.role, e.key.Kind == fsm.DI, e.key.Kind == fsm.AI:
		t.interrogated = append(t.interrogated, i)
	case e.key.Kind == fsm.Counter:
		t.counters = append(t.counters, i)
	}
}

// ofKind lists the entries of a kind that are interrogated, in the order of interrogated.
func (t *table) ofKind(k fsm.Kind) (entries []int32) {
	for _, i := range t.interrogated {
		if t.entries[i].key.Kind == k {
			entries = append(entries, i)
		}
	}
	return entries
}

// role is the entry of the role point; nil if it isn't told.
func (t *table) role() *entry {
	if t.roleEntry < 0 {
		return nil
	}
	return &t.entries[t.roleEntry]
}

// find returns the entry with an address.
func (t *table) find(address iec104.InformationObjectAddress) (*entry, bool) {
	i, ok := t.byAddress[address]
	if !ok {
		return nil, false
	}
	return &t.entries[i], true
}

// counterGroup lists the counters of a group, 5 for all or 1 to 4. All are in group 1.
func (t *table) counterGroup(rqt uint8) []int32 {
	if rqt == iec104.RQTGeneral || rqt == iec104.RQTGroup1 {
		return t.counters
	}
	return nil
}
