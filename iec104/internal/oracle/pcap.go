package oracle

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"
)

// Segment is the payload of one TCP segment.
type Segment struct {
	Packet   int // its number in the capture file, from 1; WriteFile ignores it
	At       time.Time
	From, To netip.AddrPort
	Data     []byte

	syn bool
	seq uint32
}

// Ends of a link for captures written by tests. The port makes tshark take the payload for 104.
var (
	Controlling = netip.MustParseAddrPort("192.0.2.1:50000")
	Controlled  = netip.MustParseAddrPort("192.0.2.2:2404")
)

const (
	pcapMagic    = 0xa1b2c3d4 // classic pcap with microseconds
	linkEthernet = 1
	linkRawIP    = 101
	linkSerial   = 250 // DLT_RTAC_SERIAL: octets of a serial line after a header of 12
)

// WriteFile writes the segments as the TCP connections that From and To name, each from its
// beginning and without loss.
func WriteFile(path string, segments []Segment) error {
	type flow struct{ from, to netip.AddrPort }
	sent := map[flow]uint32{}
	return write(path, linkRawIP, func(add func(time.Time, []byte)) {
		for _, s := range segments {
			out, back := flow{s.From, s.To}, flow{s.To, s.From}
			add(s.At, ipv4(s, sent[out]+1, sent[back]+1))
			sent[out] += uint32(len(s.Data))
		}
	})
}

// writeSerial writes each ASDU as user data in an FT1.2 frame of 101.
func writeSerial(path string, asdus [][]byte) error {
	return write(path, linkSerial, func(add func(time.Time, []byte)) {
		for i, asdu := range asdus {
			at := time.Unix(int64(i), 0)
			packet := make([]byte, 12)
			length := byte(2 + len(asdu))
			packet = append(packet, 0x68, length, length, 0x68, 0x73, 1)
			packet = append(packet, asdu...)
			var sum byte
			for _, b := range packet[12+4:] {
				sum += b
			}
			add(at, append(packet, sum, 0x16))
		}
	})
}

func write(path string, link uint32, packets func(add func(time.Time, []byte))) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	le := binary.LittleEndian
	header := le.AppendUint32(nil, pcapMagic)
	header = le.AppendUint16(header, 2)
	header = le.AppendUint16(header, 4)
	header = append(header, make([]byte, 8)...)
	header = le.AppendUint32(header, 65535)
	header = le.AppendUint32(header, link)
	w.Write(header)
	packets(func(at time.Time, packet []byte) {
		record := le.AppendUint32(nil, uint32(at.Unix()))
		record = le.AppendUint32(record, uint32(at.Nanosecond()/1000))
		record = le.AppendUint32(record, uint32(len(packet)))
		record = le.AppendUint32(record, uint32(len(packet)))
		w.Write(record)
		w.Write(packet)
	})
	return errors.Join(w.Flush(), f.Close())
}

// ipv4 is the segment in TCP and IP headers. The checksums are 0: tshark does not look at them.
func ipv4(s Segment, seq, ack uint32) []byte {
	be := binary.BigEndian
	b := []byte{0x45, 0}
	b = be.AppendUint16(b, uint16(40+len(s.Data)))
	b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0)
	b = append(b, s.From.Addr().AsSlice()...)
	b = append(b, s.To.Addr().AsSlice()...)
	b = be.AppendUint16(b, s.From.Port())
	b = be.AppendUint16(b, s.To.Port())
	b = be.AppendUint32(b, seq)
	b = be.AppendUint32(b, ack)
	b = append(b, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0)
	return append(b, s.Data...)
}

// ReadFile reads the TCP payloads of a classic pcap file in the order of the packets, without
// those that repeat what was sent before. It knows IPv4 on Ethernet and raw IPv4.
func ReadFile(path string) ([]Segment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	le := binary.LittleEndian
	var header [24]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fmt.Errorf("%s: file header: %w", path, err)
	}
	if magic := le.Uint32(header[:]); magic != pcapMagic {
		return nil, fmt.Errorf("%s: magic number %08x, want %08x", path, magic, uint32(pcapMagic))
	}
	link := le.Uint32(header[20:])
	type flow struct{ from, to netip.AddrPort }
	next := map[flow]uint32{}
	var segments []Segment
	for number := 1; ; number++ {
		var record [16]byte
		if _, err := io.ReadFull(r, record[:]); err == io.EOF {
			return segments, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: packet %d: %w", path, number, err)
		}
		packet := make([]byte, le.Uint32(record[8:]))
		if _, err := io.ReadFull(r, packet); err != nil {
			return nil, fmt.Errorf("%s: packet %d: %w", path, number, err)
		}
		s, ok := parseTCP(link, packet)
		if !ok {
			continue
		}
		s.Packet = number
		s.At = time.Unix(int64(le.Uint32(record[:])), int64(le.Uint32(record[4:]))*1000).UTC()
		key := flow{s.From, s.To}
		expected, known := next[key]
		if s.syn || !known {
			expected = s.seq
		}
		if skip := int32(expected - s.seq); skip > 0 {
			s.Data = s.Data[min(int(skip), len(s.Data)):]
		}
		if s.syn {
			next[key] = s.seq + 1
		} else if len(s.Data) > 0 {
			next[key] = expected + uint32(len(s.Data))
			segments = append(segments, s)
		}
	}
}

func parseTCP(link uint32, b []byte) (s Segment, ok bool) {
	be := binary.BigEndian
	if link == linkEthernet {
		if len(b) < 14 || be.Uint16(b[12:]) != 0x0800 {
			return s, false
		}
		b = b[14:]
	}
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != 6 {
		return s, false
	}
	header, total := int(b[0]&0xf)*4, int(be.Uint16(b[2:]))
	if total > len(b) || total < header+20 {
		return s, false
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	tcp := b[header:total]
	offset := int(tcp[12]>>4) * 4
	if offset > len(tcp) {
		return s, false
	}
	return Segment{
		From: netip.AddrPortFrom(src, be.Uint16(tcp)),
		To:   netip.AddrPortFrom(dst, be.Uint16(tcp[2:])),
		Data: tcp[offset:],
		syn:  tcp[13]&2 != 0,
		seq:  be.Uint32(tcp[4:]),
	}, true
}

// Unit is what tshark would take for one APDU of a stream: a frame, the octets before its start
// octet that belong to none, or octets without a start octet.
type Unit struct {
	Packet   int // where it ends
	At       time.Time
	From, To netip.AddrPort
	Prefix   []byte
	Frame    []byte // from the start octet on; nil if there is none
}

// shortestFrame is what tshark waits for before it looks for a start octet.
const shortestFrame = 6

// Units cuts the streams into units as tshark does, which goes on after garbage where a link
// must be closed: it looks for the next 68 hex and takes the octet after it for the length.
func Units(segments []Segment) []Unit {
	type flow struct{ from, to netip.AddrPort }
	pending := map[flow][]byte{}
	var units []Unit
	for _, s := range segments {
		key := flow{s.From, s.To}
		b := append(pending[key], s.Data...)
		for len(b) >= shortestFrame {
			start, end := 0, len(b)
			for start < len(b) && b[start] != 0x68 {
				start++
			}
			if start+1 == len(b) {
				break // the length is still to come
			}
			if start < len(b) {
				end = start + 2 + int(b[start+1])
			}
			if end > len(b) {
				break
			}
			u := Unit{Packet: s.Packet, At: s.At, From: s.From, To: s.To, Prefix: b[:start:start]}
			if start < len(b) {
				u.Frame = b[start:end:end]
			}
			units = append(units, u)
			b = b[end:]
		}
		pending[key] = b
	}
	return units
}
