package iec104

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/internal/oracle"
)

// watcher takes what a link gives and checks what must always hold.
type watcher struct {
	t         interface{ Fatalf(string, ...any) }
	l         *link
	sent      uint64 // I-frames that came out
	delivered uint64
	recvSeq   uint64 // the last N(R) that came out, unwrapped
	closed    bool
	kinds     []eventKind
	out       []byte // all of it, in order
	asdus     [][]byte
}

// take empties the link.
func (w *watcher) take(now time.Duration) (out []byte) {
	l := w.l
	out = bytes.Clone(l.out)
	l.out = l.out[:0]
	w.out = append(w.out, out...)
	if w.closed && (len(out) > 0 || len(l.events) > 0) {
		w.t.Fatalf("a closed link gives % x, %v", out, l.events)
	}
	if n := l.sent - l.acked; n > uint64(l.cfg.K) {
		w.t.Fatalf("%d I-frames unacknowledged, k is %d", n, l.cfg.K)
	}
	if l.confirmed > l.taken || l.taken > l.received {
		w.t.Fatalf("confirmed %d, taken %d, received %d", l.confirmed, l.taken, l.received)
	}
	for b := out; len(b) > 0; {
		f, n, err := ParseFrame(b)
		if err != nil || n == 0 {
			w.t.Fatalf("% x is no frame: %v", b, err)
		}
		b = b[n:]
		if f.Format == FormatI {
			if f.SendSeq != uint16(w.sent%SequenceModulus) {
				w.t.Fatalf("N(S) %d, want %d", f.SendSeq, w.sent%SequenceModulus)
			}
			w.sent++
		}
		if f.Format != FormatU {
			w.recvSeq += (uint64(f.RecvSeq) - w.recvSeq) % SequenceModulus
			if w.recvSeq > l.taken {
				w.t.Fatalf("N(R) acknowledges %d, only %d were taken", w.recvSeq, l.taken)
			}
		}
	}
	for _, e := range l.events {
		w.kinds = append(w.kinds, e.kind)
		switch e.kind {
		case asduReceived:
			if e.index != w.delivered+1 {
				w.t.Fatalf("delivered %d after %d", e.index, w.delivered)
			}
			w.delivered++
			w.asdus = append(w.asdus, bytes.Clone(e.asdu))
		case linkClosed:
			w.closed = true
			if l.err == nil || l.state != Closed {
				w.t.Fatalf("closed without a reason, or not: %v, %v", l.err, l.state)
			}
		}
	}
	l.events = l.events[:0]
	if d := l.deadline(); d <= now && !w.closed {
		l.tick(now)
		if l.deadline() <= now {
			w.t.Fatalf("the deadline %v does not go away at %v", d, now)
		}
		w.take(now)
	}
	return out
}

// FuzzLink gives a link any octets at any time, and any wish of its application.
// Each octet of the program says what comes next; some make frames that fit, so
// that the fuzzer gets past the first ones.
func FuzzLink(f *testing.F) {
	f.Add([]byte{0x00, 7, 9, 1, 1, 2, 12, 3, 8, 4, 255, 5, 6, 10, 11})
	f.Add([]byte{0x31, 11, 9, 1, 1, 1, 12, 2, 2, 3, 3, 4, 200, 13, 8})
	f.Add(append([]byte{0x02, 0, 20}, "\x68\x04\x07\x00\x00\x00\x68\x04\x43\x00\x00\x00\x68\x0e"...))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 {
			return
		}
		cfg := DefaultConfig()
		cfg.K = 1 + int(program[0]>>4)*3
		cfg.W = max(1, 2*cfg.K/3)
		cfg.Tolerate = Tolerance(program[0]) & TolerateAll
		l := newLink(cfg, program[0]&1 != 0, 0)
		if program[0]&4 != 0 { // close to the wrap
			l.sent, l.acked = SequenceModulus-3, SequenceModulus-3
			l.received, l.taken, l.confirmed = SequenceModulus-2, SequenceModulus-2, SequenceModulus-2
		}
		w := &watcher{t: t, l: l, sent: l.sent, delivered: l.received, recvSeq: l.taken}
		var now time.Duration
		var rest []byte
		receive := func(b []byte) {
			rest = append(rest, b...)
			rest = rest[l.receive(now, rest):]
			if len(rest) >= MaxFrame && l.state != Closed {
				t.Fatalf("%d octets are not taken", len(rest))
			}
		}
		arg := func(i int) int {
			if i < len(program) {
				return int(program[i])
			}
			return 0
		}
		for i := 1; i < len(program); i++ {
			switch program[i] % 14 {
			case 0: // any octets
				n := min(arg(i+1), max(0, len(program)-i-2))
				if n > 0 {
					receive(program[i+2 : i+2+n])
				}
				i += 1 + n
			case 1: // an I-frame in sequence
				receive(AppendI(nil, uint16(l.received%SequenceModulus), uint16(l.acked%SequenceModulus), testASDU()))
			case 2: // one that acknowledges, truly or not
				receive(AppendI(nil, uint16(l.received%SequenceModulus), uint16((l.acked+uint64(arg(i+1)))%SequenceModulus), testASDU()))
				i++
			case 3:
				receive(AppendS(nil, uint16((l.acked+uint64(arg(i+1)%16))%SequenceModulus)))
				i++
			case 4:
				now += time.Duration(arg(i+1)) * 100 * time.Millisecond
				l.tick(now)
				i++
			case 5:
				l.ack(now, l.taken+uint64(arg(i+1)))
				i++
			case 6:
				if n := min(l.room(), arg(i+1)); n > 0 {
					for range n {
						l.send(now, testASDU())
					}
				}
				i++
			case 7:
				receive(AppendU(nil, StartDTAct))
			case 8:
				receive(AppendU(nil, StopDTAct))
			case 9:
				l.confirmStart()
				l.start(now)
			case 10:
				l.stop(now)
			case 11:
				receive(AppendU(nil, []Function{StartDTCon, StopDTCon, TestFRAct, TestFRCon}[arg(i+1)%4]))
				i++
			case 12:
				if l.taken < l.received {
					l.skip(now, l.taken+1)
				}
			case 13:
				l.test(now)
			}
			w.take(now)
		}
	})
}

