package fsm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// ResourceKind says what a resource is.
type ResourceKind uint8

// The kinds of resources.
const (
	ResourceRTU ResourceKind = iota + 1
	ResourceUplink
	ResourceFNP
	ResourceExport
)

// String gives rtu, uplink, fnp or export.
func (k ResourceKind) String() string {
	switch k {
	case ResourceRTU:
		return "rtu"
	case ResourceUplink:
		return "uplink"
	case ResourceFNP:
		return "fnp"
	case ResourceExport:
		return "export"
	}
	return fmt.Sprintf("resource(%d)", uint8(k))
}

// RTUResource is the resource id of an RTU, such as rtu/1.
func RTUResource(number uint32) string { return "rtu/" + strconv.FormatUint(uint64(number), 10) }

// UplinkResource is the resource id of a group of an uplink, such as uplink/occ/main.
func UplinkResource(uplink, group string) string { return "uplink/" + uplink + "/" + group }

// FNPResource is the resource id of the station's FNP endpoint.
func FNPResource() string { return "fnp" }

// ParseRTUResource is the inverse of [RTUResource].
func ParseRTUResource(id string) (number uint32, ok bool) {
	s, ok := strings.CutPrefix(id, "rtu/")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// Phase of an ownership.
type Phase uint8

// The phases.
const (
	Unowned   Phase = iota
	Owned           // the owner may run live links, if its lease is valid too
	Releasing       // the owner is to close its links and say so; nobody may open any
)

// String gives unowned, owned or releasing.
func (p Phase) String() string {
	switch p {
	case Unowned:
		return "unowned"
	case Owned:
		return "owned"
	case Releasing:
		return "releasing"
	}
	return fmt.Sprintf("phase(%d)", uint8(p))
}

// Timings of a takeover, each in ms since its cause: the former owner was last heard of, or the move was ordered. 0 is
// not known, or has not happened yet.
type Timings struct {
	DetectedMs  int64
	ElectedMs   int64
	LeasedMs    int64
	ConnectedMs int64
	FirstDataMs int64
}

// Resource is what one node at a time may own: an RTU, an uplink group, the FNP endpoint, an export.
type Resource struct {
	ID        string
	Kind      ResourceKind
	Owner     string // node id; empty in phase Unowned only
	Epoch     uint64 // grows with each change of owner; 0 was never owned
	Phase     Phase
	Target    string // who is to own it next; in phase Releasing only
	SinceMs   int64  // when the epoch began, ms since 1970-01-01 UTC, by the proposer's clock
	Reason    string // why the owner is the owner
	Pin       string // node it is bound to by an operator; empty if none
	LastBatch uint64 // number of the last batch of events applied in this epoch; RTUs only
	Timings   Timings
}

// Resource returns a resource by its id.
func (s *State) Resource(id string) (Resource, bool) {
	r, ok := s.resources[id]
	if !ok {
		return Resource{}, false
	}
	return *r, true
}

// Resources returns all resources: RTUs by number, then uplink groups by id, then FNP, then exports by id.
func (s *State) Resources() []Resource {
	rs := make([]Resource, 0, len(s.resources))
	for _, r := range s.sortedResources() {
		rs = append(rs, *r)
	}
	return rs
}

func (s *State) sortedResources() []*Resource {
	rs := make([]*Resource, 0, len(s.resources))
	for _, r := range s.resources {
		rs = append(rs, r)
	}
	slices.SortFunc(rs, func(a, b *Resource) int {
		if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		if a.Kind == ResourceRTU {
			x, _ := ParseRTUResource(a.ID)
			y, _ := ParseRTUResource(b.ID)
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return rs
}

func timingsFromProto(t *fsmpb.Timings) Timings {
	return Timings{
		DetectedMs: t.GetDetectedMs(), ElectedMs: t.GetElectedMs(), LeasedMs: t.GetLeasedMs(),
		ConnectedMs: t.GetConnectedMs(), FirstDataMs: t.GetFirstDataMs(),
	}
}

func (t Timings) proto() *fsmpb.Timings {
	return &fsmpb.Timings{
		DetectedMs: t.DetectedMs, ElectedMs: t.ElectedMs, LeasedMs: t.LeasedMs,
		ConnectedMs: t.ConnectedMs, FirstDataMs: t.FirstDataMs,
	}
}
