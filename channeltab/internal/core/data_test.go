package core

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// pair is two stations that know each other.
func pair(t *testing.T) (*world, *simStation, *simStation) {
	w := newWorld(t, 1)
	w.centre(900, 1, nil)
	w.run(2 * time.Second)
	a, b := w.station(1).begin(), w.station(2).begin()
	w.run(2 * time.Second)
	return w, a, b
}

// TestManyMessages sends far more than one window, in both streams, while a third of all datagrams is lost.
func TestManyMessages(t *testing.T) {
	for _, stream := range []wire.Stream{wire.AnyOrder, wire.InOrder} {
		w, a, b := pair(t)
		w.loss = 0.2
		sent, failed := 0, 0
		a.onDone = func(_ uint64, err error) {
			if err != nil {
				failed++
			}
		}
		for sent < 500 {
			_, err := a.send(2, fmt.Sprint(sent), stream)
			switch {
			case err == nil:
				sent++
			case errors.Is(err, ErrPoolFull):
				w.run(50 * time.Millisecond)
			default:
				t.Fatal(err)
			}
		}
		w.run(20 * time.Second)
		if len(b.got)+failed < sent || failed > 5 {
			t.Errorf("%s: of %d messages %d arrived and %d failed", stream, sent, len(b.got), failed)
		}
		if b.core.Inbox.assembly != 0 || b.core.Stats.Overflow != 0 {
			t.Errorf("%s: %d octets in assembly, %d fragments without room", stream, b.core.Inbox.assembly, b.core.Stats.Overflow)
		}
	}
}

// TestFullInbox: what an application does not read is not acknowledged, and not lost: its sender waits.
func TestFullInbox(t *testing.T) {
	_, a, b := pair(t)
	now := a.w.now
	in, box := &incoming{}, &b.core.Inbox
	seq := uint64(0)
	take := func(n int) []wire.Ack {
		seq++
		var acks []wire.Ack
		for i := range wire.Fragments(n) {
			acks = box.take(now, in, Message{From: 1, CN: 1}, wire.Data{AckNow: true, Index: uint8(i), Seq: seq, Base: seq, Length: uint32(n), Payload: make([]byte, min(wire.MaxFragment, n-i*wire.MaxFragment))})
		}
		return acks
	}
	const most = maxInbox / 2 // of one peer
	for i := range most {
		if acks := take(10); len(acks) != 1 || !acks[0].Delivered {
			t.Fatalf("message %d: %+v", i, acks)
		}
	}
	if acks := take(10); len(acks) != 1 || acks[0].Delivered || acks[0].Fragments != 1 {
		t.Errorf("with a full inbox: %+v", acks)
	}
	if box.count != most {
		t.Errorf("%d messages in the inbox, want %d", box.count, most)
	}
	m, _ := box.Pop()
	if acks := box.take(now, in, Message{From: 1, CN: 1}, wire.Data{Seq: seq, Base: seq, Length: 10, Payload: make([]byte, 10)}); len(acks) != 1 || !acks[0].Delivered || len(m.Payload) != 10 {
		t.Errorf("after one was read: %+v", acks)
	}
	for range most {
		box.Pop()
	}
	if _, ok := box.Pop(); ok || box.size != 0 || box.assembly != 0 {
		t.Errorf("empty, with %d octets, %d in assembly", box.size, box.assembly)
	}
	// By octets too.
	for delivered := 0; ; delivered++ {
		if acks := take(wire.MaxMessage); !acks[0].Delivered {
			if want := maxInboxSize / wire.MaxMessage / 2; delivered != want {
				t.Errorf("%d messages of %d octets fit, want %d", delivered, wire.MaxMessage, want)
			}
			break
		}
	}
}

