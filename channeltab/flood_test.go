package channeltab

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/channeltabtest"
	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// Another centre that comes and goes with every datagram writes no more of the log than is good; nor does one that has a station
// registered and loses it.
func TestComingAndGoingDoesNotFloodTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	c, err := NewCentre(CentreConfig{
		ID: 900, Name: "centre", Level: 1, Node: "fep1", Nodes: map[string]netip.AddrPort{"fep1": netip.MustParseAddrPort("127.0.0.1:7400")},
		Keys: testKeys(), Registry: channeltabtest.NewMemory().Node("fep1"), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := OpenStation(StationConfig{
		ID: 1, Name: "station", Listen: netip.MustParseAddrPort("127.0.0.1:0"), Keys: testKeys(), Log: log,
		Centres: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")},
	})
	if err != nil {
		t.Fatal(err)
	}
	const times = 500
	s.mu.Lock()
	for i := range times {
		c.core.Higher.Deferring = i%2 == 0
		c.work()
		s.core.Reg.State = core.Registering
		if i%2 == 0 {
			s.core.Reg.State = core.Registered
		}
		s.work(time.Now())
	}
	s.mu.Unlock()
	s.Close()
	for _, what := range []string{`msg="FNP centre" defers`, `msg="FNP station" state`} {
		if n := strings.Count(out.String(), what); n == 0 || n > times/4 {
			t.Errorf("%s: %d lines of %d, want some", what, n, times)
		}
	}
}

// flooder is a holder of the key who sends a station whatever it likes, as fast as it can.
type flooder struct {
	conn    *net.UDPConn
	to      netip.AddrPort
	station chantable.ID
	codec   *wire.Codec
	session uint64
	contact uint64
	counter uint64
}

// newFlooder has the contact of a session of its own.
func newFlooder(t *testing.T, s *Station, session uint64) *flooder {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	codec, err := wire.NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	f := &flooder{conn: conn, to: s.Status().Address, station: s.core.ID, codec: codec, session: session}
	f.send(wire.Knock{})
	b := make([]byte, wire.MaxDatagram)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	d, err := codec.Open(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	f.contact = d.Body.(wire.Hello).Offer
	return f
}

func (f *flooder) send(b wire.Body) {
	f.counter++
	_, _ = f.conn.WriteToUDPAddrPort(f.codec.Seal(wire.Datagram{
		From: chantable.ID(f.session), Session: f.session, Counter: f.counter, To: f.station, Contact: f.contact, Body: b,
	}), f.to)
}

// A holder of the key floods a station: a large message of another peer is acknowledged meanwhile.
func TestFloodLeavesOthersTheirShare(t *testing.T) {
	messages := func(f *flooder, i uint64) {
		f.send(wire.Data{AckNow: true, Seq: i, Base: i, Length: 1, Payload: []byte{1}})
	}
	for _, tt := range []struct {
		name     string
		sessions int
		flood    func(f *flooder, i uint64)
		keep     time.Duration // how long the receiver takes to keep a message; 0: it keeps none
	}{
		{"knocks", 1, func(f *flooder, _ uint64) { f.send(wire.Knock{}) }, 0},
		{"messages", 1, messages, 0},
		{"messages that are kept", 1, messages, 5 * time.Millisecond},
		{"messages that are kept, of many sessions", 64, messages, 5 * time.Millisecond},
		{"large messages", 1, func(f *flooder, i uint64) {
			f.send(wire.Data{Seq: i/57 + 1, Base: i/57 + 1, Index: uint8(i % 57), Length: wire.MaxMessage, Payload: make([]byte, wire.MaxFragment)})
		}, 0},
		{"large messages that never end, of many sessions", 64, func(f *flooder, i uint64) {
			f.send(wire.Data{Seq: 1 + i%32, Base: 1, Length: wire.MaxMessage, Payload: make([]byte, wire.MaxFragment)})
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
			receiver := n.station(t, 1, func(c *StationConfig) {
				c.Timing = Timing{}
				if tt.keep > 0 {
					c.Kept = func(chantable.ID, uint64, Stream) (floor, marks uint64) { return 0, 0 }
				}
			})
			sender := n.station(t, 2, func(c *StationConfig) { c.Timing = Timing{} })
			eventually(t, "the receiver in the sender's table", func() bool { _, ok := sender.Lookup(1); return ok })
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			defer running.Wait()
			defer cancel()
			running.Go(func() {
				for {
					m, err := receiver.Receive(ctx)
					if err != nil {
						return
					}
					if tt.keep > 0 {
						time.Sleep(tt.keep) // as long as a commit
						receiver.Keep(m)
					}
				}
			})
			var flooders []*flooder
			for i := range tt.sessions {
				flooders = append(flooders, newFlooder(t, receiver, 666+uint64(i)))
			}
			running.Go(func() {
				// Ten thousand datagrams a second: more than that is the socket's buffer, where no peer has a share.
				const burst = 10 * time.Millisecond
				for i, sent := uint64(1), 0; ctx.Err() == nil; i++ {
					for _, f := range flooders {
						tt.flood(f, i)
					}
					if sent += len(flooders); sent >= 100 {
						time.Sleep(burst)
						sent = 0
					}
				}
			})
			eventually(t, "a flood", func() bool { return receiver.Stats().Received > 2000 })
			before := receiver.Stats().Received
			begun := time.Now()
			limited, end := context.WithTimeout(ctx, 10*time.Second)
			defer end()
			err := sender.SendDataByID(limited, 1, make([]byte, wire.MaxMessage), AnyOrder)
			took := time.Since(begun)
			st := receiver.Stats()
			t.Logf("%v after %v, while %.0f datagrams/s came; %+v", err, took, float64(st.Received-before)/took.Seconds(), st)
			if err != nil {
				t.Errorf("a large message of another peer: %v", err)
			}
		})
	}
}
