package fsm

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// What Restore refuses.
var (
	// ErrNotSnapshot: the file begins with something else, or is of a format that this build does not know.
	ErrNotSnapshot = errors.New("not a snapshot of this format")
	// ErrDamaged: the file was cut short or changed. Nothing of it can be trusted.
	ErrDamaged = errors.New("snapshot is damaged")
)

// maxFrame bounds what a wrong length can make us read. The largest frame is the configuration.
const maxFrame = 64 << 20

// Restore reads what WriteTo wrote. A file that was cut short or changed is refused with [ErrDamaged] or
// [ErrNotSnapshot], saying where.
func Restore(r io.Reader) (*State, error) {
	in := &restorer{r: bufio.NewReaderSize(r, 1<<16), s: New()}
	if err := in.start(); err != nil {
		return nil, err
	}
	for !in.finished {
		at := in.offset
		kind, payload, err := in.frame()
		if err == nil {
			err = in.take(kind, payload)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d at octet %d: %w", ErrDamaged, kind, at, err)
		}
	}
	if _, err := in.r.ReadByte(); err != io.EOF {
		return nil, fmt.Errorf("%w: something follows its end at octet %d", ErrDamaged, in.offset)
	}
	return in.s, nil
}

// restorer fills a state frame by frame.
type restorer struct {
	r        *bufio.Reader
	offset   int64
	payload  bytes.Buffer
	s        *State
	head     *fsmpb.SnapshotHead // nil before it came
	started  bool                // the configuration came: resources exist
	finished bool
}

func (in *restorer) start() error {
	var b [len(snapshotMagic) + 4]byte
	if _, err := io.ReadFull(in.r, b[:]); err != nil {
		return fmt.Errorf("%w: its start: %w", ErrNotSnapshot, err)
	}
	if string(b[:len(snapshotMagic)]) != snapshotMagic {
		return fmt.Errorf("%w: it starts with % x", ErrNotSnapshot, b[:len(snapshotMagic)])
	}
	if f := binary.LittleEndian.Uint32(b[len(snapshotMagic):]); f != snapshotFormat {
		return fmt.Errorf("%w: format %d, this build knows %d", ErrNotSnapshot, f, snapshotFormat)
	}
	in.offset = int64(len(b))
	return nil
}

// frame reads one frame. The payload is good until the next call. Room is made as octets come in, not as a length claims.
func (in *restorer) frame() (frameKind, []byte, error) {
	var h [5]byte
	if _, err := io.ReadFull(in.r, h[:]); err != nil {
		return 0, nil, fmt.Errorf("cut short: %w", err)
	}
	kind, size := frameKind(h[0]), binary.LittleEndian.Uint32(h[1:])
	if size > maxFrame {
		return kind, nil, fmt.Errorf("length %d: expected at most %d", size, maxFrame)
	}
	in.payload.Reset()
	if _, err := io.CopyN(&in.payload, in.r, int64(size)); err != nil {
		return kind, nil, fmt.Errorf("cut short: %w", err)
	}
	var sum [4]byte
	if _, err := io.ReadFull(in.r, sum[:]); err != nil {
		return kind, nil, fmt.Errorf("cut short: %w", err)
	}
	payload := in.payload.Bytes()
	if crc32.Update(crc32.Checksum(h[:], castagnoli), castagnoli, payload) != binary.LittleEndian.Uint32(sum[:]) {
		return kind, nil, errors.New("checksum differs")
	}
	in.offset += int64(len(h)) + int64(size) + int64(len(sum))
	return kind, payload, nil
}

