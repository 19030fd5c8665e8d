package fsm

import (
	"testing"

	"pgregory.net/rapid"
)

// The image against a map: values, the log of changes, and that what was frozen stays as it was.
func TestImageIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im := newImage(rapid.Uint64Range(0, 10).Draw(t, "version"))
		model := map[PointKey]float64{}
		changed := map[PointKey]uint64{}
		floor := im.version
		var frozen []frozenRTU
		var atFreeze map[PointKey]float64
		key := rapid.Custom(func(t *rapid.T) PointKey {
			return PointKey{
				RTU:   rapid.Uint32Range(1, 3).Draw(t, "rtu"),
				Kind:  rapid.SampledFrom([]Kind{DI, AI, Counter}).Draw(t, "kind"),
				Point: rapid.Uint32Range(0, 2*chunkPoints).Draw(t, "point"),
			}
		})
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			switch rapid.IntRange(0, 40).Draw(t, "step") {
			case 0:
				frozen, atFreeze = im.list(), map[PointKey]float64{}
				for k, v := range model {
					atFreeze[k] = v
				}
				im.generation++
			case 1:
				rtu, odd := rapid.Uint32Range(1, 3).Draw(t, "rtu"), rapid.Bool().Draw(t, "odd")
				before := im.points
				im.retain(rtu, func(_ Kind, point uint32) bool { return odd == (point%2 == 1) })
				for k := range model {
					if k.RTU == rtu && odd != (k.Point%2 == 1) {
						delete(model, k)
						delete(changed, k)
					}
				}
				if im.points != before {
					floor = im.version
				}
			default:
				k, v := key.Draw(t, "key"), rapid.Float64().Draw(t, "value")
				im.put(k).value = v
				model[k], changed[k] = v, im.version
			}
		}

		if im.points != len(model) {
			t.Fatalf("%d points, want %d", im.points, len(model))
		}
		for k, v := range model {
			if rec, ok := im.find(k); !ok || rec.value != v || rec.version != changed[k] {
				t.Fatalf("%s: got %+v, want value %g of version %d", k, rec, v, changed[k])
			}
		}
		if frozen != nil {
			checkFrozen(t, frozen, atFreeze)
		}

		s := &State{image: im}
		after := rapid.Uint64Range(0, im.version+1).Draw(t, "after")
		keys, ok := s.ChangesAfter(after)
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

func checkFrozen(t *rapid.T, frozen []frozenRTU, want map[PointKey]float64) {
	n := 0
	for _, r := range frozen {
		for pos := range r.n {
			rec := &r.chunks[pos/chunkPoints].points[pos%chunkPoints]
			k := PointKey{r.number, rec.kind, rec.point}
			if v, ok := want[k]; !ok || v != rec.value {
				t.Fatalf("frozen %s: got %g, want %g, known %t", k, rec.value, v, ok)
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
	s := New()
	for i := range maxChanges + 10 {
		s.image.put(PointKey{1, DI, uint32(i)})
	}
	_, ok := s.ChangesAfter(9)
	mustEqual(t, "known after 9", ok, false)
	keys, ok := s.ChangesAfter(10)
	mustEqual(t, "known after 10", ok, true)
	mustEqual(t, "changes", len(keys), maxChanges)
	mustEqual(t, "first", keys[0], PointKey{1, DI, 10})
	mustEqual(t, "last", keys[len(keys)-1], PointKey{1, DI, maxChanges + 9})
	mustEqual(t, "room", len(s.image.changes.ring), maxChanges)
}