// Row 4: how octets are cut into segments changes nothing.
func TestRow04_SegmentsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		controlling := rapid.Bool().Draw(t, "controlling")
		var stream []byte
		if controlling {
			stream = AppendU(nil, StartDTCon)
		} else {
			stream = AppendU(nil, StartDTAct)
		}
		for i := range rapid.IntRange(0, 20).Draw(t, "frames") {
			switch rapid.IntRange(0, 9).Draw(t, "frame") {
			case 0:
				stream = AppendU(stream, TestFRAct)
			case 1:
				stream = AppendS(stream, 0)
			case 2:
				stream = append(stream, rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "garbage")...)
			default:
				stream = AppendI(stream, uint16(i), 0, testASDU())
			}
		}
		run := func(cuts []int) *watcher {
			l := newLink(DefaultConfig(), controlling, 0)
			if controlling {
				l.start(0)
			}
			w := &watcher{t: t, l: l}
			rest, from := []byte(nil), 0
			for _, to := range append(cuts, len(stream)) {
				rest = append(rest, stream[from:to]...)
				from = to
				rest = rest[l.receive(0, rest):]
				if slices.ContainsFunc(l.events, func(e event) bool { return e.kind == startRequested }) {
					l.confirmStart()
				}
				w.take(0)
			}
			return w
		}
		// The permission to start comes with the first frame, so that is alone.
		whole := run([]int{6})
		cuts := rapid.SliceOf(rapid.IntRange(6, len(stream))).Draw(t, "cuts")
		slices.Sort(cuts)
		pieces := run(append([]int{6}, cuts...))
		if !bytes.Equal(whole.out, pieces.out) || !slices.Equal(whole.kinds, pieces.kinds) || !slices.EqualFunc(whole.asdus, pieces.asdus, bytes.Equal) {
			t.Fatalf("whole: % x %v\ncut at %v: % x %v", whole.out, whole.kinds, cuts, pieces.out, pieces.kinds)
		}
	})
}