// take stores one frame. Checksums tell that it was not changed; what is checked besides is what code elsewhere relies on.
func (in *restorer) take(kind frameKind, payload []byte) error {
	if (kind == frameHead) != (in.head == nil) || (kind == frameConfig) != (in.head != nil && !in.started) {
		return errors.New("out of order: expected the head, the configuration, and then the rest")
	}
	switch kind {
	case frameHead:
		return read(payload, in.takeHead)
	case frameConfig:
		return read(payload, in.takeConfig)
	case frameNode:
		return read(payload, in.takeNode)
	case frameResource:
		return read(payload, in.takeResource)
	case frameRTU:
		return read(payload, in.takeRTU)
	case frameGroup:
		return read(payload, in.takeGroup)
	case frameVirtual:
		return read(payload, in.takeVirtual)
	case frameControl:
		return read(payload, in.takeControl)
	case frameTable:
		return in.s.takeTable(payload)
	case frameMailbox:
		return read(payload, in.takeMailbox)
	case frameConditions:
		return read(payload, in.takeConditions)
	case frameAccess:
		return read(payload, in.takeAccess)
	case framePlainPoints, framePoints:
		return in.takePoints(payload, kind == framePlainPoints)
	case framePlainEvents, frameEvents:
		return in.takeEvents(payload, kind == framePlainEvents)
	case frameTail:
		return read(payload, in.takeTail)
	}
	return errors.New("of no known kind")
}

func read[T any, M interface {
	*T
	proto.Message
}](payload []byte, take func(M) error) error {
	m := M(new(T))
	if err := proto.Unmarshal(payload, m); err != nil {
		return err
	}
	return take(m)
}

func (in *restorer) takeHead(h *fsmpb.SnapshotHead) error {
	if h.JournalFirst == 0 || h.JournalFirst > h.JournalLast+1 || h.JournalLast == math.MaxUint64 || h.JournalLast-h.JournalFirst+1 > maxRetain {
		return fmt.Errorf("journal of events %d to %d", h.JournalFirst, h.JournalLast)
	}
	in.head = h
	return nil
}

func (in *restorer) takeConfig(c *fsmpb.Configure) error {
	cfg := normalConfig(c)
	virtual, err := checkConfig(cfg)
	if err != nil {
		return err
	}
	s, h := in.s, in.head
	s.config = cfg
	s.configureNodes(stamp{}, cfg)
	s.configureRTUs(stamp{}, cfg)
	s.configureGroups(stamp{}, cfg)
	s.configureFNP(stamp{}, cfg)
	s.virtual = indexVirtual(virtual)

	s.index, s.epochFloor, s.controls.number, s.stage = h.Index, h.EpochFloor, h.ControlNumber, h.ConfigStage
	s.rev = Revisions{
		Config: h.Revisions.GetConfig(), Resources: h.Revisions.GetResources(), Online: h.Revisions.GetOnline(),
		Links: h.Revisions.GetLinks(), Nodes: h.Revisions.GetNodes(), Clients: h.Revisions.GetClients(),
		Cursors: h.Revisions.GetCursors(), Controls: h.Revisions.GetControls(), Virtual: h.Revisions.GetVirtual(),
		FNP: h.Revisions.GetFnp(), Conditions: h.Revisions.GetConditions(), Access: h.Revisions.GetAccess(),
	}
	s.image = newImage(h.Version)
	s.journal = newJournal(h.JournalFirst, cfg.Retain)
	if n := h.JournalLast - h.JournalFirst + 1; n > cfg.Retain {
		return fmt.Errorf("%d events where %d are retained", n, cfg.Retain)
	}
	in.started = true
	return nil
}

func (in *restorer) takeNode(p *fsmpb.NodeInfo) error {
	n := in.s.node(p.Id)
	if n == nil {
		return fmt.Errorf("node %q is not in the configuration", p.Id)
	}
	n.Alive, n.Lease, n.SinceMs = p.Alive, p.Lease, p.SinceMs
	return nil
}

func (in *restorer) takeResource(p *fsmpb.ResourceState) error {
	r := in.s.resources[p.Id]
	if r == nil {
		return fmt.Errorf("resource %q is not in the configuration", p.Id)
	}
	if p.Phase > uint32(Releasing) || (Phase(p.Phase) == Unowned) != (p.Owner == "") || (Phase(p.Phase) == Releasing) != (p.Target != "") {
		return fmt.Errorf("resource %q: phase %d with owner %q and target %q", p.Id, p.Phase, p.Owner, p.Target)
	}
	*r = Resource{
		ID: r.ID, Kind: r.Kind, Owner: p.Owner, Epoch: p.Epoch, Phase: Phase(p.Phase), Target: p.Target, SinceMs: p.SinceMs,
		Reason: p.Reason, Pin: p.Pin, LastBatch: p.LastBatch, Timings: timingsFromProto(p.Timings),
	}
	return nil
}

