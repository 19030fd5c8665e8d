package fsm

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// A snapshot is the octets "fephafsm", a format number of four octets, and frames:
//
//	kind (1)  length of the payload (4)  payload  CRC-32C of all that (4)
//
// First the head, then the configuration, then one frame for each small thing, then points and events in blocks, and the
// tail. Small things are protobuf messages (fsmpb/snapshot.proto). Points and events are many, so they have a fixed form,
// below. All numbers are little endian. What is equal is written alike, so equal states have equal snapshots.

const (
	snapshotMagic  = "fephafsm"
	snapshotFormat = 2 // 1 had the audit among the events: see restore_format1.go

	blockPoints = 1024
	blockEvents = 1024
	blockAudit  = 256
)

type frameKind uint8

const (
	frameHead frameKind = iota + 1
	frameConfig
	frameNode
	frameResource
	frameRTU
	frameGroup
	frameVirtual
	frameControl
	framePlainPoints // of builds that knew no transient bit: read, not written
	framePlainEvents // of builds that knew no transient bit and no elapsed time: read, not written
	frameTable
	frameTail
	frameMailbox    // before the tail: kinds keep their numbers
	frameConditions // as well
	frameAccess
	framePoints // as well
	frameEvents // as well, in format 1 alone
	frameJournal
	frameAudit
	frameRefusal
	frameExport
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot is the state at one moment. It does not change any more.
type Snapshot struct {
	index   uint64
	small   []byte // frames of all but points and events
	rtus    []frozenRTU
	points  int
	journal journal
	audit   audit // its records are never rewritten
}

// Snapshot freezes the state. It counts as a write. Small things are encoded at once, and the chunks of points and events
// are shared.
func (s *State) Snapshot() *Snapshot {
	frozen := s.view()
	s.image.generation++
	return frozen
}

// view is the state as a snapshot that is good only until the next write.
func (s *State) view() *Snapshot {
	return &Snapshot{index: s.index, small: s.encodeSmall(), rtus: s.image.list(), points: s.image.points, journal: s.journal.freeze(), audit: s.audit}
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
	out.Write(binary.LittleEndian.AppendUint32(nil, snapshotFormat))
	out.Write(n.small)
	var buf []byte
	for _, r := range n.rtus {
		for from := 0; from < r.n; from += blockPoints {
			buf = appendPoints(buf[:0], r, from, min(from+blockPoints, r.n))
			out.Write(buf)
		}
	}
	for chain := range n.audit.rings {
		records := n.audit.rings[chain].records
		for from := 0; from < len(records); from += blockAudit {
			buf = appendAudit(buf[:0], AuditChain(chain), records[from:min(from+blockAudit, len(records))])
			out.Write(buf)
		}
	}
	events := make([]Event, blockEvents)
	for after := uint64(0); ; {
		block := n.journal.read(after, events)
		if len(block) == 0 {
			break
		}
		buf = appendEvents(buf[:0], block)
		out.Write(buf)
		after = block[len(block)-1].Seq
	}
	buf = appendMessage(buf[:0], frameTail, &fsmpb.SnapshotTail{
		Points: uint64(n.points), Events: n.journal.count, Audit: n.audit.count(),
	})
	out.Write(buf)
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

// beginFrame appends the start of a frame, endFrame its length and checksum.
func beginFrame(b []byte, kind frameKind) []byte { return append(b, byte(kind), 0, 0, 0, 0) }

func endFrame(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start+1:], uint32(len(b)-start-5))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func appendMessage(b []byte, kind frameKind, m proto.Message) []byte {
	start := len(b)
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(beginFrame(b, kind), m)
	if err != nil {
		panic(err) // only for text that is not UTF-8, and none such comes out of a decoded command
	}
	return endFrame(b, start)
}

// pointRecordSize: value, time, ms, seq, version (8 each), point (4), kind, type, quality (1 each), transient and as value (bits 0 and 1 of 1). In framePlainPoints
// the last octet is missing.
const pointRecordSize = 5*8 + 4 + 4

// appendPoints writes a block: the RTU's number (4), and records.
func appendPoints(b []byte, r frozenRTU, from, to int) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(beginFrame(b, framePoints), r.number)
	for pos := from; pos < to; pos++ {
		rec := &r.chunks[pos/chunkPoints].points[pos%chunkPoints]
		b = le.AppendUint64(b, math.Float64bits(rec.value))
		b = le.AppendUint64(b, rec.time)
		b = le.AppendUint64(b, uint64(rec.timeMs))
		b = le.AppendUint64(b, rec.seq)
		b = le.AppendUint64(b, rec.version)
		b = le.AppendUint32(b, rec.point)
		b = append(b, byte(rec.kind), rec.typeID, rec.quality, octet(rec.transient)|octet(rec.asValue)<<1)
	}
	return endFrame(b, 0)
}