// Rows 18 to 21, 24, 25: two links that follow the rules, over a line with any
// delay up to half of t1-t2, never close, and everything arrives once and in order, at
// the wrap too; whenever all is quiet everything is acknowledged.
func TestTwoLinksNeverLoseAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultConfig()
		cfg.K = rapid.IntRange(2, 20).Draw(t, "k")
		cfg.W = rapid.IntRange(1, 2*cfg.K/3).Draw(t, "w")
		type end struct {
			*watcher
			line    []byte        // under way to it
			arrives time.Duration // its beginning
			wants   uint64        // ASDUs that its application has sent
		}
		ends := []*end{}
		for _, controlling := range []bool{true, false} {
			l := newLink(cfg, controlling, 0)
			l.sent, l.acked = SequenceModulus-10, SequenceModulus-10
			l.received, l.taken, l.confirmed = SequenceModulus-10, SequenceModulus-10, SequenceModulus-10
			ends = append(ends, &end{watcher: &watcher{t: t, l: l, sent: l.sent, delivered: l.received, recvSeq: l.taken}, wants: l.sent})
		}
		var now time.Duration
		flow := func(i int) {
			from, to := ends[i], ends[1-i]
			for from.l.room() > 0 && from.l.sent < from.wants {
				from.l.send(now, testASDU())
			}
			if out := from.take(now); len(out) > 0 {
				if len(to.line) == 0 {
					to.arrives = now + time.Duration(rapid.IntRange(0, 2400).Draw(t, "delay"))*time.Millisecond
				}
				to.line = append(to.line, out...)
			}
			if from.closed {
				t.Fatalf("closed at %v: %v", now, from.l.err)
			}
		}
		step := func(d time.Duration) {
			for end := now + d; now < end; {
				next := end
				for _, e := range ends {
					next = min(next, e.l.deadline())
					if len(e.line) > 0 {
						next = min(next, e.arrives)
					}
				}
				now = max(now, next)
				for i, e := range ends {
					if len(e.line) > 0 && now >= e.arrives {
						n := e.l.receive(now, e.line)
						if n != len(e.line) && !e.closed {
							t.Fatalf("%d of %d octets taken: %v", n, len(e.line), e.l.err)
						}
						e.line = e.line[:0]
						e.l.confirmStart()
						e.l.ack(now, e.l.received)
					}
					e.l.tick(now)
					flow(i)
				}
			}
		}
		ends[0].l.start(0)
		flow(0)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			e := ends[rapid.IntRange(0, 1).Draw(t, "end")]
			e.wants += uint64(rapid.IntRange(0, 3*cfg.K).Draw(t, "asdus"))
			step(time.Duration(rapid.IntRange(0, 60000).Draw(t, "ms")) * time.Millisecond)
		}
		step(5 * time.Minute)
		for i, e := range ends {
			if other := ends[1-i]; e.l.acked != e.wants || other.delivered != e.wants {
				t.Fatalf("end %d sent %d of %d: %d delivered, %d acknowledged", i, e.l.sent, e.wants, other.delivered, e.l.acked)
			}
		}
	})
}

func TestLinkNeverCopiesMoreThanItGets(t *testing.T) {
	l := newLink(DefaultConfig(), true, 0)
	l.start(0)
	l.out = l.out[:0]
	frames := AppendU(nil, StartDTCon)
	for i := range 1000 {
		frames = AppendI(frames, uint16(i), 0, testASDU())
	}
	l.receive(0, frames[:6])
	frames = frames[6:]
	l.events = make([]event, 0, 2000)
	if n := testing.AllocsPerRun(1, func() {
		l.receive(0, frames)
		l.ack(0, l.received)
		l.out, l.events = l.out[:0], l.events[:0]
		l.received, l.taken, l.confirmed = 0, 0, 0
	}); n > 0 {
		t.Errorf("%v allocations for 1000 I-frames, want none", n)
	}
}

// Recorded traffic, sound and malformed, is taken by a link of either role: it
// closes for what breaks the rules, and delivers nothing out of order.
func TestCapturedTrafficIntoALink(t *testing.T) {
	files, err := filepath.Glob("testdata/captures/*.pcap")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures", err)
	}
	for _, file := range files {
		segments, err := oracle.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		type flow struct{ from, to netip.AddrPort }
		for _, tolerant := range []bool{false, true} {
			for _, controlling := range []bool{false, true} {
				links, rest := make(map[flow]*watcher), make(map[flow][]byte)
				for _, s := range segments {
					key := flow{s.From, s.To}
					w := links[key]
					if w == nil {
						cfg := DefaultConfig()
						if tolerant {
							cfg.Tolerate = TolerateAll
						}
						w = &watcher{t: t, l: newLink(cfg, controlling, 0)}
						links[key] = w
						w.l.start(0)
						w.take(0)
					}
					b := append(rest[key], s.Data...)
					rest[key] = b[w.l.receive(0, b):]
					w.l.confirmStart()
					w.l.ack(0, w.l.received)
					w.take(0)
				}
			}
		}
	}
}

// Row 30: no clock that can be stepped is read. The core is given readings of a
// monotonic one and reads none itself; its owner measures from an instant that
// has a monotonic reading.
func TestRow30_OnlyTheMonotonicClock(t *testing.T) {
	for _, file := range []string{"link.go", "link_control.go", "link_timers.go", "selection.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("time.Now")) || bytes.Contains(b, []byte("time.Time")) {
			t.Errorf("%s reads or keeps a time of day", file)
		}
	}
	var c conn
	local, remote := net.Pipe()
	defer remote.Close()
	defer local.Close()
	c.init(DefaultConfig(), local, nil, true)
	if c.epoch == c.epoch.Round(0) {
		t.Error("the link's epoch has no monotonic reading")
	}
}
