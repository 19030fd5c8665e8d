package pointcheck

import (
	"fmt"
	"math"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Proto is all of it for a snapshot, one message an RTU, ascending.
func (c *Checks) Proto() (all []*fsmpb.CheckState) {
	for _, rtu := range c.RTUs() {
		k := c.by[rtu]
		p := &fsmpb.CheckState{Rtu: rtu, Resource: k.resource, Origin: k.origin, StartedMs: k.startedMs, EndedMs: k.endedMs}
		for _, i := range k.sorted() {
			item := &fsmpb.CheckState_Item{Kind: i.Kind, Point: i.Point, Forwarded: i.Forwarded, By: i.By, ByMs: i.ByMs, Ok: i.OK, Remark: i.Remark}
			for _, s := range i.Seen {
				item.Seen = append(item.Seen, &fsmpb.CheckState_Sample{
					Value: s.Value, Quality: uint32(s.Quality), Type: uint32(s.Type), TimeMs: s.TimeMs, Seq: s.Seq, AckedMs: s.AckedMs, Origin: s.Origin,
				})
			}
			p.Items = append(p.Items, item)
		}
		all = append(all, p)
	}
	return all
}

// Restore takes one message of a snapshot.
func (c *Checks) Restore(p *fsmpb.CheckState) error {
	if c.by[p.Rtu] != nil || len(p.Items) == 0 || c.points+len(p.Items) > MaxPoints {
		return fmt.Errorf("check of RTU %d: %d points beside %d", p.Rtu, len(p.Items), c.points)
	}
	k := &check{rtu: p.Rtu, resource: p.Resource, origin: p.Origin, startedMs: p.StartedMs, endedMs: p.EndedMs, items: make(map[id]*Item, len(p.Items))}
	for _, x := range p.Items {
		key := id{x.GetKind(), x.GetPoint()}
		if k.items[key] != nil || key.kind <= fsmpb.Kind_KIND_NONE || key.kind > fsmpb.Kind_AO || len(x.Seen) > maxSeen {
			return fmt.Errorf("check of RTU %d: %v/%d, seen %d times", p.Rtu, key.kind, key.point, len(x.Seen))
		}
		i := &Item{Kind: key.kind, Point: key.point, Forwarded: x.Forwarded, By: x.By, ByMs: x.ByMs, OK: x.Ok, Remark: x.Remark}
		for _, s := range x.Seen {
			if s.Quality > math.MaxUint8 || s.Type > math.MaxUint8 {
				return fmt.Errorf("check of RTU %d: %v/%d: quality %d, type %d", p.Rtu, key.kind, key.point, s.Quality, s.Type)
			}
			i.Seen = append(i.Seen, Sample{Value: s.Value, Quality: uint8(s.Quality), Type: uint8(s.Type), TimeMs: s.TimeMs, Seq: s.Seq, AckedMs: s.AckedMs, Origin: s.Origin})
		}
		k.items[key] = i
	}
	k.await()
	c.by[p.Rtu] = k
	c.points += len(k.items)
	return nil
}