// eventRecordSize: number, value, time, ms (8 each), RTU, point (4 each), kind, type, quality (1 each), elapsed time (2),
// transient (1).
const eventRecordSize = 4*8 + 2*4 + 3 + 3

// appendEvents writes a block of records.
func appendEvents(b []byte, events []Event) []byte {
	le := binary.LittleEndian
	b = beginFrame(b, frameJournal)
	for i := range events {
		e := &events[i]
		b = le.AppendUint64(b, e.Seq)
		b = le.AppendUint64(b, math.Float64bits(e.Value))
		b = le.AppendUint64(b, e.Time)
		b = le.AppendUint64(b, uint64(e.TimeMs))
		b = le.AppendUint32(b, e.RTU)
		b = le.AppendUint32(b, e.Point)
		b = append(b, byte(e.Kind), e.Type, e.Quality)
		b = append(le.AppendUint16(b, e.ElapsedMs), octet(e.Transient))
	}
	return endFrame(b, 0)
}

// auditRecordSize: number, place in the journal (8 each), hash (32), length of the entry (4). The entry follows.
const auditRecordSize = 2*8 + sha256.Size + 4

// appendAudit writes a block: the chain (1), and records.
func appendAudit(b []byte, chain AuditChain, records []auditRecord) []byte {
	le := binary.LittleEndian
	b = append(beginFrame(b, frameAudit), byte(chain))
	for i := range records {
		r := &records[i]
		b = le.AppendUint64(b, r.number)
		b = le.AppendUint64(b, r.seq)
		b = append(b, r.hash[:]...)
		b = le.AppendUint32(b, uint32(len(r.entry)))
		b = append(b, r.entry...)
	}
	return endFrame(b, 0)
}

