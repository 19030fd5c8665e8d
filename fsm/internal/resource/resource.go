// Package resource is what one node at a time may own, and in which epoch.
package resource

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// Kind says what a resource is.
type Kind uint8

// The kinds of resources.
const (
	KindRTU Kind = iota + 1
	KindUplink
	KindFNP
	KindExport
)

// String gives rtu, uplink, fnp or export.
func (k Kind) String() string {
	switch k {
	case KindRTU:
		return "rtu"
	case KindUplink:
		return "uplink"
	case KindFNP:
		return "fnp"
	case KindExport:
		return "export"
	}
	return fmt.Sprintf("resource(%d)", uint8(k))
}

// RTU is the resource id of an RTU, such as rtu/1.
func RTU(number uint32) string { return "rtu/" + strconv.FormatUint(uint64(number), 10) }

// Uplink is the resource id of a group of an uplink, such as uplink/occ/main.
func Uplink(uplink, group string) string { return "uplink/" + uplink + "/" + group }

// FNP is the resource id of the station's FNP endpoint.
func FNP() string { return "fnp" }

// ParseRTU is the inverse of [RTU].
func ParseRTU(id string) (number uint32, ok bool) {
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
	Kind      Kind
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

// TimingsOf reads what Proto gives.
func TimingsOf(t *fsmpb.Timings) Timings {
	return Timings{
		DetectedMs: t.GetDetectedMs(), ElectedMs: t.GetElectedMs(), LeasedMs: t.GetLeasedMs(),
		ConnectedMs: t.GetConnectedMs(), FirstDataMs: t.GetFirstDataMs(),
	}
}

// Proto is their form in commands and snapshots.
func (t Timings) Proto() *fsmpb.Timings {
	return &fsmpb.Timings{
		DetectedMs: t.DetectedMs, ElectedMs: t.ElectedMs, LeasedMs: t.LeasedMs,
		ConnectedMs: t.ConnectedMs, FirstDataMs: t.FirstDataMs,
	}
}

// Compare orders resources: RTUs by number, then uplink groups by id, then FNP, then exports by id.
func Compare(a, b *Resource) int {
	if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	if a.Kind == KindRTU {
		x, _ := ParseRTU(a.ID)
		y, _ := ParseRTU(b.ID)
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a.ID, b.ID)
}

// About adds the epoch and the owner to the result of a command that concerns the resource.
func (r *Resource) About(res *fsmpb.Result) *fsmpb.Result {
	res.Epoch, res.Owner = r.Epoch, r.Owner
	return res
}

// Fence refuses what a node proposes for the resource that it does not own in that epoch. It returns nil if it does.
func (r *Resource) Fence(epoch uint64, node string) *fsmpb.Result {
	switch {
	case epoch < r.Epoch:
		return r.About(command.Refuse(fsmpb.Result_STALE_EPOCH, "%s: epoch %d is over, it is in epoch %d of %q", r.ID, epoch, r.Epoch, r.Owner))
	case epoch > r.Epoch:
		return r.About(command.Refuse(fsmpb.Result_CONFLICT, "%s: there is no epoch %d yet, it is in epoch %d of %q", r.ID, epoch, r.Epoch, r.Owner))
	case node != r.Owner:
		return r.About(command.Refuse(fsmpb.Result_STALE_EPOCH, "%s: %q does not own it, it is in epoch %d of %q", r.ID, node, r.Epoch, r.Owner))
	}
	return nil
}

// Proto is what goes into a snapshot.
func (r *Resource) Proto() *fsmpb.ResourceState {
	return &fsmpb.ResourceState{
		Id: r.ID, Owner: r.Owner, Epoch: r.Epoch, Phase: uint32(r.Phase), Target: r.Target, SinceMs: r.SinceMs,
		Reason: r.Reason, Pin: r.Pin, LastBatch: r.LastBatch, Timings: r.Timings.Proto(),
	}
}

// Restore takes what Proto gave.
func (r *Resource) Restore(p *fsmpb.ResourceState) error {
	if p.Phase > uint32(Releasing) || (Phase(p.Phase) == Unowned) != (p.Owner == "") || (Phase(p.Phase) == Releasing) != (p.Target != "") {
		return fmt.Errorf("resource %q: phase %d with owner %q and target %q", p.Id, p.Phase, p.Owner, p.Target)
	}
	*r = Resource{
		ID: r.ID, Kind: r.Kind, Owner: p.Owner, Epoch: p.Epoch, Phase: Phase(p.Phase), Target: p.Target, SinceMs: p.SinceMs,
		Reason: p.Reason, Pin: p.Pin, LastBatch: p.LastBatch, Timings: TimingsOf(p.Timings),
	}
	return nil
}
