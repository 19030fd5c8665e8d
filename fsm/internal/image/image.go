// Package image is the newest value of every point, and which points changed last.
package image

import (
	"maps"
	"slices"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/points"
)

// The image keeps each RTU's points in chunks, in the order in which they were first seen, with an index beside them. A
// snapshot takes the list of chunks and raises the generation; who then writes to a chunk of an older generation copies
// it first. So freezing a million points costs a list of 16,000 pointers, and the copies are spread over the writes.

const chunkPoints = 64

// Record is a point as it lies in a chunk: 48 bytes.
type Record struct {
	Value     float64
	Time      uint64
	TimeMs    int64
	Seq       uint64 // its newest event in the journal; 0 if it never had one
	version   uint64
	point     uint32
	kind      points.Kind
	Type      uint8 // TypeID
	Quality   uint8
	Transient bool
	AsValue   bool // see points.Point
}

// Set takes over a value; Seq stays.
func (r *Record) Set(it *fsmpb.Item) {
	r.Value, r.Quality, r.Type, r.Transient = it.Value, uint8(it.Quality), uint8(it.Type), it.Transient
	r.Time, r.TimeMs = it.Time, it.TimeMs
}

// Told notes that what it says is told by an event.
func (r *Record) Told(seq uint64) { r.Seq, r.AsValue = seq, false }

// Kind and Point are its key, but for the RTU.
func (r *Record) Kind() points.Kind { return r.kind }

// Point is its number.
func (r *Record) Point() uint32 { return r.point }

// Information is what it says, and since when.
func (r *Record) Information() points.Information {
	return points.Information{Value: r.Value, Type: r.Type, Quality: r.Quality, Transient: r.Transient, TimeMs: r.TimeMs}
}

// Public is the point for readers.
func (r *Record) Public() points.Point {
	return points.Point{Value: r.Value, Quality: r.Quality, Type: r.Type, Transient: r.Transient, AsValue: r.AsValue, Time: r.Time, TimeMs: r.TimeMs, Seq: r.Seq, Version: r.version}
}

type pointChunk [chunkPoints]Record

// chunkRef is a chunk and the generation that may write to it.
type chunkRef struct {
	records    *pointChunk
	generation uint64
}

// RTU is the points of one RTU, by position. Points are only ever added; to remove some it is built anew.
type RTU struct {
	n      int
	chunks []chunkRef
	index  [points.Kinds]map[uint32]uint32 // by kind: point to position
}

// Len is how many points there are.
func (r *RTU) Len() int { return r.n }

// Find returns a point's position.
func (r *RTU) Find(kind points.Kind, point uint32) (pos int, ok bool) {
	if !kind.Monitored() {
		return 0, false
	}
	p, ok := r.index[kind][point]
	return int(p), ok
}

// At returns the point at a position, to read.
func (r *RTU) At(pos int) *Record {
	return &r.chunks[pos/chunkPoints].records[pos%chunkPoints]
}

// Image is a part of the replicated state; see package fsm for who may call what when.
type Image struct {
	generation uint64 // of chunks that no snapshot shares
	count      int
	rtus       map[uint32]*RTU
	recent     *RTU   // that [Image.RTU] returned last, unless it's gone: values come in batches of one RTU
	recentOf   uint32 // its number
	version    uint64
	changes    changeLog
}

// New returns an image without points whose changes are counted from version on.
func New(version uint64) *Image {
	return &Image{rtus: map[uint32]*RTU{}, version: version, changes: changeLog{floor: version}}
}

// Version counts the changes of points.
func (im *Image) Version() uint64 { return im.version }

// Count is the number of points.
func (im *Image) Count() int { return im.count }

// RTUs returns the numbers of the RTUs that have points, ascending.
func (im *Image) RTUs() []uint32 { return slices.Sorted(maps.Keys(im.rtus)) }

// Find returns a point to read.
func (im *Image) Find(k points.Key) (*Record, bool) {
	r := im.rtus[k.RTU]
	if r == nil {
		return nil, false
	}
	pos, ok := r.Find(k.Kind, k.Point)
	if !ok {
		return nil, false
	}
	return r.At(pos), true
}

// Of returns the points of an RTU; nil if there are none.
func (im *Image) Of(number uint32) *RTU { return im.rtus[number] }

// RTU returns the points of an RTU, making room for them if there are none yet.
func (im *Image) RTU(number uint32) *RTU {
	if im.recent != nil && im.recentOf == number {
		return im.recent
	}
	r := im.rtus[number]
	if r == nil {
		r = &RTU{}
		im.rtus[number] = r
	}
	im.recent, im.recentOf = r, number
	return r
}

// Write returns the point at this position to be written, with its new version set. The change is in the log.
func (im *Image) Write(number uint32, r *RTU, pos int) *Record {
	ref := &r.chunks[pos/chunkPoints]
	if ref.generation != im.generation {
		own := *ref.records
		*ref = chunkRef{&own, im.generation}
	}
	rec := &ref.records[pos%chunkPoints]
	im.version++
	rec.version = im.version
	im.changes.add(im.version, points.Key{RTU: number, Kind: rec.kind, Point: rec.point})
	return rec
}

// Add makes a point, which must be new, and returns its position. It has no version until it is written. A chunk that a
// snapshot shares need not be copied for it: the snapshot knows how many points it has, and does not look at this place.
func (im *Image) Add(r *RTU, kind points.Kind, point uint32) (pos int) {
	pos = r.n
	if pos%chunkPoints == 0 {
		r.chunks = append(r.chunks, chunkRef{new(pointChunk), im.generation})
	}
	*r.At(pos) = Record{kind: kind, point: point}
	if r.index[kind] == nil {
		r.index[kind] = map[uint32]uint32{}
	}
	r.index[kind][point] = uint32(pos)
	r.n++
	im.count++
	return pos
}

// Put returns a point to be written, known or new.
func (im *Image) Put(k points.Key) *Record {
	r := im.RTU(k.RTU)
	pos, ok := r.Find(k.Kind, k.Point)
	if !ok {
		pos = im.Add(r, k.Kind, k.Point)
	}
	return im.Write(k.RTU, r, pos)
}

// Retain removes the points of an RTU for which keep is false. Readers of changes are told to scan all.
func (im *Image) Retain(number uint32, keep func(kind points.Kind, point uint32) bool) {
	old := im.rtus[number]
	if old == nil {
		return
	}
	kept := &RTU{}
	im.count -= old.n
	for pos := range old.n {
		rec := old.At(pos)
		if keep(rec.kind, rec.point) {
			p := im.Add(kept, rec.kind, rec.point)
			*kept.At(p) = *rec
		}
	}
	if kept.n == old.n {
		return
	}
	if kept.n == 0 {
		delete(im.rtus, number)
	} else {
		im.rtus[number] = kept
	}
	im.recent = nil
	im.version++
	im.changes = changeLog{floor: im.version}
}