func (in *restorer) takeRTU(p *fsmpb.RTUState) error {
	u := in.s.rtus[p.Number]
	if u == nil {
		return fmt.Errorf("RTU %d is not in the configuration", p.Number)
	}
	u.online, u.onlineSinceMs = p.Online, p.OnlineSinceMs
	for _, nl := range p.Links {
		links, err := readLinks(nl.Links)
		if err != nil || len(links) == 0 || in.s.node(nl.Node) == nil {
			return fmt.Errorf("RTU %d: %d links of %q: %v", p.Number, len(links), nl.Node, err)
		}
		u.links[nl.Node] = links
	}
	return nil
}

func (in *restorer) takeGroup(p *fsmpb.GroupState) error {
	g := in.s.group(p.Id)
	if g == nil {
		return fmt.Errorf("group %q is not in the configuration", p.Id)
	}
	g.base = p.Base
	g.slots = nil
	for i, c := range p.Slots {
		if c.Seq > in.head.JournalLast || i > 0 && c.Name <= p.Slots[i-1].Name {
			return fmt.Errorf("group %q: cursor %q at %d", p.Id, c.Name, c.Seq)
		}
		g.slots = append(g.slots, Slot{Name: c.Name, Seq: c.Seq, Dropped: c.Dropped, Overflow: c.Overflow})
	}
	if g.base > in.head.JournalLast || (len(g.slots) != 1 || g.slots[0].Name != "") && g.mode != fsmpb.Configure_DUAL_ACTIVE {
		return fmt.Errorf("group %q: %d cursors, begun at %d", p.Id, len(g.slots), g.base)
	}
	for _, nc := range p.Clients {
		if in.s.node(nc.Node) == nil || len(nc.Clients) == 0 {
			return fmt.Errorf("group %q: %d clients on %q", p.Id, len(nc.Clients), nc.Node)
		}
		var clients []Client
		for _, c := range nc.Clients {
			clients = append(clients, Client{Node: nc.Node, Address: c.Address, Started: c.Started, Role: c.Role})
		}
		g.clients[nc.Node] = clients
	}
	return nil
}

func (in *restorer) takeVirtual(p *fsmpb.VirtualState) error {
	i, ok := in.s.virtual.byKey[PointKey{p.Rtu, DI, p.Point}]
	if !ok {
		return fmt.Errorf("virtual point %d/%d is not in the configuration", p.Rtu, p.Point)
	}
	v := in.s.virtual.points[i]
	v.ValA, v.ValB, v.Val, v.Time, v.TimeMs = p.ValA, p.ValB, p.Val, p.Time, p.TimeMs
	return nil
}

// takeControl stores a control. They come in order of their last change.
func (in *restorer) takeControl(p *fsmpb.ControlState) error {
	s, op := in.s, p.Submit
	if op == nil {
		return errors.New("control without a request")
	}
	if last := s.controls.recent.Back(); last != nil && p.Revision <= last.Value.(*Control).Revision || p.Revision > s.rev.Controls {
		return fmt.Errorf("control %q: revision %d is out of order", op.Id, p.Revision)
	}
	if why := faultOfControl(stamp{ms: op.DeadlineMs}, op); why != "" || s.controls.get(op.Id) != nil {
		return fmt.Errorf("control %q is there twice, or: %s", op.Id, why)
	}
	if Stage(p.Stage) < Submitted || p.Stage > uint32(Done) || p.Cause > math.MaxUint8 {
		return fmt.Errorf("control %q: stage %d, cause %d", op.Id, p.Stage, p.Cause)
	}
	c := newControl(op)
	c.Number, c.Stage, c.OK, c.Reason, c.Cause = p.Number, Stage(p.Stage), p.Ok, p.Reason, uint8(p.Cause)
	c.Node, c.Epoch, c.Used, c.Revision = p.Node, p.Epoch, p.Used, p.Revision
	c.SubmittedMs, c.StartedMs, c.ConfirmedMs, c.DoneMs = p.SubmittedMs, p.StartedMs, p.ConfirmedMs, p.DoneMs
	s.controls.add(c)
	u := s.rtus[c.RTU]
	if u == nil && (c.Stage != Done || c.selection()) {
		return fmt.Errorf("control %q: RTU %d is not in the configuration", c.ID, c.RTU)
	}
	switch {
	case c.Stage != Done:
		u.pending = append(u.pending, c)
	case c.selection():
		u.selected = append(u.selected, c)
	}
	if c.Stage == Done {
		s.controls.done++
	}
	return nil
}

