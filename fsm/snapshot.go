package fsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/audit"
	"github.com/fepha/fepha/fsm/internal/frame"
	"github.com/fepha/fepha/fsm/internal/image"
	"github.com/fepha/fepha/fsm/internal/journal"
)

// A snapshot is the octets "fephafsm", a format number of four octets, and frames (package frame): first the head, then the
// configuration, then one frame for each small thing, then points and events in blocks, and the tail. Small things are protobuf
// messages (fsmpb/snapshot.proto). Points and events are many, so they have a fixed form. All numbers are little endian. What is
// equal is written alike, so equal states have equal snapshots.

const (
	snapshotMagic = "fephafsm"

	// The format of a state of feature level 0, so that the builds that know no other can go on with it. Format 1 had the audit
	// among the events: see restore_format1.go.
	snapshotFormat0 = 2
	// The format of all others. What a build doesn't know of it, the level in the head says.
	snapshotFormat = 3
)

// Snapshot is the state at one moment. It does not change any more.
type Snapshot struct {
	index   uint64
	small   []byte // frames of all but points and events
	points  image.Frozen
	journal *journal.Journal
	audit   *audit.Audit

	versions []*ConfigVersion // never rewritten, as is the next
	upload   []byte
	format   uint32
}

// Snapshot freezes the state. It counts as a write. Small things are encoded at once, and the chunks of points and events
// are shared.
func (s *State) Snapshot() *Snapshot { return s.snapshot(s.image.Freeze()) }

// view is the state as a snapshot that is good only until the next write.
func (s *State) view() *Snapshot { return s.snapshot(s.image.View()) }

func (s *State) snapshot(points image.Frozen) *Snapshot {
	format := uint32(snapshotFormat0)
	if s.level > 0 {
		format = snapshotFormat
	}
	return &Snapshot{
		index: s.index, small: s.encodeSmall(), points: points, journal: s.journal.Freeze(), audit: s.audit.Freeze(),
		versions: s.versions.All(), upload: s.versions.Upload(), format: format,
	}
}

// Index is the log index of the last entry in the snapshot.
func (n *Snapshot) Index() uint64 { return n.index }

