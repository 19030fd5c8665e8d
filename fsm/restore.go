package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/access"
	"github.com/fepha/fepha/fsm/internal/command"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/control"
	"github.com/fepha/fepha/fsm/internal/frame"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/journal"
	"github.com/fepha/fepha/fsm/internal/points"
)

// What Restore refuses.
var (
	// ErrNotSnapshot: the file begins with something else, or is of a format that this build does not know.
	ErrNotSnapshot = errors.New("not a snapshot of this format")
	// ErrDamaged: the file was cut short or changed. Nothing of it can be trusted.
	ErrDamaged = errors.New("snapshot is damaged")
	// ErrNewer: a newer build wrote it, after all nodes had understood what this one doesn't.
	ErrNewer = errors.New("of a newer version of fepha")
)

// Restore reads what WriteTo wrote. A file that was cut short or changed is refused with [ErrDamaged] or
// [ErrNotSnapshot], saying where.
func Restore(r io.Reader) (*State, error) {
	in := &restorer{frames: frame.NewReader(r), s: New()}
	if err := in.start(); err != nil {
		return nil, err
	}
	for !in.finished {
		at := in.frames.Offset
		kind, payload, err := in.frames.Next()
		if err == nil {
			err = in.take(kind, payload)
		}
		if errors.Is(err, ErrNewer) {
			return nil, fmt.Errorf("%w: %w", ErrNotSnapshot, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: frame %d at octet %d: %w", ErrDamaged, kind, at, err)
		}
	}
	if !in.frames.Ended() {
		return nil, fmt.Errorf("%w: something follows its end at octet %d", ErrDamaged, in.frames.Offset)
	}
	return in.s, nil
}

// restorer fills a state frame by frame.
type restorer struct {
	frames   *frame.Reader
	format   uint32
	seq      uint64 // of the newest event so far, in format 1
	s        *State
	head     *fsmpb.SnapshotHead // nil before it came
	started  bool                // the configuration came: resources exist
	finished bool
}

func (in *restorer) start() error {
	var b [len(snapshotMagic) + 4]byte
	if err := in.frames.Start(b[:]); err != nil {
		return fmt.Errorf("%w: its start: %w", ErrNotSnapshot, err)
	}
	if string(b[:len(snapshotMagic)]) != snapshotMagic {
		return fmt.Errorf("%w: it starts with % x", ErrNotSnapshot, b[:len(snapshotMagic)])
	}
	in.format = binary.LittleEndian.Uint32(b[len(snapshotMagic):])
	if in.format < 1 || in.format > snapshotFormat {
		return fmt.Errorf("%w: %w: format %d, this build knows 1 to %d", ErrNotSnapshot, ErrNewer, in.format, snapshotFormat)
	}
	return nil
}

// take stores one frame. Checksums tell that it was not changed; what is checked besides is what code elsewhere relies on.
func (in *restorer) take(kind frame.Kind, payload []byte) error {
	if (kind == frame.Head) != (in.head == nil) || (kind == frame.Config) != (in.head != nil && !in.started) {
		return errors.New("out of order: expected the head, the configuration, and then the rest")
	}
	switch kind {
	case frame.Head:
		return read(payload, in.takeHead)
	case frame.Config:
		return read(payload, in.takeConfig)
	case frame.Node:
		return read(payload, in.takeNode)
	case frame.Resource:
		return read(payload, in.takeResource)
	case frame.RTU:
		return read(payload, in.takeRTU)
	case frame.Group:
		return read(payload, in.takeGroup)
	case frame.Virtual:
		return read(payload, in.takeVirtual)
	case frame.Control:
		return read(payload, in.s.controls.Restore)
	case frame.Table:
		return in.s.takeTable(payload)
	case frame.Mailbox:
		return read(payload, in.takeMailbox)
	case frame.Conditions:
		return read(payload, in.s.conditions.Restore)
	case frame.Check:
		return read(payload, in.takeCheck)
	case frame.Access:
		return read(payload, in.s.access.Restore)
	case frame.PlainPoints, frame.Points:
		return in.s.image.Restore(payload, kind == frame.PlainPoints)
	case frame.PlainEvents, frame.Events:
		return in.takeEventsFormat1(payload, kind == frame.PlainEvents)
	case frame.Journal:
		return in.s.journal.Restore(payload)
	case frame.Audit:
		return in.s.audit.Restore(payload, in.head.JournalLast)
	case frame.Export:
		return read(payload, func(p *fsmpb.ExportState) error { return in.s.exports.Restore(p, in.head.JournalLast) })
	case frame.Refusal:
		return read(payload, in.s.audit.RestoreRefusal)
	case frame.Version:
		return read(payload, in.s.versions.Restore)
	case frame.Upload:
		return in.s.versions.RestoreUpload(payload)
	case frame.Tail:
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
	if h.Level > Level {
		return fmt.Errorf("%w: feature level %d, this build knows 0 to %d", ErrNewer, h.Level, Level)
	}
	if (in.format == snapshotFormat) != (h.Level > 0) {
		return fmt.Errorf("feature level %d in format %d", h.Level, in.format)
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

	s.index, s.epochFloor, s.stage, s.level = h.Index, h.EpochFloor, h.ConfigStage, h.Level
	s.rev = Revisions{
		Config: h.Revisions.GetConfig(), Resources: h.Revisions.GetResources(), Online: h.Revisions.GetOnline(),
		Links: h.Revisions.GetLinks(), Nodes: h.Revisions.GetNodes(), Clients: h.Revisions.GetClients(),
		Cursors: h.Revisions.GetCursors(), Virtual: h.Revisions.GetVirtual(),
		FNP: h.Revisions.GetFnp(), Outages: h.Revisions.GetOutages(),
	}
	s.conditions = condition.New(h.Revisions.GetConditions(), s.aroundConditions())
	s.controls = control.New(h.ControlNumber, h.Revisions.GetControls(), s.aroundControls())
	s.access = access.New(h.Revisions.GetAccess(), s.noteAccess)
	s.image = image.New(h.Version)
	s.journal = journal.New(h.JournalLast+1, cfg.Retain)
	s.journal.RestoreAge(h.AgeMs, h.AgeMarks)
	if err := s.audit.Resume(h.AuditNumber, h.AuditBefore); err != nil {
		return err
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
	return r.Restore(p)
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
		if _, twice := u.untold[id]; twice || !id.kind.Monitored() || x.Type > math.MaxUint8 || x.Quality > math.MaxUint8 {
			return fmt.Errorf("RTU %d: %v %d, of which not all is told: type %d, quality %d", p.Number, id.kind, id.point, x.Type, x.Quality)
		}
		u.keepTold(id, points.Information{Value: x.Value, Type: uint8(x.Type), Quality: uint8(x.Quality), Transient: x.Transient, TimeMs: x.TimeMs})
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
	if len(p.Frozen) > 0 {
		g.frozen = map[PointKey]Point{}
	}
	for _, f := range p.Frozen {
		k := PointKey{RTU: f.Rtu, Kind: Counter, Point: f.Point}
		if _, twice := g.frozen[k]; twice || f.Type > math.MaxUint8 || f.Quality > math.MaxUint8 {
			return fmt.Errorf("group %q: frozen %v: type %d, quality %d", p.Id, k, f.Type, f.Quality)
		}
		g.frozen[k] = Point{Value: f.Value, Quality: uint8(f.Quality), Type: uint8(f.Type), Time: f.Time, TimeMs: f.TimeMs}
	}
	return nil
}

func (in *restorer) takeVirtual(p *fsmpb.VirtualState) error {
	i, ok := in.s.virtual.byKey[PointKey{RTU: p.Rtu, Kind: DI, Point: p.Point}]
	if !ok {
		return fmt.Errorf("virtual point %d/%d is not in the configuration", p.Rtu, p.Point)
	}
	v := in.s.virtual.points[i]
	v.ValA, v.ValB, v.Val, v.Time, v.TimeMs = p.ValA, p.ValB, p.Val, p.Time, p.TimeMs
	return nil
}

func (in *restorer) takeTail(p *fsmpb.SnapshotTail) error {
	s := in.s
	if in.format == 1 {
		if err := in.settleFormat1(p); err != nil {
			return err
		}
	}
	if p.Points != uint64(s.image.Count()) || p.Events != s.journal.Count() || p.Audit != s.audit.Count() {
		return fmt.Errorf("%d points, %d events and %d entries of the audit: expected %d, %d and %d",
			s.image.Count(), s.journal.Count(), s.audit.Count(), p.Points, p.Events, p.Audit)
	}
	s.controls.Restored()
	in.finished = true
	return nil
}
