package acquisition

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
)

// What a device sends and nobody can use, each as the octets of an ASDU.
var strayASDUs = []struct{ asdu, reason string }{
	{"01 00 03 00 01 00", "M_SP_NA_1, spontaneous: number of objects does not fit the ASDU: M_SP_NA_1 with no object"},
	{"01 03 03 00 01 00 01 00 00 01", "M_SP_NA_1, spontaneous: number of objects does not fit the ASDU: M_SP_NA_1 with 3 objects has 4 octets of them, want 12"},
	{"1e 01 03 00 01 00 01 00 00 01 00 00 00 0a 0d 0b 1a 00", "M_SP_TB_1, spontaneous: number of objects does not fit the ASDU: M_SP_TB_1 with 1 objects has 12 octets of them, want 11"},
	{"1e 01 03 00 01 00 01 00 00 01 00 00 00 0a 0d", "M_SP_TB_1, spontaneous: number of objects does not fit the ASDU: M_SP_TB_1 with 1 objects has 9 octets of them, want 11"},
	{"1e 01", "ASDU length out of range: 2 octets, want 6 to 249"},
	{"01 82 03 00 01 00 ff ff ff 01 01", "M_SP_NA_1, spontaneous: object address out of range: sequence of 2 from 16777215, the last is 16777215"},
	{"01 01 00 00 01 00 01 00 00 01", "M_SP_NA_1, cause 0: no cause of data"},
	{"01 01 2c 00 01 00 01 00 00 01", "M_SP_NA_1, unknown type: no cause of data"},
	{"01 01 43 00 01 00 01 00 00 01", "M_SP_NA_1, spontaneous, P/N = 1: no cause of data"},
}

// An ASDU that nobody can use is acknowledged after it's kept, and counted, logged and told with type, cause and octets.
func TestStraysAreKeptBeforeTheyAreAcknowledged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t, testRTU(1, channel("a:1")))
		acknowledged := make(chan int, 100)
		sent, met := make(chan struct{}), false
		crude(t, b.net, "a:1", func(c net.Conn) {
			if met || confirmStart(c) != nil {
				return
			}
			met = true
			time.Sleep(time.Second) // the start is told
			b.SetLeader(false)
			for i, s := range strayASDUs {
				b, err := hex.DecodeString(strings.ReplaceAll(s.asdu, " ", ""))
				if err != nil {
					t.Error(err)
				}
				frame := append([]byte{0x68, byte(4 + len(b)), byte(i << 1), 0, 0, 0}, b...)
				if _, err := c.Write(frame); err != nil {
					t.Error(err)
				}
			}
			close(sent)
			header := make([]byte, 2)
			for {
				if _, err := io.ReadFull(c, header); err != nil {
					return
				}
				body := make([]byte, header[1])
				if _, err := io.ReadFull(c, body); err != nil {
					return
				}
				if body[0]&3 != 3 { // I or S
					acknowledged <- int(binary.LittleEndian.Uint16(body[2:]) >> 1)
				}
			}
		})
		b.start("fep1")
		<-sent
		time.Sleep(5 * time.Second) // less than t1 of the interrogation; in virtual time
		for len(acknowledged) > 0 {
			if n := <-acknowledged; n > 0 {
				t.Fatalf("%d acknowledged before anything was committed", n)
			}
		}
		b.SetLeader(true)
		b.until(5*time.Second, "all acknowledged", func() bool {
			for len(acknowledged) > 0 {
				if <-acknowledged == len(strayASDUs) {
					return true
				}
			}
			return false
		})
		var kept []fsm.Stray
		var total uint64
		b.View(func(s *fsm.State) { kept, total = s.Strays(1, 100) })
		slices.Reverse(kept)
		if len(kept) != len(strayASDUs) || total != uint64(len(strayASDUs)) {
			t.Fatalf("%d of %d kept: %v", len(kept), total, kept)
		}
		for i, s := range strayASDUs {
			octets, _ := hex.DecodeString(strings.ReplaceAll(s.asdu, " ", ""))
			if kept[i].Reason != s.reason || string(kept[i].ASDU) != string(octets) || kept[i].TimeMs == 0 {
				t.Errorf("%s: kept as %q, % x", s.asdu, kept[i].Reason, kept[i].ASDU)
			}
		}
		if n := b.points(); n != 0 {
			t.Errorf("%d points have a value of them", n)
		}
		counts := b.feps["fep1"].Counters()[0].Faults
		if counts[deviceFaultNames[malformed]] != 6 || counts[deviceFaultNames[badCause]] != 3 {
			t.Errorf("counted %v", counts)
		}
		b.logs.mu.Lock()
		defer b.logs.mu.Unlock()
		if !slices.ContainsFunc(b.logs.lines, func(l string) bool { return strings.Contains(l, strayASDUs[0].reason+": "+strayASDUs[0].asdu) }) {
			t.Errorf("log %q", b.logs.lines)
		}
	})
}
