package sim

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

var (
	startAct     = []byte{0x68, 4, 0x07, 0, 0, 0}
	testAct      = []byte{0x68, 4, 0x43, 0, 0, 0}
	acknowledges = []byte{0x68, 4, 0x01, 0, 0, 0}
	// C_IC_NA_1 of common address 7, N(S) = 0.
	interrogates = []byte{0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 7, 0, 0, 0, 0, 20}
)

// master is a controlling station that keeps no rules.
type master struct {
	t    *testing.T
	conn net.Conn
}

func newMaster(t *testing.T, d *Device, link int) master {
	t.Helper()
	c, err := net.Dial("tcp", d.Addresses()[link])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return master{t, c}
}

func (m master) sends(frames ...[]byte) {
	m.t.Helper()
	if _, err := m.conn.Write(bytes.Join(frames, nil)); err != nil {
		m.t.Fatal(err)
	}
}

// starts returns when STARTDT is confirmed.
func (m master) starts() {
	m.t.Helper()
	m.sends(startAct)
	got := make([]byte, 6)
	if _, err := io.ReadFull(m.conn, got); err != nil || !bytes.Equal(got, startConfirmed) {
		m.t.Fatalf("answer to STARTDT: % x, %v", got, err)
	}
}

func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after [][]byte // of the older master, about the other's STARTDT
		want          int
	}{
		"silent":              {nil, nil, 0},
		"sent before":         {[][]byte{interrogates, acknowledges}, nil, 0},
		"tests the link":      {nil, [][]byte{testAct}, 0},
		"acknowledges late":   {nil, [][]byte{acknowledges}, 1},
		"interrogates late":   {nil, [][]byte{testAct, interrogates}, 1},
		"goes on all the way": {[][]byte{acknowledges}, [][]byte{interrogates, acknowledges, acknowledges}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}, CommonAddress: 7, Judge: true,
				Points: []DevicePoint{{Address: 1, Type: asdu.M_SP_TB_1}}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			older, newer := newMaster(t, d, 0), newMaster(t, d, 1)
			older.starts()
			if tc.before != nil {
				older.sends(tc.before...)
			}
			newer.starts()
			older.sends(append(tc.after, testAct)...)
			// The judge stops reading when the older one is gone.
			_ = older.conn.Close()
			until(t, "the judge to have read all", func() bool {
				d.judge.mu.Lock()
				defer d.judge.mu.Unlock()
				return len(d.judge.conns) == 1
			})
			found, count := d.Violations()
			if count != tc.want || len(found) != tc.want {
				t.Fatalf("%d violations, want %d: %v", count, tc.want, found)
			}
			for _, v := range found {
				if v.Late != older.conn.LocalAddr().String() || v.Live != newer.conn.LocalAddr().String() {
					t.Errorf("%v: want it to be of %v after %v", v, older.conn.LocalAddr(), newer.conn.LocalAddr())
				}
			}
		})
	}
}

// A master that is started again is the live one.
func TestJudgeFollowsTheLastStart(t *testing.T) {
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Judge: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for range 3 {
		m := newMaster(t, d, 0)
		m.starts()
		m.sends(acknowledges)
	}
	if _, count := d.Violations(); count != 0 {
		t.Errorf("%d violations by masters who were the last to start", count)
	}
}

// A connection that the judge still reads does not keep a device from closing.
func TestJudgeEndsWithItsDevice(t *testing.T) {
	d, err := NewDevice(DeviceConfig{Listen: []string{"127.0.0.1:0"}, CommonAddress: 7, Judge: true})
	if err != nil {
		t.Fatal(err)
	}
	older, newer := newMaster(t, d, 0), newMaster(t, d, 0)
	older.starts()
	newer.starts()
	begin := time.Now()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took >= judgePatience {
		t.Errorf("closing took %v", took)
	}
}
