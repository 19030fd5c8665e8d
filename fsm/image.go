package fsm

import (
	"iter"
	"maps"
	"slices"
)

// The image keeps each RTU's points in chunks, in the order in which they were first seen, with an index beside them. A
// snapshot takes the list of chunks and raises the generation; who then writes to a chunk of an older generation copies
// it first. So freezing a million points costs a list of 16,000 pointers, and the copies are spread over the writes.

const chunkPoints = 64

// pointRecord is a point as it lies in a chunk: 48 bytes.
type pointRecord struct {
	value     float64
	time      uint64
	timeMs    int64
	seq       uint64
	version   uint64
	point     uint32
	kind      Kind
	typeID    uint8
	quality   uint8
	transient bool
	asValue   bool // see Point.AsValue
}

func (r *pointRecord) public() Point {
	return Point{Value: r.value, Quality: r.quality, Type: r.typeID, Transient: r.transient, AsValue: r.asValue, Time: r.time, TimeMs: r.timeMs, Seq: r.seq, Version: r.version}
}

type pointChunk [chunkPoints]pointRecord

// chunkRef is a chunk and the generation that may write to it.
type chunkRef struct {
	points     *pointChunk
	generation uint64
}

// rtuImage is the points of one RTU. Points are only ever added; to remove some it is built anew.
type rtuImage struct {
	n      int
	chunks []chunkRef
	index  [DO]map[uint32]uint32 // by kind: point to position
}

func (ri *rtuImage) find(kind Kind, point uint32) (pos int, ok bool) {
	if !kind.monitored() {
		return 0, false
	}
	p, ok := ri.index[kind][point]
	return int(p), ok
}

func (ri *rtuImage) at(pos int) *pointRecord {
	return &ri.chunks[pos/chunkPoints].points[pos%chunkPoints]
}

type image struct {
	generation uint64 // of chunks that no snapshot shares
	points     int
	rtus       map[uint32]*rtuImage
	version    uint64 // counts changes
	changes    changeLog
}

// newImage returns an image without points whose changes are counted from version on.
func newImage(version uint64) image {
	return image{rtus: map[uint32]*rtuImage{}, version: version, changes: changeLog{floor: version}}
}

// find returns a point to read.
func (im *image) find(k PointKey) (*pointRecord, bool) {
	ri := im.rtus[k.RTU]
	if ri == nil {
		return nil, false
	}
	pos, ok := ri.find(k.Kind, k.Point)
	if !ok {
		return nil, false
	}
	return ri.at(pos), true
}

// rtu returns the points of an RTU, making room for them if there are none yet.
func (im *image) rtu(number uint32) *rtuImage {
	ri := im.rtus[number]
	if ri == nil {
		ri = &rtuImage{}
		im.rtus[number] = ri
	}
	return ri
}

// write returns the point at this position to be written, with its new version set. The change is in the log.
func (im *image) write(number uint32, ri *rtuImage, pos int) *pointRecord {
	ref := &ri.chunks[pos/chunkPoints]
	if ref.generation != im.generation {
		own := *ref.points
		*ref = chunkRef{&own, im.generation}
	}
	rec := &ref.points[pos%chunkPoints]
	im.version++
	rec.version = im.version
	im.changes.add(im.version, PointKey{number, rec.kind, rec.point})
	return rec
}

// add makes a point, which must be new, and returns its position. It has no version until it is written. A chunk that a
// snapshot shares need not be copied for it: the snapshot knows how many points it has, and does not look at this place.
func (im *image) add(ri *rtuImage, kind Kind, point uint32) (pos int) {
	pos = ri.n
	if pos%chunkPoints == 0 {
		ri.chunks = append(ri.chunks, chunkRef{new(pointChunk), im.generation})
	}
	*ri.at(pos) = pointRecord{kind: kind, point: point}
	if ri.index[kind] == nil {
		ri.index[kind] = map[uint32]uint32{}
	}
	ri.index[kind][point] = uint32(pos)
	ri.n++
	im.points++
	return pos
}

// put returns a point to be written, known or new.
func (im *image) put(k PointKey) *pointRecord {
	ri := im.rtu(k.RTU)
	pos, ok := ri.find(k.Kind, k.Point)
	if !ok {
		pos = im.add(ri, k.Kind, k.Point)
	}
	return im.write(k.RTU, ri, pos)
}

// retain removes the points of an RTU for which keep is false. Readers of changes are told to scan all.
func (im *image) retain(number uint32, keep func(kind Kind, point uint32) bool) {
	old := im.rtus[number]
	if old == nil {
		return
	}
	kept := &rtuImage{}
	im.points -= old.n
	for pos := range old.n {
		rec := old.at(pos)
		if keep(rec.kind, rec.point) {
			p := im.add(kept, rec.kind, rec.point)
			*kept.at(p) = *rec
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
	im.version++
	im.changes = changeLog{floor: im.version}
}

// frozenRTU is the points of an RTU at the moment of a snapshot.
type frozenRTU struct {
	number uint32
	n      int
	chunks []chunkRef
}

// list returns the points by RTU number. What it returns is frozen only once the generation has been raised.
func (im *image) list() []frozenRTU {
	frozen := make([]frozenRTU, 0, len(im.rtus))
	for _, number := range slices.Sorted(maps.Keys(im.rtus)) {
		ri := im.rtus[number]
		frozen = append(frozen, frozenRTU{number, ri.n, slices.Clone(ri.chunks)})
	}
	return frozen
}

// Point returns the newest value of a point.
func (s *State) Point(k PointKey) (Point, bool) {
	rec, ok := s.image.find(k)
	if !ok {
		return Point{}, false
	}
	return rec.public(), true
}

// Points ranges over the points of an RTU in the order in which they were first seen, virtual points of that RTU
// included. The state must not change meanwhile.
func (s *State) Points(rtu uint32) iter.Seq2[PointKey, Point] {
	return func(yield func(PointKey, Point) bool) {
		ri := s.image.rtus[rtu]
		if ri == nil {
			return
		}
		for pos := range ri.n {
			rec := ri.at(pos)
			if !yield(PointKey{rtu, rec.kind, rec.point}, rec.public()) {
				return
			}
		}
	}
}

// PointRTUs returns the numbers of the RTUs, real and virtual, that have points in the image, ascending.
func (s *State) PointRTUs() []uint32 { return slices.Sorted(maps.Keys(s.image.rtus)) }

// PointCount is the number of points in the image.
func (s *State) PointCount() int { return s.image.points }