// TestAssemblyIsBounded: begun messages take a bounded amount of memory, and go when nothing comes of them.
func TestAssemblyIsBounded(t *testing.T) {
	w, a, b := pair(t)
	now := w.now
	box := &b.core.Inbox
	var streams []*incoming
	for i := range 20 {
		in := &incoming{}
		streams = append(streams, in)
		for seq := range uint64(seqWindow + 5) {
			box.take(now, in, Message{From: chantable.ID(i)}, wire.Data{Seq: seq, Length: wire.MaxMessage, Payload: make([]byte, wire.MaxFragment)})
		}
	}
	if box.assembly > maxAssembly || b.core.Stats.Overflow == 0 {
		t.Errorf("%d octets in assembly, want at most %d; %d without room", box.assembly, maxAssembly, b.core.Stats.Overflow)
	}
	box.take(now, streams[0], Message{}, wire.Data{Seq: 1, Length: 5, Payload: make([]byte, 5)}) // another length
	if b.core.Stats.Malformed != 1 {
		t.Errorf("a fragment that does not belong: %d malformed", b.core.Stats.Malformed)
	}
	for _, in := range streams[1:] {
		box.sweep(in, now.Add(time.Second))
	}
	box.take(now, streams[0], Message{}, wire.Data{Seq: 40, Base: 40, Length: 5, Payload: make([]byte, 5)})
	if box.assembly != 0 {
		t.Errorf("%d octets are left", box.assembly)
	}

	// A core drops what has not grown for a minute.
	w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
		d, _ := a.setup.Codec.Open(raw)
		x, ok := d.Body.(wire.Data)
		return ok && x.Index == 1
	}
	if _, err := a.send(2, string(make([]byte, 3000)), wire.AnyOrder); err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	if box.assembly != 3000 {
		t.Fatalf("%d octets in assembly, want 3000", box.assembly)
	}
	a.crash()
	w.run(3 * assemblyAfter)
	if box.assembly != 0 {
		t.Errorf("%d octets in assembly after %s", box.assembly, 3*assemblyAfter)
	}
}

func TestSendBounds(t *testing.T) {
	w, a, b := pair(t)
	if _, err := a.send(2, string(make([]byte, wire.MaxMessage+1)), wire.AnyOrder); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	b.crash()
	var handles []uint64
	for range maxPending {
		h, err := a.send(2, "x", wire.AnyOrder)
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, h)
	}
	if _, err := a.send(2, "x", wire.AnyOrder); !errors.Is(err, ErrPoolFull) {
		t.Errorf("one too many: %v", err)
	}
	for _, h := range handles[1:] {
		a.core.Pool.Cancel(h)
	}
	a.work()
	w.run(10 * time.Second)
	if err := a.results[handles[0]]; !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("to a peer that is gone: %v", err)
	}
	if err := a.results[handles[1]]; !errors.Is(err, ErrClosed) || len(a.core.Pool.Active) != 0 {
		t.Errorf("cancelled: %v, %d peers active", err, len(a.core.Pool.Active))
	}
	// A station may send to itself.
	h, err := a.send(1, "note", wire.InOrder)
	if err != nil {
		t.Fatal(err)
	}
	w.run(time.Second)
	if err, ok := a.results[h]; err != nil || !ok || len(a.got) != 1 {
		t.Errorf("to itself: %v, got %d", err, len(a.got))
	}
}

// TestRemovedPeer: what is under way to a peer that the table no longer has fails like that to one that is silent; if it is back
// before, it goes on.
func TestRemovedPeer(t *testing.T) {
	for _, back := range []bool{false, true} {
		w, a, b := pair(t)
		w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
			d, _ := a.setup.Codec.Open(raw)
			return d.Body.Kind() == wire.KindData
		}
		h, err := a.send(2, "x", wire.AnyOrder)
		if err != nil {
			t.Fatal(err)
		}
		known, sent := a.core.Pool.lookup, 0
		a.core.Pool.lookup = func(chantable.ID) (chantable.Entry, bool) { return chantable.Entry{}, false }
		w.tap = func(_, _ netip.AddrPort, raw []byte) bool {
			if d, _ := a.setup.Codec.Open(raw); d.Body.Kind() == wire.KindData {
				sent++
			}
			return false
		}
		w.run(time.Second)
		if _, ok := a.results[h]; ok || sent > 0 {
			t.Errorf("a removed peer was sent %d datagrams; settled: %t", sent, ok)
		}
		if _, err := a.send(2, "y", wire.AnyOrder); !errors.Is(err, ErrUnknownID) {
			t.Errorf("a new message: %v", err)
		}
		if back {
			a.core.Pool.lookup = known
		}
		w.run(5 * time.Second)
		if err := a.results[h]; back != (err == nil) || !back && !errors.Is(err, ErrNotAcknowledged) || back != (len(b.got) == 1) {
			t.Errorf("back %t: %v, got %d", back, err, len(b.got))
		}
	}
}