func octet(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// encodeSmall writes all but points and events.
func (s *State) encodeSmall() []byte {
	b := appendMessage(nil, frameHead, &fsmpb.SnapshotHead{
		Index: s.index, JournalFirst: s.journal.oldest(), JournalLast: s.journal.last, Version: s.image.version,
		EpochFloor: s.epochFloor, Revisions: s.Revisions().proto(), ControlNumber: s.controls.number, ConfigStage: s.stage,
		AgeMs: s.age.ms, AgeMarks: s.age.proto(), AuditNumber: s.audit.last, AuditBefore: s.audit.roots(),
	})
	b = appendMessage(b, frameConfig, s.config)
	for _, n := range s.nodes {
		b = appendMessage(b, frameNode, &fsmpb.NodeInfo{Id: n.ID, Alive: n.Alive, Lease: n.Lease, SinceMs: n.SinceMs, Stopping: n.Stopping, Maintenance: n.Maintenance})
	}
	for _, r := range s.sortedResources() {
		b = appendMessage(b, frameResource, r.proto())
	}
	for _, u := range s.sortedRTUs() {
		b = appendMessage(b, frameRTU, u.proto())
	}
	for _, g := range s.groups {
		b = appendMessage(b, frameGroup, g.proto())
	}
	for _, e := range s.exports.All() {
		b = appendMessage(b, frameExport, e.Proto())
	}
	for _, v := range s.virtual.points {
		b = appendMessage(b, frameVirtual, &fsmpb.VirtualState{
			Rtu: v.RTU, Point: v.Point, ValA: v.ValA, ValB: v.ValB, Val: v.Val, Time: v.Time, TimeMs: v.TimeMs,
		})
	}
	for _, k := range s.refusals.keys() {
		b = appendMessage(b, frameRefusal, s.refusals.by[k].proto())
	}
	b = s.appendTable(b)
	if !s.mailbox.Empty() {
		b = appendMessage(b, frameMailbox, s.mailbox.Proto())
	}
	if len(s.conditions.present)+len(s.conditions.gone) > 0 {
		b = appendMessage(b, frameConditions, s.conditions.proto())
	}
	if !s.access.Empty() {
		b = appendMessage(b, frameAccess, s.access.Proto())
	}
	for e := s.controls.recent.Front(); e != nil; e = e.Next() {
		b = appendMessage(b, frameControl, e.Value.(*Control).proto())
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

func (r *Resource) proto() *fsmpb.ResourceState {
	return &fsmpb.ResourceState{
		Id: r.ID, Owner: r.Owner, Epoch: r.Epoch, Phase: uint32(r.Phase), Target: r.Target, SinceMs: r.SinceMs,
		Reason: r.Reason, Pin: r.Pin, LastBatch: r.LastBatch, Timings: r.Timings.proto(),
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
	p := &fsmpb.GroupState{Id: g.resource.ID, Base: g.base, Lost: g.lost, LostTo: g.lostTo}
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

func (c *Control) proto() *fsmpb.ControlState {
	return &fsmpb.ControlState{
		Submit: &fsmpb.ControlSubmit{
			Id: c.ID, Origin: c.Origin, Rtu: c.RTU, Kind: c.Kind.Proto(), Point: c.Point, Type: uint32(c.Type), Value: c.Value,
			Qualifier: uint32(c.Qualifier), Phase: fsmpb.ControlSubmit_Phase(c.Phase), SelectId: c.SelectID,
			DeadlineMs: c.DeadlineMs, Category: c.Category, Requester: c.Requester,
		},
		Number: c.Number, Stage: uint32(c.Stage), Ok: c.OK, Reason: c.Reason, Cause: uint32(c.Cause), Node: c.Node, Epoch: c.Epoch,
		Used: c.Used, SubmittedMs: c.SubmittedMs, StartedMs: c.StartedMs, ConfirmedMs: c.ConfirmedMs, DoneMs: c.DoneMs,
		Revision: c.Revision, AnsweredSeq: c.AnsweredSeq,
	}
}

func (n *Note) proto() *fsmpb.Note {
	return &fsmpb.Note{
		Kind: uint32(n.Kind), Resource: n.Resource, Epoch: n.Epoch, From: n.From, To: n.To, Reason: n.Reason,
		Timings: n.Timings.proto(), Control: n.Control, Origin: n.Origin, Stage: uint32(n.Stage), Ok: n.OK, Count: n.Count,
		Condition: n.Condition.proto(),
	}
}

func (a *age) proto() (marks []*fsmpb.AgeMark) {
	for _, m := range a.marks {
		marks = append(marks, &fsmpb.AgeMark{Ms: m.ms, Seq: m.seq})
	}
	return marks
}

// roots are the hashes that the rings begin with.
func (a *audit) roots() (hashes [][]byte) {
	for c := range a.rings {
		hashes = append(hashes, a.rings[c].before[:])
	}
	return hashes
}

func (r *refusal) proto() *fsmpb.Refusal {
	return &fsmpb.Refusal{Action: r.action, Origin: r.origin, Resource: r.resource, Reason: r.reason, Count: r.count, ToldMs: r.toldMs}
}
