package core

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// simMailbox is the group's state as the endpoint uses it, in virtual time: what is proposed is decided a while later,
// whether its proposer lives or not.
type simMailbox struct {
	w      *world
	state  *fsm.State
	index  uint64
	commit time.Duration
	onKept func(Message)
}

func newSimMailbox(w *world) *simMailbox {
	b := &simMailbox{w: w, state: fsm.New()}
	b.apply("", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{
		Digest: "test", Fnp: true, Nodes: []*fsmpb.Configure_Node{{Id: "fep1", Host: 1, Role: "fep"}, {Id: "fep2", Host: 2, Role: "fep"}},
	}}})
	return b
}

func (b *simMailbox) apply(node string, c *fsmpb.Command) *fsmpb.Result {
	b.index++
	c.Node = node
	return b.state.Apply(b.index, &fsmpb.Entry{Commands: []*fsmpb.Command{c}})[0]
}

// own gives a station that begins the next epoch.
func (b *simMailbox) own(s *simStation) {
	r, _ := b.state.Resource(fsm.FNPResource())
	res := b.apply("", &fsmpb.Command{Op: &fsmpb.Command_Assign{Assign: &fsmpb.Assign{Resource: r.ID, ExpectEpoch: r.Epoch, Owner: s.setup.Name}}})
	if res.Code != fsmpb.Result_OK {
		b.w.t.Fatalf("%s: %s", res.Code, res.Message)
	}
	s.setup.Epoch = res.Epoch
	s.setup.Kept = func(from chantable.ID, session uint64, stream wire.Stream) (floor, marks uint64) {
		return b.state.Mailbox().Delivered(from, session, uint8(stream))
	}
}

// keep proposes what a station has got, and has it acknowledge that once it's kept.
func (b *simMailbox) keep(s *simStation, m Message) {
	core, epoch := s.core, s.setup.Epoch
	b.w.after(b.commit, func() {
		res := b.apply(s.setup.Name, &fsmpb.Command{Op: &fsmpb.Command_FnpReceive{FnpReceive: &fsmpb.FnpReceive{
			Epoch: epoch, From: uint64(m.From), Session: m.Receipt.Session, Stream: uint32(m.Stream), Seq: m.Receipt.Seq,
			Base: m.Receipt.Base, Payload: m.Payload,
		}}})
		b.w.tell("%s keeps %s: %s", s.setup.Name, brief(m.Payload), res.Code)
		switch res.Code {
		case fsmpb.Result_OK:
			if b.onKept != nil {
				b.onKept(m)
			}
		case fsmpb.Result_STALE_EPOCH:
			return
		case fsmpb.Result_DUPLICATE:
		default:
			b.w.t.Errorf("%s: %s", res.Code, res.Message)
		}
		if s.core == core {
			core.Settle(m)
			s.work()
		}
	})
}

