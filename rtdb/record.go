package rtdb

import (
	"math"
	"strconv"
	"strings"

	"github.com/fepha/fepha/fsm"
)

// kind is what a key of the view is about.
type kind uint8

const (
	useflag kind = iota // owner of an RTU
	yx                  // digital input
	yc                  // analog input
	dd                  // counter
	channel             // link of an RTU
	virtual             // virtual point
	bs                  // bitstring

	kinds
)

var prefixes = [kinds]string{"useflag:rtu:", "yx:", "yc:", "dd:", "chan:", "vpt:", "bs:"}

// viewPattern matches all keys of the view, and few others.
const viewPattern = "[bcduvy]*:*"

// Kinds of points, both ways.
var (
	kindOfPoint = [...]kind{fsm.DI: yx, fsm.AI: yc, fsm.Counter: dd, fsm.Bitstring: bs}
	pointOfKind = [...]fsm.Kind{yx: fsm.DI, yc: fsm.AI, dd: fsm.Counter, bs: fsm.Bitstring}
)

// key is a key of the view.
type key struct {
	kind kind
	rtu  uint32
	a, b uint32 // point, or channel and link
}

// numbers is how many numbers a key has after its prefix.
func (k kind) numbers() int {
	switch k {
	case useflag:
		return 1
	case channel:
		return 3
	}
	return 2
}

func (k key) append(buf []byte) []byte {
	buf = append(buf, prefixes[k.kind]...)
	numbers := [...]uint32{k.rtu, k.a, k.b}
	for i, n := range numbers[:k.kind.numbers()] {
		if i > 0 {
			buf = append(buf, ':')
		}
		buf = strconv.AppendUint(buf, uint64(n), 10)
	}
	return buf
}

// String is the key as it stands in Redis.
func (k key) String() string { return string(k.append(nil)) }

// parseKey is the inverse of String. Keys that fepha would write otherwise are not its own.
func parseKey(text string) (key, bool) {
	for kind := range kinds {
		rest, ok := strings.CutPrefix(text, prefixes[kind])
		if !ok {
			continue
		}
		k := key{kind: kind}
		parts := strings.Split(rest, ":")
		if len(parts) != k.kind.numbers() {
			return key{}, false
		}
		for i, to := range []*uint32{&k.rtu, &k.a, &k.b}[:len(parts)] {
			n, err := strconv.ParseUint(parts[i], 10, 32)
			if err != nil {
				return key{}, false
			}
			*to = uint32(n)
		}
		return k, k.String() == text
	}
	return key{}, false
}

// record is a key with what is to be written under it. Which fields count depends on the key's kind.
type record struct {
	key
	host  uint32 // of the RTU's owner, 0: nobody's
	epoch uint64 // of the RTU

	value   float64 // of a point
	quality uint8
	typeID  uint8 // what value and quality mean
	timeMs  int64 // of a point or virtual point: ms since 1970-01-01 UTC

	valA, valB, val bool             // of a virtual point
	states          [2]fsm.LinkState // of a link: on host 1, on host 2
}

// encoder turns records into the arguments of HSET.
type encoder struct {
	buf  []byte
	ends []int
}

// encode returns the record's key and its fields with their values.
func (e *encoder) encode(r *record) (string, []string) {
	e.buf, e.ends = e.buf[:0], e.ends[:0]
	e.buf = r.append(e.buf)
	e.end()
	switch r.kind {
	case useflag:
		e.uint(uint64(r.host))
		e.uint(r.epoch)
		return e.fields("host", "epoch")
	case channel:
		e.text(r.states[0].String())
		e.text(r.states[1].String())
		return e.fields("host1", "host2")
	case virtual:
		e.bit(r.valA)
		e.bit(r.valB)
		e.bit(r.val)
		e.int(r.timeMs)
		return e.fields("vala", "valb", "val", "t")
	default:
		e.float(r.value)
		e.uint(uint64(r.quality))
		e.int(r.timeMs)
		e.uint(uint64(r.host))
		e.uint(uint64(r.typeID))
		return e.fields("val", "q", "t", "host", "type")
	}
}

func (e *encoder) end() { e.ends = append(e.ends, len(e.buf)) }

func (e *encoder) uint(n uint64) { e.buf = strconv.AppendUint(e.buf, n, 10); e.end() }

func (e *encoder) int(n int64) { e.buf = strconv.AppendInt(e.buf, n, 10); e.end() }

func (e *encoder) text(s string) { e.buf = append(e.buf, s...); e.end() }

func (e *encoder) bit(b bool) {
	if b {
		e.text("1")
	} else {
		e.text("0")
	}
}

// float writes a number as people do, but for very large and very small ones: 1000000, not 1e+06.
func (e *encoder) float(v float64) {
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	e.buf = strconv.AppendFloat(e.buf, v, format, -1, 64)
	e.end()
}

// fields gives names to what was written after the key. All share one string, so that a point costs one copy.
func (e *encoder) fields(names ...string) (string, []string) {
	all := string(e.buf)
	fields := make([]string, 0, 2*len(names))
	for i, name := range names {
		fields = append(fields, name, all[e.ends[i]:e.ends[i+1]])
	}
	return all[:e.ends[0]], fields
}