func (in *restorer) takePoints(b []byte, plain bool) error {
	size := pointRecordSize
	if plain {
		size--
	}
	if len(b) < 4+size || (len(b)-4)%size != 0 {
		return fmt.Errorf("%d octets of points", len(b))
	}
	le, im := binary.LittleEndian, &in.s.image
	number := le.Uint32(b)
	ri := im.rtu(number)
	for b = b[4:]; len(b) > 0; b = b[size:] {
		kind, point := Kind(b[44]), le.Uint32(b[40:])
		if _, known := ri.find(kind, point); known || !kind.monitored() {
			return fmt.Errorf("point %s is there twice, or never", PointKey{number, kind, point})
		}
		rec := ri.at(im.add(ri, kind, point))
		rec.value = math.Float64frombits(le.Uint64(b))
		rec.time, rec.timeMs = le.Uint64(b[8:]), int64(le.Uint64(b[16:]))
		rec.seq, rec.version = le.Uint64(b[24:]), le.Uint64(b[32:])
		rec.typeID, rec.quality = b[45], b[46]
		rec.transient = !plain && b[47] != 0
	}
	return nil
}

func (in *restorer) takeEvents(b []byte, plain bool) error {
	le, j := binary.LittleEndian, &in.s.journal
	fixed := eventRecordSize
	if plain {
		fixed -= 3
	}
	if len(b) < 8 || le.Uint64(b) != j.last+1 {
		return fmt.Errorf("events out of order: expected them from %d", j.last+1)
	}
	for b = b[8:]; len(b) > 0; {
		if len(b) < fixed || j.last == in.head.JournalLast {
			return fmt.Errorf("event %d: %d octets", j.last+1, len(b))
		}
		e := Event{
			Value: math.Float64frombits(le.Uint64(b)), Time: le.Uint64(b[8:]), TimeMs: int64(le.Uint64(b[16:])),
			RTU: le.Uint32(b[24:]), Point: le.Uint32(b[28:]), Kind: Kind(b[32]), Type: b[33], Quality: b[34],
		}
		size := int(le.Uint16(b[35:]))
		if !plain {
			e.ElapsedMs, e.Transient = le.Uint16(b[37:]), b[39] != 0
		}
		b = b[fixed:]
		if size > len(b) {
			return fmt.Errorf("event %d: note of %d octets where %d are left", j.last+1, size, len(b))
		}
		if size > 0 {
			err := read(b[:size], func(p *fsmpb.Note) error { e.Note = noteFromProto(p); return nil })
			if err != nil {
				return fmt.Errorf("event %d: %w", j.last+1, err)
			}
		}
		b = b[size:]
		j.append(e)
	}
	return nil
}

func noteFromProto(p *fsmpb.Note) *Note {
	return &Note{
		Kind: NoteKind(p.Kind), Resource: p.Resource, Epoch: p.Epoch, From: p.From, To: p.To, Reason: p.Reason,
		Timings: timingsFromProto(p.Timings), Control: p.Control, Origin: p.Origin, Stage: Stage(p.Stage), OK: p.Ok, Count: p.Count,
		Condition: conditionNoteFromProto(p.Condition),
	}
}

func (in *restorer) takeTail(p *fsmpb.SnapshotTail) error {
	s := in.s
	if p.Points != uint64(s.image.points) || p.Events != s.journal.last-s.journal.first+1 || s.journal.last != in.head.JournalLast {
		return fmt.Errorf("%d points and %d events: expected %d and %d", s.image.points, s.journal.last-s.journal.first+1, p.Points, p.Events)
	}
	for _, u := range s.rtus {
		slices.SortFunc(u.pending, func(a, b *Control) int { return cmp.Compare(a.Number, b.Number) })
	}
	in.finished = true
	return nil
}
