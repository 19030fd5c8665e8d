package fsm

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/access"
	"github.com/fepha/fepha/fsm/internal/command"
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
	format   uint32
	seq      uint64 // of the newest event so far
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
	in.format = binary.LittleEndian.Uint32(b[len(snapshotMagic):])
	if in.format < 1 || in.format > snapshotFormat {
		return fmt.Errorf("%w: format %d, this build knows 1 to %d", ErrNotSnapshot, in.format, snapshotFormat)
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
		return read(payload, in.s.access.Restore)
	case framePlainPoints, framePoints:
		return in.takePoints(payload, kind == framePlainPoints)
	case framePlainEvents, frameEvents:
		return in.takeEventsFormat1(payload, kind == framePlainEvents)
	case frameJournal:
		return in.takeJournal(payload)
	case frameAudit:
		return in.takeAudit(payload)
	case frameExport:
		return read(payload, func(p *fsmpb.ExportState) error { return in.s.exports.Restore(p, in.head.JournalLast) })
	case frameRefusal:
		return read(payload, in.takeRefusal)
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
	if h.JournalFirst == 0 || h.JournalFirst > h.JournalLast+1 || h.JournalLast == math.MaxUint64 {
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
	s.configureNodes(command.Stamp{}, cfg)
	s.configureRTUs(command.Stamp{}, cfg)
	s.configureGroups(command.Stamp{}, cfg)
	s.configureFNP(command.Stamp{}, cfg)
	s.configureExports(command.Stamp{}, cfg)
	s.exports.CountFrom(h.Revisions.GetExports())
	s.virtual = indexVirtual(virtual)

	s.index, s.epochFloor, s.controls.number, s.stage = h.Index, h.EpochFloor, h.ControlNumber, h.ConfigStage
	s.rev = Revisions{
		Config: h.Revisions.GetConfig(), Resources: h.Revisions.GetResources(), Online: h.Revisions.GetOnline(),
		Links: h.Revisions.GetLinks(), Nodes: h.Revisions.GetNodes(), Clients: h.Revisions.GetClients(),
		Cursors: h.Revisions.GetCursors(), Controls: h.Revisions.GetControls(), Virtual: h.Revisions.GetVirtual(),
		FNP: h.Revisions.GetFnp(), Conditions: h.Revisions.GetConditions(), Outages: h.Revisions.GetOutages(),
	}
	s.access = access.New(h.Revisions.GetAccess(), s.noteAccess)
	s.image = newImage(h.Version)
	s.journal = newJournal(h.JournalLast+1, cfg.Retain)
	s.age.ms = h.AgeMs
	for _, m := range h.AgeMarks {
		s.age.marks = append(s.age.marks, ageMark{m.Ms, m.Seq})
	}
	s.audit.last = h.AuditNumber
	for c, hash := range h.AuditBefore {
		if c >= int(auditChains) || len(hash) != sha256.Size {
			return fmt.Errorf("audit: hash of %d octets before chain %d", len(hash), c)
		}
		s.audit.rings[c].before = AuditHash(hash)
	}
	in.started = true
	return nil
}

func (in *restorer) takeNode(p *fsmpb.NodeInfo) error {
	n := in.s.node(p.Id)
	if n == nil {
		return fmt.Errorf("node %q is not in the configuration", p.Id)
	}
	n.Alive, n.Lease, n.SinceMs, n.Stopping, n.Maintenance = p.Alive, p.Lease, p.SinceMs, p.Stopping, p.Maintenance
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
	for _, x := range p.Untold {
		id := pointID{Kind(x.Kind), x.Point}
		if _, twice := u.untold[id]; twice || !id.kind.monitored() || x.Type > math.MaxUint8 || x.Quality > math.MaxUint8 {
			return fmt.Errorf("RTU %d: %v %d, of which not all is told: type %d, quality %d", p.Number, id.kind, id.point, x.Type, x.Quality)
		}
		u.keepTold(id, information{x.Value, uint8(x.Type), uint8(x.Quality), x.Transient, x.TimeMs})
	}
	if err := in.takeOverrides(u, p); err != nil {
		return err
	}
	return in.takeStrays(u, p)
}

func (in *restorer) takeGroup(p *fsmpb.GroupState) error {
	g := in.s.group(p.Id)
	if g == nil {
		return fmt.Errorf("group %q is not in the configuration", p.Id)
	}
	g.base, g.lost, g.lostTo = p.Base, p.Lost, p.LostTo
	g.slots = nil
	for i, c := range p.Slots {
		if c.Seq > in.head.JournalLast || i > 0 && c.Name <= p.Slots[i-1].Name {
			return fmt.Errorf("group %q: cursor %q at %d", p.Id, c.Name, c.Seq)
		}
		g.slots = append(g.slots, Slot{Name: c.Name, Seq: c.Seq, Dropped: c.Dropped, Overflow: c.Overflow, LostTo: c.LostTo})
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
			clients = append(clients, readClient(nc.Node, c))
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
	if why := faultOfControl(command.Stamp{Ms: op.DeadlineMs}, op); why != "" || s.controls.get(op.Id) != nil {
		return fmt.Errorf("control %q is there twice, or: %s", op.Id, why)
	}
	if Stage(p.Stage) < Submitted || p.Stage > uint32(Done) || p.Cause > math.MaxUint8 {
		return fmt.Errorf("control %q: stage %d, cause %d", op.Id, p.Stage, p.Cause)
	}
	c := newControl(op)
	c.Number, c.Stage, c.OK, c.Reason, c.Cause = p.Number, Stage(p.Stage), p.Ok, p.Reason, uint8(p.Cause)
	c.Node, c.Epoch, c.Used, c.Revision, c.AnsweredSeq = p.Node, p.Epoch, p.Used, p.Revision, p.AnsweredSeq
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
		if !plain {
			rec.transient, rec.asValue = b[47]&1 != 0, b[47]&2 != 0
		}
	}
	return nil
}

func (in *restorer) takeJournal(b []byte) error {
	le, j := binary.LittleEndian, &in.s.journal
	if len(b) == 0 || len(b)%eventRecordSize != 0 {
		return fmt.Errorf("%d octets of events", len(b))
	}
	for ; len(b) > 0; b = b[eventRecordSize:] {
		e := Event{
			Seq: le.Uint64(b), Value: math.Float64frombits(le.Uint64(b[8:])), Time: le.Uint64(b[16:]), TimeMs: int64(le.Uint64(b[24:])),
			RTU: le.Uint32(b[32:]), Point: le.Uint32(b[36:]), Kind: Kind(b[40]), Type: b[41], Quality: b[42],
			ElapsedMs: le.Uint16(b[43:]), Transient: b[45] != 0,
		}
		if e.Seq <= in.seq || e.Seq > in.head.JournalLast || j.count == j.retain {
			return fmt.Errorf("event %d after %d of %d to %d, %d of %d are there", e.Seq, in.seq, in.head.JournalFirst, in.head.JournalLast, j.count, j.retain)
		}
		in.seq = e.Seq
		j.hold(e)
	}
	return nil
}

func (in *restorer) takeAudit(b []byte) error {
	le := binary.LittleEndian
	if len(b) == 0 || AuditChain(b[0]) >= auditChains {
		return errors.New("no such chain of the audit")
	}
	ring := &in.s.audit.rings[b[0]]
	for b = b[1:]; len(b) > 0; {
		if len(b) < auditRecordSize {
			return fmt.Errorf("audit: %d octets", len(b))
		}
		r := auditRecord{number: le.Uint64(b), seq: le.Uint64(b[8:]), hash: AuditHash(b[16:])}
		size := uint64(le.Uint32(b[16+sha256.Size:]))
		b = b[auditRecordSize:]
		if size > uint64(len(b)) {
			return fmt.Errorf("audit: entry %d of %d octets where %d are left", r.number, size, len(b))
		}
		r.entry = string(b[:size])
		b = b[size:]
		n := len(ring.records)
		if n > 0 && (r.number <= ring.records[n-1].number || r.seq <= ring.records[n-1].seq) || r.number > in.head.AuditNumber || r.seq > in.head.JournalLast {
			return fmt.Errorf("audit: entry %d at %d is out of order", r.number, r.seq)
		}
		if err := proto.Unmarshal([]byte(r.entry), new(fsmpb.AuditEntry)); err != nil {
			return fmt.Errorf("audit: entry %d: %w", r.number, err)
		}
		ring.records, ring.size = append(ring.records, r), ring.size+len(r.entry)
	}
	if len(ring.records) > maxAudit || ring.size > maxAuditSize {
		return fmt.Errorf("audit: %d entries of %d octets", len(ring.records), ring.size)
	}
	return nil
}

func (in *restorer) takeRefusal(p *fsmpb.Refusal) error {
	r := &in.s.refusals
	k := refusalKey{p.Action, p.Origin}
	if r.by[k] != nil {
		return fmt.Errorf("refusals of %q to %q are there twice", p.Action, p.Origin)
	}
	r.by[k] = &refusal{action: p.Action, origin: p.Origin, resource: p.Resource, reason: p.Reason, count: p.Count, toldMs: p.ToldMs}
	r.schedule()
	return nil
}

func noteFromProto(p *fsmpb.Note) Note {
	return Note{
		Kind: NoteKind(p.GetKind()), Resource: p.GetResource(), Epoch: p.GetEpoch(), From: p.GetFrom(), To: p.GetTo(), Reason: p.GetReason(),
		Timings: timingsFromProto(p.GetTimings()), Control: p.GetControl(), Origin: p.GetOrigin(), Stage: Stage(p.GetStage()), OK: p.GetOk(),
		Count: p.GetCount(), Condition: conditionNoteFromProto(p.GetCondition()),
	}
}

func (in *restorer) takeTail(p *fsmpb.SnapshotTail) error {
	s := in.s
	if in.format == 1 {
		if err := in.settleFormat1(p); err != nil {
			return err
		}
	}
	if p.Points != uint64(s.image.points) || p.Events != s.journal.count || p.Audit != s.audit.count() {
		return fmt.Errorf("%d points, %d events and %d entries of the audit: expected %d, %d and %d",
			s.image.points, s.journal.count, s.audit.count(), p.Points, p.Events, p.Audit)
	}
	for _, u := range s.rtus {
		slices.SortFunc(u.pending, func(a, b *Control) int { return cmp.Compare(a.Number, b.Number) })
	}
	in.finished = true
	return nil
}
