package image

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm/internal/points"
)

// The image against a map: values, the log of changes, and that what was frozen stays as it was.
func TestImageIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im := New(rapid.Uint64Range(0, 10).Draw(t, "version"))
		model := map[points.Key]float64{}
		changed := map[points.Key]uint64{}
		floor := im.version
		var frozen *Frozen
		var atFreeze map[points.Key]float64
		key := rapid.Custom(func(t *rapid.T) points.Key {
			return points.Key{
				RTU:   rapid.Uint32Range(1, 3).Draw(t, "rtu"),
				Kind:  rapid.SampledFrom([]points.Kind{points.DI, points.AI, points.Counter}).Draw(t, "kind"),
				Point: rapid.Uint32Range(0, 2*chunkPoints).Draw(t, "point"),
			}
		})
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 40).Draw(t, "step") {
			case 0:
				f := im.Freeze()
				frozen, atFreeze = &f, map[points.Key]float64{}
				for k, v := range model {
					atFreeze[k] = v
				}
			case 1:
				rtu, odd := rapid.Uint32Range(1, 3).Draw(t, "rtu"), rapid.Bool().Draw(t, "odd")
				before := im.count
				im.Retain(rtu, func(_ points.Kind, point uint32) bool { return odd == (point%2 == 1) })
				for k := range model {
					if k.RTU == rtu && odd != (k.Point%2 == 1) {
						delete(model, k)
						delete(changed, k)
					}
				}
				if im.count != before {
					floor = im.version
				}
			default:
				k, v := key.Draw(t, "key"), rapid.Float64().Draw(t, "value")
				im.Put(k).Value = v
				model[k], changed[k] = v, im.version
			}
		}

		if im.count != len(model) {
			t.Fatalf("%d points, want %d", im.count, len(model))
		}
		for k, v := range model {
			if rec, ok := im.Find(k); !ok || rec.Value != v || rec.version != changed[k] {
				t.Fatalf("%s: got %+v, want value %g of version %d", k, rec, v, changed[k])
			}
		}
		if frozen != nil {
			checkFrozen(t, frozen, atFreeze)
		}

		after := rapid.Uint64Range(0, im.version+1).Draw(t, "after")
		keys, ok := im.ChangesAfter(after)
		if ok != (after >= floor && after <= im.version) {
			t.Fatalf("changes after %d known %t, they are known from %d to %d", after, ok, floor, im.version)
		}
		last := after
		for _, k := range keys {
			if changed[k] <= last {
				t.Fatalf("changes after %d: %s of version %d comes after version %d", after, k, changed[k], last)
			}
			last = changed[k]
			delete(changed, k)
		}
		for k, v := range changed {
			if ok && v > after {
				t.Fatalf("changes after %d lack %s of version %d", after, k, v)
			}
		}
	})
}

func checkFrozen(t *rapid.T, frozen *Frozen, want map[points.Key]float64) {
	n := 0
	for _, r := range frozen.rtus {
		for pos := range r.n {
			rec := &r.chunks[pos/chunkPoints].records[pos%chunkPoints]
			k := points.Key{RTU: r.number, Kind: rec.kind, Point: rec.point}
			if v, ok := want[k]; !ok || v != rec.Value {
				t.Fatalf("frozen %s: got %g, want %g, known %t", k, rec.Value, v, ok)
			}
			n++
		}
	}
	if n != len(want) {
		t.Fatalf("%d points frozen, want %d", n, len(want))
	}
}

// Only so many changes are remembered; whoever asks for older ones has to scan.
func TestChangesAreBounded(t *testing.T) {
	im := New(0)
	for i := range maxChanges + 10 {
		im.Put(points.Key{RTU: 1, Kind: points.DI, Point: uint32(i)})
	}
	if _, ok := im.ChangesAfter(9); ok {
		t.Error("changes after 9 are known")
	}
	keys, ok := im.ChangesAfter(10)
	if !ok || len(keys) != maxChanges {
		t.Fatalf("after 10: %d changes, known %t, want %d", len(keys), ok, maxChanges)
	}
	if first, last := keys[0].Point, keys[len(keys)-1].Point; first != 10 || last != maxChanges+9 {
		t.Errorf("changes of points %d to %d, want 10 to %d", first, last, maxChanges+9)
	}
	if len(im.changes.ring) != maxChanges {
		t.Errorf("room for %d changes, want %d", len(im.changes.ring), maxChanges)
	}
}
