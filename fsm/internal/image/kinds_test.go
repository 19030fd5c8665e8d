package image

import (
	"testing"

	"github.com/fepha/fepha/fsm/internal/points"
)

// Every kind that has values has room in the image.
func TestImageTakesEveryKind(t *testing.T) {
	im := New(0)
	for k := points.KindNone; k < points.Kinds; k++ {
		if !k.Monitored() {
			continue
		}
		key := points.Key{RTU: 1, Kind: k, Point: 7}
		im.Put(key)
		if _, ok := im.RTU(1).Find(k, 7); !ok {
			t.Errorf("%v is not found", key)
		}
	}
	if im.Count() != 4 {
		t.Errorf("%d points", im.Count())
	}
}
