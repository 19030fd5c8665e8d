package hostile

import (
	"bufio"
	"io"
	"net"
	"sync"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// peer is one end of a connection that speaks 104 as badly as it likes: a well-kept link of package iec104 would refuse to.
type peer struct {
	conn net.Conn
	in   *bufio.Reader

	mu         sync.Mutex
	sent, seen uint16 // N(S) of the next I-frame; N(S) of the next one expected
	acked      uint16 // N(R) of the other side
	started    bool
}

func newPeer(conn net.Conn) *peer { return &peer{conn: conn, in: bufio.NewReader(conn)} }

// read takes one frame. What is wrong with it is an error that ends the connection.
func (p *peer) read() (iec104.Frame, error) {
	head, err := p.in.Peek(2)
	if err != nil {
		return iec104.Frame{}, err
	}
	frame := make([]byte, 2+int(head[1]))
	if _, err := io.ReadFull(p.in, frame); err != nil {
		return iec104.Frame{}, err
	}
	f, _, err := iec104.ParseFrame(frame)
	if err != nil {
		return f, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f.Format {
	case iec104.FormatI:
		p.seen = (f.SendSeq + 1) % iec104.SequenceModulus
		p.acked = f.RecvSeq
	case iec104.FormatS:
		p.acked = f.RecvSeq
	case iec104.FormatU:
		switch f.Function {
		case iec104.StartDTAct:
			p.started = true
			_, err = p.conn.Write(iec104.AppendU(nil, iec104.StartDTCon))
		case iec104.StartDTCon:
			p.started = true
		case iec104.StopDTAct:
			p.started = false
			_, err = p.conn.Write(iec104.AppendU(nil, iec104.StopDTCon))
		case iec104.TestFRAct:
			_, err = p.conn.Write(iec104.AppendU(nil, iec104.TestFRCon))
		}
	}
	return f, err
}

// send sends octets as the ASDU of an I-frame, whatever they are. It acknowledges nothing unless acknowledge is set. false: the
// link isn't started, or so many frames are on their way already.
func (p *peer) send(octets []byte, window int, acknowledge bool) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if underWay := int(p.sent-p.acked+iec104.SequenceModulus) % iec104.SequenceModulus; !p.started || underWay >= window {
		return false, nil
	}
	var seen uint16
	if acknowledge {
		seen = p.seen
	}
	frame := append([]byte{iec104.StartOctet, byte(4 + len(octets)), byte(p.sent << 1), byte(p.sent >> 7), byte(seen << 1), byte(seen >> 7)}, octets...)
	p.sent = (p.sent + 1) % iec104.SequenceModulus
	_, err := p.conn.Write(frame)
	return err == nil, err
}

// write sends octets as they are.
func (p *peer) write(octets []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.conn.Write(octets)
	return err
}

// build makes an ASDU by the rules.
func build(h asdu.Header, objects ...asdu.Object) []byte {
	a, err := asdu.DefaultProfile.New(h, objects...)
	if err != nil {
		panic(err) // the callers' tables are right by themselves
	}
	return a.Append(nil)
}
