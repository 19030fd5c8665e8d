package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/internal/testneeds"
)

func newNetwork(t *testing.T) *Network {
	t.Helper()
	n, err := NewNetwork()
	testneeds.Met(t, err)
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if left := Namespaces(); len(left) > 0 {
			t.Errorf("namespaces that are left: %v", left)
		}
	})
	return n
}

// connect tries a connection from one host to another.
func (n *Network) connect(t *testing.T, from, to string) error {
	t.Helper()
	l, err := n.spaces[to].Listen("tcp", hostAddress(to)+":2404")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c, err := n.spaces[from].Dial(ctx, "tcp", l.Addr().String())
	if err == nil {
		_ = c.Close()
	}
	return err
}

// Each fault of the network hits whom it is for, and nobody else, until it is
// healed.
func TestNetworkFaults(t *testing.T) {
	n := newNetwork(t)
	silence := func(err error) bool {
		e, ok := errors.AsType[net.Error](err)
		return ok && e.Timeout() || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
	}
	passes := func(err error) bool { return err == nil }
	refusal := func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
	for _, tc := range []struct {
		name   string
		set    func(host string, on bool) error
		toDev  func(error) bool // what comes of it for its host
		toPeer func(error) bool
	}{
		{"cut", n.Cut, silence, silence},
		{"mute", n.Mute, silence, silence},
		{"deafen", n.Deafen, silence, silence},
		{"unplug", func(host string, on bool) error { return n.Plug(host, !on) }, silence, silence},
		{"channels", n.Refuse, refusal, passes},
		{"field-cable", func(host string, on bool) error { return n.PlugField(host, !on) }, silence, passes},
		{"field-drop", n.DropField, silence, passes},
		{"centre-cable", func(host string, on bool) error { return n.PlugCentre(host, !on) }, passes, passes},
		{"centre-drop", n.DropCentre, passes, passes},
		{"split", n.Split, passes, silence},
		{"refuse", n.RefuseNodes, passes, refusal},
	} {
		if err := tc.set("fep1", true); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if err := n.connect(t, "fep1", "dev"); !tc.toDev(err) {
			t.Errorf("%s: fep1 to the devices: %v", tc.name, err)
		}
		if err := n.connect(t, "fep1", "wit"); !tc.toPeer(err) {
			t.Errorf("%s: fep1 to the witness: %v", tc.name, err)
		}
		if err := n.connect(t, "wit", "fep1"); !tc.toPeer(err) {
			t.Errorf("%s: the witness to fep1: %v", tc.name, err)
		}
		if err := n.connect(t, "fep2", "dev"); err != nil {
			t.Errorf("%s of fep1: fep2 to the devices: %v", tc.name, err)
		}
		if err := tc.set("fep1", false); err != nil {
			t.Fatalf("healing %s: %v", tc.name, err)
		}
		// A host that was silent is asked for its hardware address again, once
		// a second.
		for _, way := range [][2]string{{"fep1", "dev"}, {"fep1", "wit"}, {"wit", "fep1"}} {
			if err := within(5*time.Second, func() error { return n.connect(t, way[0], way[1]) }); err != nil {
				t.Errorf("%s healed: %s to %s: %v", tc.name, way[0], way[1], err)
			}
		}
	}
}

// A slow cable takes its time each way, carries long segments whole, and is
// gone when it is healed.
func TestSlowCable(t *testing.T) {
	n := newNetwork(t)
	l, err := n.spaces["dev"].Listen("tcp", hostAddress("dev")+":2404")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	c, err := n.spaces["fep1"].Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456789"), 20_000)
	echo := func() time.Duration {
		began := time.Now()
		_ = c.SetDeadline(began.Add(10 * time.Second))
		go func() { _, _ = c.Write(sent) }() // ends by the deadline
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("echo: %v", err)
		}
		return time.Since(began)
	}
	const by = 50 * time.Millisecond
	for range 2 {
		if err := n.Delay("fep1", by); err != nil {
			t.Fatal(err)
		}
		if took := echo(); took < 2*by {
			t.Errorf("an echo took %v, want at least %v", took, 2*by)
		}
		if err := n.Delay("fep1", 0); err != nil {
			t.Fatal(err)
		}
		// One packet that was lost with the old cable costs its repetition.
		if err := within(5*time.Second, func() error {
			if took := echo(); took >= 2*by {
				return fmt.Errorf("an echo took %v", took)
			}
			return nil
		}); err != nil {
			t.Errorf("healed: %v", err)
		}
	}
}

func within(limit time.Duration, try func() error) (err error) {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if err = try(); err == nil {
			return nil
		}
	}
	return err
}

// One way means one way.
func TestOneWayCuts(t *testing.T) {
	n := newNetwork(t)
	fep, err := n.spaces["fep1"].listenPacket(hostAddress("fep1", fieldBridge) + ":9000")
	if err != nil {
		t.Fatal(err)
	}
	defer fep.Close()
	dev, err := n.spaces["dev"].listenPacket(hostAddress("dev") + ":9000")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	passes := func(from, to net.PacketConn) bool {
		buf := make([]byte, 16)
		_ = to.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = from.WriteTo([]byte("hello"), to.LocalAddr())
		_, _, err := to.ReadFrom(buf)
		return err == nil
	}
	if !passes(fep, dev) || !passes(dev, fep) {
		t.Fatal("packets don't pass without a fault")
	}
	for _, tc := range []struct {
		name    string
		set     func(host string, on bool) error
		out, in bool
	}{{"mute", n.Mute, false, true}, {"deafen", n.Deafen, true, false}} {
		if err := tc.set("fep1", true); err != nil {
			t.Fatal(err)
		}
		if out, in := passes(fep, dev), passes(dev, fep); out != tc.out || in != tc.in {
			t.Errorf("%s: out %v, in %v; want %v, %v", tc.name, out, in, tc.out, tc.in)
		}
		if err := tc.set("fep1", false); err != nil {
			t.Fatal(err)
		}
	}
}

func (n *namespace) listenPacket(address string) (c net.PacketConn, err error) {
	err = n.inside(func() error {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	return c, err
}

// Each fault of the network may come to any node, also one that lacks the cable.
func TestNetworkFaultsAnywhere(t *testing.T) {
	s := &Station{opts: Options{Network: newNetwork(t)}}
	for _, f := range faultsOfNetwork() {
		for _, node := range []string{"fep1", "wit"} {
			if err := errors.Join(f.Inject(t.Context(), s, node), f.Heal(t.Context(), s, node)); err != nil {
				t.Errorf("%s at %s: %v", f.Name, node, err)
			}
		}
	}
}

func TestFaultNames(t *testing.T) {
	for _, f := range Faults() {
		got, err := FaultByName(f.Name)
		if err != nil || got.About != f.About || f.Inject == nil || f.Heal == nil {
			t.Errorf("%s: %+v, %v", f.Name, got, err)
		}
	}
	if _, err := FaultByName("earthquake"); !errors.Is(err, ErrUnknownFault) {
		t.Errorf("error %v, want %v", err, ErrUnknownFault)
	}
}