// Digest is a hash of the whole state, in hex. Two nodes of one build that have applied the same entries have the same.
func (s *State) Digest() string {
	h := sha256.New()
	if _, err := s.view().WriteTo(h); err != nil {
		panic(err) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// WriteTo writes the snapshot. It may run while Apply goes on.
func (n *Snapshot) WriteTo(w io.Writer) (int64, error) {
	count := &countingWriter{w: w}
	out := bufio.NewWriterSize(count, 1<<16)
	out.WriteString(snapshotMagic)
	out.Write(binary.LittleEndian.AppendUint32(nil, n.format))
	out.Write(n.small)
	var buf []byte
	for _, v := range n.versions {
		buf = frame.AppendMessage(buf[:0], frame.Version, v.Proto())
		out.Write(buf)
	}
	if len(n.upload) > 0 {
		out.Write(frame.End(append(frame.Begin(buf[:0], frame.Upload), n.upload...), 0))
	}
	n.points.WriteFrames(out)
	n.audit.WriteFrames(out)
	n.journal.WriteFrames(out)
	tail := frame.AppendMessage(nil, frame.Tail, &fsmpb.SnapshotTail{
		Points: uint64(n.points.Count()), Events: n.journal.Count(), Audit: n.audit.Count(),
	})
	out.Write(tail)
	err := out.Flush() // the first error of any write
	return count.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// encodeSmall writes all but points and events.
func (s *State) encodeSmall() []byte {
	ageMs, ageMarks := s.journal.AgeProto()
	b := frame.AppendMessage(nil, frame.Head, &fsmpb.SnapshotHead{
		Index: s.index, JournalFirst: s.journal.Oldest(), JournalLast: s.journal.Last(), Version: s.image.Version(),
		EpochFloor: s.epochFloor, Revisions: s.Revisions().proto(), ControlNumber: s.controls.Number(), ConfigStage: s.stage,
		AgeMs: ageMs, AgeMarks: ageMarks, AuditNumber: s.audit.Last(), AuditBefore: s.audit.Roots(), Level: s.level,
	})
	b = frame.AppendMessage(b, frame.Config, s.config)
	for _, n := range s.nodes {
		b = frame.AppendMessage(b, frame.Node, &fsmpb.NodeInfo{Id: n.ID, Alive: n.Alive, Lease: n.Lease, SinceMs: n.SinceMs, Stopping: n.Stopping, Maintenance: n.Maintenance})
	}
	for _, r := range s.sortedResources() {
		b = frame.AppendMessage(b, frame.Resource, r.Proto())
	}
	for _, u := range s.sortedRTUs() {
		b = frame.AppendMessage(b, frame.RTU, u.proto())
	}
	for _, g := range s.groups {
		b = frame.AppendMessage(b, frame.Group, g.proto())
	}
	for _, e := range s.exports.All() {
		b = frame.AppendMessage(b, frame.Export, e.Proto())
	}
	for _, v := range s.virtual.points {
		b = frame.AppendMessage(b, frame.Virtual, &fsmpb.VirtualState{
			Rtu: v.RTU, Point: v.Point, ValA: v.ValA, ValB: v.ValB, Val: v.Val, Time: v.Time, TimeMs: v.TimeMs,
		})
	}
	for _, r := range s.audit.RefusalProtos() {
		b = frame.AppendMessage(b, frame.Refusal, r)
	}
	b = s.appendTable(b)
	for _, p := range s.checks.Proto() {
		b = frame.AppendMessage(b, frame.Check, p)
	}
	if !s.mailbox.Empty() {
		b = frame.AppendMessage(b, frame.Mailbox, s.mailbox.Proto())
	}
	if !s.conditions.Empty() {
		b = frame.AppendMessage(b, frame.Conditions, s.conditions.Proto())
	}
	if !s.access.Empty() {
		b = frame.AppendMessage(b, frame.Access, s.access.Proto())
	}
	for c := range s.controls.Protos() {
		b = frame.AppendMessage(b, frame.Control, c)
	}
	return b
}

func (r Revisions) proto() *fsmpb.Revisions {
	return &fsmpb.Revisions{
		Config: r.Config, Resources: r.Resources, Online: r.Online, Links: r.Links, Nodes: r.Nodes,
		Clients: r.Clients, Cursors: r.Cursors, Controls: r.Controls, Virtual: r.Virtual, Fnp: r.FNP,
		Conditions: r.Conditions, Access: r.Access, Exports: r.Exports, Outages: r.Outages,
	}
}

func (u *rtu) proto() *fsmpb.RTUState {
	p := &fsmpb.RTUState{
		Number: u.number, Online: u.online, OnlineSinceMs: u.onlineSinceMs, Strays: u.strays.total, Kept: u.keptProto(), Untold: u.untoldProto(),
		Overrides: u.overridesProto(),
	}
	for _, node := range slices.Sorted(maps.Keys(u.links)) {
		nl := &fsmpb.RTUState_NodeLinks{Node: node}
		for _, l := range u.links[node] {
			nl.Links = append(nl.Links, &fsmpb.Links_Link{Channel: l.Channel, Link: l.Link, State: fsmpb.LinkState(l.State), Doubted: l.Doubted})
		}
		p.Links = append(p.Links, nl)
	}
	return p
}

func (g *group) proto() *fsmpb.GroupState {
	p := &fsmpb.GroupState{Id: g.resource.ID, Base: g.base, Lost: g.lost, LostTo: g.lostTo, Frozen: g.frozenProto()}
	for _, c := range g.slots {
		p.Slots = append(p.Slots, &fsmpb.GroupState_Slot{Name: c.Name, Seq: c.Seq, Dropped: c.Dropped, Overflow: c.Overflow, LostTo: c.LostTo})
	}
	for _, node := range slices.Sorted(maps.Keys(g.clients)) {
		nc := &fsmpb.GroupState_NodeClients{Node: node}
		for _, c := range g.clients[node] {
			nc.Clients = append(nc.Clients, c.Proto())
		}
		p.Clients = append(p.Clients, nc)
	}
	return p
}
