package iec104

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/internal/transcript"
)

// TestLink replays the transcripts of testdata/link against the core.
//
// Each begins with new, after its title. What is done, and what the link does:
//
//	new controlled|controlling [k=N] [w=N] [t1=D] [t2=D] [t3=D] [tolerant] [repeat-start]
//	set sent=N received=N   as if so many I-frames had gone and been acknowledged
//	rx FRAME; FRAME ...     received in one segment: I N(S) N(R), S N(R), a U-frame's name, or "hex 68 04 ..."
//	send N                  the application sends N ASDUs, or as many as the window has room for
//	ack N, skip N           the application takes all up to N; ASDU N was malformed
//	confirm, start, stop, test
//	advance D               time goes on; timers act on the way
//
//	tx FRAME                is written
//	asdu N                  the application gets I-frame N, counted from 1
//	acked N                 the peer has acknowledged N of ours
//	start? started stopped tested closed: WHY
func TestLink(t *testing.T) {
	transcript.Play(t, "testdata/link/*.txt", func(*testing.T) func(string) (string, error) {
		var p player
		return func(line string) (string, error) {
			did, err := p.do(line)
			return strings.Join(append(did, ""), "\n"), err
		}
	})
}

// player gives a link what a transcript says.
type player struct {
	l    *link
	now  time.Duration
	rest []byte // of a frame received in part
}

func (p *player) do(line string) (out []string, err error) {
	verb, arg, _ := strings.Cut(line, " ")
	if p.l == nil && verb != "new" {
		return nil, fmt.Errorf("new comes first")
	}
	switch verb {
	case "new":
		err = p.create(strings.Fields(arg))
	case "set":
		for _, f := range strings.Fields(arg) {
			name, v, _ := strings.Cut(f, "=")
			n, e := strconv.ParseUint(v, 10, 64)
			switch name {
			case "sent":
				p.l.sent, p.l.acked = n, n
			case "received":
				p.l.received, p.l.taken, p.l.confirmed = n, n, n
			default:
				e = fmt.Errorf("unknown %q", name)
			}
			if e != nil {
				err = e
			}
		}
	case "rx":
		b := p.rest
		for f := range strings.SplitSeq(arg, ";") {
			if b, err = appendFrame(b, strings.TrimSpace(f)); err != nil {
				return nil, err
			}
		}
		p.rest = b[p.l.receive(p.now, b):]
	case "send":
		var n int
		if n, err = strconv.Atoi(arg); err == nil {
			for range min(n, p.l.room()) {
				p.l.send(p.now, testASDU())
			}
		}
	case "ack", "skip":
		var n uint64
		if n, err = strconv.ParseUint(arg, 10, 64); err == nil {
			if verb == "ack" {
				p.l.ack(p.now, n)
			} else {
				p.l.skip(p.now, n)
			}
		}
	case "confirm":
		p.l.confirmStart()
	case "start":
		p.l.start(p.now)
	case "stop":
		p.l.stop(p.now)
	case "test":
		p.l.test(p.now)
	case "advance":
		d, e := time.ParseDuration(arg)
		if e != nil {
			return nil, e
		}
		end := p.now + d
		for p.l.deadline() <= end {
			p.now = max(p.now, p.l.deadline())
			p.l.tick(p.now)
			for _, o := range p.drain() {
				out = append(out, fmt.Sprintf("+%v %s", p.now-(end-d), o))
			}
		}
		p.now = end
	default:
		err = fmt.Errorf("unknown stimulus")
	}
	return append(out, p.drain()...), err
}

func (p *player) create(args []string) (err error) {
	cfg := DefaultConfig()
	for _, a := range args[1:] {
		name, v, _ := strings.Cut(a, "=")
		switch name {
		case "k":
			cfg.K, err = strconv.Atoi(v)
		case "w":
			cfg.W, err = strconv.Atoi(v)
		case "t1":
			cfg.T1, err = time.ParseDuration(v)
		case "t2":
			cfg.T2, err = time.ParseDuration(v)
		case "t3":
			cfg.T3, err = time.ParseDuration(v)
		case "tolerant":
			cfg.Tolerate = TolerateAll
		case "repeat-start":
			cfg.RepeatStart = true
		default:
			err = fmt.Errorf("unknown %q", a)
		}
		if err != nil {
			return err
		}
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	*p = player{l: newLink(cfg, args[0] == "controlling", p.now), now: p.now}
	return nil
}

// drain returns what the link wants to be done, in words: what it writes first.
func (p *player) drain() (out []string) {
	for b := p.l.out; len(b) > 0; {
		f, n, err := ParseFrame(b)
		if err != nil || n == 0 {
			return append(out, fmt.Sprintf("bad output % x: %v", b, err))
		}
		b = b[n:]
		switch f.Format {
		case FormatI:
			out = append(out, fmt.Sprintf("tx I %d %d", f.SendSeq, f.RecvSeq))
		case FormatS:
			out = append(out, fmt.Sprintf("tx S %d", f.RecvSeq))
		case FormatU:
			out = append(out, "tx "+f.Function.String())
		}
	}
	p.l.out = nil
	for _, e := range p.l.events {
		switch e.kind {
		case asduReceived:
			out = append(out, fmt.Sprintf("asdu %d", e.index))
		case framesAcked:
			out = append(out, fmt.Sprintf("acked %d", e.index))
		case startRequested:
			out = append(out, "start?")
		case linkStarted:
			out = append(out, "started")
		case linkStopped:
			out = append(out, "stopped")
		case testConfirmed:
			out = append(out, "tested")
		case linkClosed:
			out = append(out, "closed: "+p.l.err.Error())
		}
	}
	p.l.events = nil
	return out
}

// testASDU is what is sent where the content doesn't matter.
var testASDU = sync.OnceValue(func() asdu.ASDU {
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.M_SP_NA_1, Cause: asdu.Spontaneous, CommonAddress: 1}, asdu.Object{Address: 1, Value: 1})
	if err != nil {
		panic(err)
	}
	return a
})

func appendFrame(b []byte, s string) ([]byte, error) {
	var ns, nr uint16
	if h, ok := strings.CutPrefix(s, "hex "); ok {
		raw, err := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
		return append(b, raw...), err
	}
	if n, _ := fmt.Sscanf(s, "I %d %d", &ns, &nr); n == 2 {
		return AppendI(b, ns, nr, testASDU()), nil
	}
	if n, _ := fmt.Sscanf(s, "S %d", &nr); n == 1 {
		return AppendS(b, nr), nil
	}
	for _, f := range []Function{StartDTAct, StartDTCon, StopDTAct, StopDTCon, TestFRAct, TestFRCon} {
		if f.String() == s {
			return AppendU(b, f), nil
		}
	}
	return b, fmt.Errorf("no such frame: %q", s)
}