// TestDeferredAcknowledgement: what is delivered is acknowledged once it's kept, and not delivered again meanwhile.
func TestDeferredAcknowledgement(t *testing.T) {
	type step struct {
		do   string // data SEQ BASE [quiet], or keep SEQ
		got  string // delivered by it
		acks string // said by it: d of delivered, f of fragments come
	}
	for _, tt := range []struct {
		name         string
		stream       wire.Stream
		floor, marks uint64 // kept by a station before
		steps        []step
	}{
		{"any order", wire.AnyOrder, 0, 0, []step{
			{"data 1 1", "1", ""}, {"data 1 1", "", "1f"}, {"data 1 1 quiet", "", ""}, {"data 2 1", "2", ""},
			{"keep 2", "", "2d"}, {"data 2 1", "", "2d"}, {"data 1 1", "", "1f"}, {"keep 1", "", "1d"}, {"data 1 1", "", "1d"},
		}},
		{"in order", wire.InOrder, 0, 0, []step{
			{"data 2 1", "", "2f"}, {"data 1 1", "1 2", ""}, {"data 3 1", "3", ""}, {"keep 1", "", "1d"}, {"data 2 1", "", "2f"},
			{"keep 2", "", "2d"}, {"keep 3", "", "3d"}, {"data 3 3", "", "3d"}, {"data 2 1", "", ""},
		}},
		{"given up meanwhile", wire.AnyOrder, 0, 0, []step{
			{"data 1 1", "1", ""}, {"data 2 2", "2", ""}, {"keep 1", "", "1d"}, {"data 100 100", "100", ""}, {"keep 2", "", "2d"}, {"keep 100", "", "100d"}, {"data 100 100", "", "100d"},
		}},
		{"kept before", wire.AnyOrder, 5, 0b101, []step{
			{"data 5 3", "", "5d"}, {"data 6 3", "6", ""}, {"data 7 6", "", "7d"}, {"data 4 3", "", ""}, {"keep 6", "", "6d"},
		}},
		{"kept before, in order", wire.InOrder, 5, 0b1, []step{
			{"data 7 5", "", "7f"}, {"data 6 5", "6 7", ""}, {"data 5 5", "", "5d"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kept := func(from chantable.ID, session uint64, s wire.Stream) (uint64, uint64) {
				if from != 1 || session != 9 || s != tt.stream {
					t.Errorf("asked for stream %d of session %d of %d", s, session, from)
				}
				return tt.floor, tt.marks
			}
			b, in, held := &inbox{rooms: newRooms(), stats: &Stats{}, kept: kept}, &incoming{}, map[uint64]Message{}
			for i, s := range tt.steps {
				var what, quiet string
				var seq, base uint64
				_, _ = fmt.Sscan(s.do, &what, &seq, &base, &quiet)
				var got, acks []string
				if what == "keep" {
					b.release(held[seq])
					in.settle(seq)
					acks = append(acks, fmt.Sprintf("%dd", seq))
				} else {
					m := Message{From: 1, Receipt: receipt{Session: 9}}
					for _, a := range b.take(time.Time{}, in, m, wire.Data{Stream: tt.stream, AckNow: quiet == "", Seq: seq, Base: base, Length: 1, Payload: []byte{1}}) {
						acks = append(acks, fmt.Sprintf("%d%s", a.Seq, map[bool]string{true: "d", false: "f"}[a.Delivered]))
					}
				}
				for m, ok := b.Pop(); ok; m, ok = b.Pop() {
					held[m.Receipt.Seq] = m
					got = append(got, fmt.Sprint(m.Receipt.Seq))
				}
				if strings.Join(got, " ") != s.got || strings.Join(acks, " ") != s.acks {
					t.Fatalf("step %d, %s: got %q, acknowledged %q; want %q and %q", i+1, s.do, got, acks, s.got, s.acks)
				}
			}
			if open := bits.OnesCount64(in.held); b.count < open || b.size != b.count {
				t.Errorf("%d messages of %d octets take room, %d are held", b.count, b.size, open)
			}
		})
	}
}

// TestHeldMessagesAreBounded: what is delivered and not yet kept takes the room of what isn't read.
func TestHeldMessagesAreBounded(t *testing.T) {
	b := &inbox{rooms: newRooms(), stats: &Stats{}, kept: func(chantable.ID, uint64, wire.Stream) (uint64, uint64) { return 0, 0 }}
	var read []Message
	in := &incoming{}
	const most = maxInbox / 2 // of one peer
	for seq := uint64(1); seq <= most+1; seq++ {
		b.take(time.Time{}, in, Message{}, wire.Data{AckNow: true, Seq: seq, Base: seq, Length: 1, Payload: []byte{1}})
		if m, ok := b.Pop(); ok {
			read = append(read, m)
		}
	}
	if len(read) != most || b.count != most {
		t.Errorf("%d messages were read, %d take room: want %d", len(read), b.count, most)
	}
	b.release(read[0])
	b.take(time.Time{}, in, Message{}, wire.Data{Seq: most + 1, Base: most + 1, Length: 1, Payload: []byte{1}})
	if _, ok := b.Pop(); !ok {
		t.Error("no room after one was kept")
	}
}

// TestOwnersChange lets stations send to an endpoint whose owners die in the middle of it, through loss, duplication and
// reordering. What is acknowledged is kept, nothing is kept twice, what is in order is kept in order, and no send ends
// in doubt: the next owner knows what was kept.
func TestOwnersChange(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed+1), func(t *testing.T) {
			t.Parallel()
			ownersChange(t, seed+1)
		})
	}
}

