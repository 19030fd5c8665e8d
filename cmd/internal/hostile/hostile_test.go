package hostile

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ground is one where nobody is.
func ground() Ground {
	nobody := errors.New("nobody is here")
	const nowhere = "127.0.0.1:1"
	return Ground{
		CommonAddress: 66, Points: 64, Listen: func(string, string) (net.Listener, error) { return nil, nobody },
		Host: "127.0.0.1", Dial: func(context.Context, string, string) (net.Conn, error) { return nil, nobody },
		ListenPacket: func(string, string) (net.PacketConn, error) { return nil, nobody },
		Channels:     []string{nowhere}, Strange: []string{nowhere}, Own: []string{nowhere}, APIs: []string{nowhere}, FNP: []string{nowhere},
		Outputs: []asdu.InformationObjectAddress{1},
	}
}

// A part that reaches nobody says so, and that is what makes a run fail in which it was no test.
func TestPartsThatReachNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	parts := Parts(ground())
	done := make(chan struct{})
	for _, p := range parts {
		go func() {
			p.Run(ctx)
			done <- struct{}{}
		}()
	}
	for range parts {
		<-done
	}
	for _, p := range parts {
		undone := p.Undone()
		if p.Name == "caller" { // it has asked, and nobody has answered
			if !slices.Contains(undone, "refused") {
				t.Errorf("%s did %v; undone %q", p.Name, p.Done(), undone)
			}
			continue
		}
		if !slices.Equal(undone, p.deeds) {
			t.Errorf("%s did %v; undone %q, want %q", p.Name, p.Done(), undone, p.deeds)
		}
	}
}

// The device is a real one to a client that bears it: links, events, and what isn't 104 among them.
func TestDeviceBabbles(t *testing.T) {
	g := ground()
	opened := make(chan net.Addr, 1)
	g.Listen = func(network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			opened <- l.Addr()
		}
		return l, err
	}
	p := device(g)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	running := make(chan struct{})
	go func() {
		defer close(running)
		p.Run(ctx)
	}()
	conn, err := net.Dial("tcp", (<-opened).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	centre := newPeer(conn)
	if err := centre.write(iec104.AppendU(nil, iec104.StartDTAct)); err != nil {
		t.Fatal(err)
	}
	asked, refused, foreign, answered := false, 0, 0, false
	for refused < 3 || foreign < 3 || !answered {
		f, err := centre.read()
		if err != nil {
			t.Fatalf("%v; the device did %v", err, p.Done())
		}
		if f.Format != iec104.FormatI {
			continue
		}
		if err := centre.write(iec104.AppendS(nil, (f.SendSeq+1)%iec104.SequenceModulus)); err != nil {
			t.Fatal(err)
		}
		if !asked {
			asked = true
			_, octets := command(Ground{OwnAddress: g.CommonAddress, Outputs: g.Outputs}, 0)
			if _, err := centre.send(octets, 1, true); err != nil {
				t.Fatal(err)
			}
		}
		switch a, err := asdu.DefaultProfile.Parse(f.ASDU); {
		case err != nil:
			refused++
		case a.Type == asdu.C_SC_NA_1:
			answered = a.Cause == asdu.ActivationCon
		case a.CommonAddress != g.CommonAddress:
			foreign++
		}
	}
	cancel()
	<-running
	// An odd frame is due every 10 s only.
	if undone := p.Undone(); len(undone) > 0 && !slices.Equal(undone, []string{"odd frames"}) {
		t.Errorf("it did %v; undone %q", p.Done(), undone)
	}
}

// What is called odd or malformed is refused by the codec; a cause of 0 and an acknowledgement of nothing are for those above it.
func TestOddAndMalformed(t *testing.T) {
	for way := range 5 {
		octets := malform(build(asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous, CommonAddress: 1}, asdu.Object{Address: 1}), way)
		if a, err := asdu.DefaultProfile.Parse(octets); err == nil {
			t.Errorf("way %d: %v is well-formed", way, a)
		}
	}
	for _, frame := range oddFrames[:len(oddFrames)-1] {
		if f, n, err := iec104.ParseFrame(frame); err == nil && n > 0 {
			t.Errorf("% x is frame %+v", frame, f)
		}
	}
}
