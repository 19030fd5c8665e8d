package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

// What a device says in patterns of bits, and of protection equipment's events, is at the control centre bit for bit: value, quality,
// elapsed time and time tag. Interrogations bring what lasts.
func TestBitstringsThroughTheStation(t *testing.T) {
	var mu sync.Mutex
	var told []string
	word := func(ty asdu.TypeID, o asdu.Object, index int) string {
		return fmt.Sprintf("%v at point %d: %x %02x %d ms, %v", ty, index, uint32(o.Value), o.Quality, o.Elapsed, o.Time)
	}
	points := []sim.DevicePoint{
		{Address: 101, Type: asdu.M_BO_NA_1, Value: 0xdeadbeef}, {Address: 102, Type: asdu.M_PS_NA_1, Value: 0x80010001},
		{Address: 103, Type: asdu.M_EP_TD_1}, {Address: 104, Type: asdu.M_EP_TE_1}, {Address: 105, Type: asdu.M_EP_TF_1},
	}
	s, _ := newStation(t, rig.Options{
		Mode: "exclusive", RTUs: []rig.RTU{{Number: 1, Name: "device", CommonAddress: 1, Points: points}},
		OnASDU: func(_ string, a asdu.ASDU) {
			mu.Lock()
			defer mu.Unlock()
			for o := range a.Objects() {
				if _, i := rig.UplinkPoint(o.Address); i >= 0 && i < len(points) {
					told = append(told, word(a.Type, o, i))
				}
			}
		},
	})
	has := func(want string) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(told, want)
	}
	none := asdu.CP56Time2a{}
	for i, o := range []asdu.Object{{Value: 0xdeadbeef, Time: none}, {Value: 0x80010001, Time: none}} {
		want := word(points[i].Type, o, i)
		eventually(t, "interrogated: "+want, func() bool { return has(want) })
	}
	for i, c := range []struct {
		sent asdu.TypeID
		o    asdu.Object
	}{
		{asdu.M_BO_TB_1, asdu.Object{Value: 0x80000001, Quality: asdu.OV | asdu.SB}},
		{asdu.M_PS_NA_1, asdu.Object{Value: 0xffff8000, Quality: asdu.BL}},
		{asdu.M_EP_TD_1, asdu.Object{Value: 1, Quality: asdu.EI, Elapsed: 65535}},
		{asdu.M_EP_TE_1, asdu.Object{Value: 0x3f, Elapsed: 1234}},
		{asdu.M_EP_TF_1, asdu.Object{Value: 0x0f, Quality: asdu.NT}},
	} {
		at := time.Now()
		c.o.Address = points[i].Address
		if err := s.Devices[0].Change(c.sent, at, c.o); err != nil {
			t.Fatal(err)
		}
		c.o.Time = none
		if c.sent.TimeTag() == asdu.CP56 {
			c.o.Time = asdu.NewCP56Time2a(at, time.UTC)
		}
		want := word(c.sent, c.o, i)
		eventually(t, "event: "+want, func() bool { return has(want) })
	}
	mu.Lock()
	defer mu.Unlock()
	for _, line := range told {
		if len(line) > 9 && line[:6] == "M_EP_T" && line[len(line)-8:] == "00 00 00" {
			t.Errorf("an event of protection equipment without a time: %s", line)
		}
	}
}