func ownersChange(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	r := w.rand
	w.centre(900, 1, nil)
	w.run(2 * time.Second)
	badNetwork := func() {
		w.delay = func() time.Duration { return time.Millisecond + time.Duration(r.Int64N(int64(20*time.Millisecond))) }
		w.loss, w.twice = []float64{0, 0.05, 0.15}[r.IntN(3)], []float64{0, 0.3}[r.IntN(2)]
	}
	w.after(2*time.Second, badNetwork) // when all are in the table

	mail := newSimMailbox(w)
	mail.commit = []time.Duration{time.Millisecond, 20 * time.Millisecond, 500 * time.Millisecond}[r.IntN(3)]
	kept := map[string]int{}
	ordered := map[chantable.ID]int{}
	mail.onKept = func(m Message) {
		name, _, _ := strings.Cut(string(m.Payload), ".")
		kept[name]++
		if m.Stream == wire.InOrder {
			var from, number int
			if _, err := fmt.Sscanf(name, "m-%d-%d", &from, &number); err != nil || number <= ordered[m.From] {
				t.Errorf("%s was kept after %d: %v", name, ordered[m.From], err)
			}
			ordered[m.From] = number
		}
	}
	var owners [2]*simStation
	for i := range owners {
		owners[i] = w.stationAt(21, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, byte(i)}), 7401))
		owners[i].setup.Name, owners[i].setup.Instance, owners[i].mail = fmt.Sprintf("fep%d", i+1), 77, mail
	}
	owners[0].begin()
	var senders []*simStation
	acked, failed := map[string]bool{}, 0
	for i := range 3 {
		s := w.station(chantable.ID(i + 1)).begin()
		names, submitted := map[uint64]string{}, 0
		s.onDone = func(handle uint64, err error) {
			switch {
			case err == nil:
				acked[names[handle]] = true
			case errors.Is(err, ErrNotAcknowledged):
				failed++
			default:
				t.Errorf("%s: %v", names[handle], err)
			}
		}
		senders = append(senders, s)
		for n := range 60 {
			w.after(2*time.Second+time.Duration(r.Int64N(int64(time.Second)))+time.Duration(n)*300*time.Millisecond, func() {
				submitted++
				name := fmt.Sprintf("m-%d-%d", s.id, submitted)
				size := []int{0, 0, 3000, 20000}[r.IntN(4)]
				h, err := s.core.Submit(w.now, 21, []byte(name+"."+strings.Repeat("x", size)), wire.Stream(r.IntN(2)))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				names[h] = name
				s.work()
			})
		}
	}
	alive := 0
	for at := 3 * time.Second; at < 24*time.Second; at += time.Second + time.Duration(r.Int64N(int64(3*time.Second))) {
		w.after(at, func() {
			owners[alive].crash()
			if r.IntN(4) > 0 { // else the same one again, as a new process
				alive = 1 - alive
			}
			next := owners[alive]
			w.after(time.Duration(r.Int64N(int64(700*time.Millisecond))), func() { next.begin() })
		})
	}
	w.run(60 * time.Second)
	if len(acked) == 0 || len(acked)+failed != 180 {
		t.Errorf("%d messages acknowledged, %d failed, of 180", len(acked), failed)
	}
	for name := range acked {
		if kept[name] != 1 {
			t.Errorf("%s was acknowledged and kept %d times", name, kept[name])
		}
	}
	for name, n := range kept {
		if n > 1 {
			t.Errorf("%s was kept %d times", name, n)
		}
	}
	for _, s := range senders {
		if len(s.core.Pool.Active) != 0 {
			t.Errorf("station %d still waits", s.id)
		}
	}
	t.Logf("loss %.2f, commits after %v: %d acknowledged, %d failed, %d kept", w.loss, mail.commit, len(acked), failed, len(kept))
}
