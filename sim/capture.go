package sim

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// DevicePort is the TCP port by which a recorded device is told from its client.
const DevicePort = 2404

// ErrNoSession: a capture holds no I-frame with monitored data from a device.
var ErrNoSession = errors.New("no monitored data from TCP port 2404 in the capture")

// A Recording is what one device sent over one TCP connection of a capture.
type Recording struct {
	Device, Client string // "address:port" as recorded
	ASDUs          []RecordedASDU
	Skipped        int // octets that were no frame: garbage, or what the capture missed
	Rejected       int // I-frames whose ASDU the codec refused
}

// RecordedASDU is one monitored ASDU and when it was seen, counted from the
// recording's first.
type RecordedASDU struct {
	Offset time.Duration
	ASDU   asdu.ASDU
}

// captureLimit is how many octets of a capture are read: all of it is held in memory.
const captureLimit = 256 << 20

// ErrTooLarge: a capture has more than captureLimit octets.
var ErrTooLarge = errors.New("capture too large")

// LoadCapture reads the recordings of a capture, as pcap or pcapng, that with the
// most monitored ASDUs first. Errors name the file and the packet, and wrap
// ErrNoSession where nothing in it can be played.
func LoadCapture(path string) ([]Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading capture: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Size() > captureLimit {
		err = fmt.Errorf("%w: %d octets, expected at most %d; cut it with editcap -c or a display filter", ErrTooLarge, info.Size(), captureLimit)
	}
	var recs []Recording
	if err == nil {
		recs, err = ReadCapture(f)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return recs, nil
}

// packets is what reads a capture, packet by packet.
type packets interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
}

// openCapture tells pcap from pcapng by their first octets. link gives a packet's link type: in pcapng each interface has its own.
func openCapture(r *bufio.Reader) (p packets, link func(gopacket.CaptureInfo) gopacket.Decoder, err error) {
	magic, err := r.Peek(4)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, fmt.Errorf("not a capture: %d octets", len(magic))
	case err != nil:
		return nil, nil, err
	case bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
		ng, err := pcapgo.NewNgReader(r, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, nil, fmt.Errorf("pcapng: %w", err)
		}
		return ng, func(info gopacket.CaptureInfo) gopacket.Decoder {
			if len(info.AncillaryData) > 0 {
				if link, ok := info.AncillaryData[0].(layers.LinkType); ok {
					return link
				}
			}
			return ng.LinkType()
		}, nil
	}
	classic, err := pcapgo.NewReader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("neither pcap nor pcapng: it begins with % x", magic)
	}
	return classic, func(gopacket.CaptureInfo) gopacket.Decoder { return classic.LinkType() }, nil
}

// ReadCapture is LoadCapture for an open stream, of which it reads captureLimit octets.
func ReadCapture(r io.Reader) ([]Recording, error) {
	limited := &io.LimitedReader{R: r, N: captureLimit + 1}
	capture, link, err := openCapture(bufio.NewReader(limited))
	if err != nil {
		return nil, err
	}
	streams := &streamFactory{}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(streams))
	for n := 1; ; n++ {
		data, info, err := capture.ReadPacketData()
		if limited.N <= 0 {
			return nil, fmt.Errorf("%w: packet %d is beyond %d octets", ErrTooLarge, n, captureLimit)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", n, err)
		}
		packet := gopacket.NewPacket(data, link(info), gopacket.NoCopy)
		tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || packet.NetworkLayer() == nil {
			continue
		}
		assembler.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, captureContext(info))
	}
	assembler.FlushAll()

	var recs []Recording
	for _, s := range streams.streams {
		if rec, ok := s.recording(); ok {
			recs = append(recs, rec)
		}
	}
	if len(recs) == 0 {
		return nil, ErrNoSession
	}
	slices.SortStableFunc(recs, func(a, b Recording) int { return len(b.ASDUs) - len(a.ASDUs) })
	return recs, nil
}

type captureContext gopacket.CaptureInfo

func (c captureContext) GetCaptureInfo() gopacket.CaptureInfo { return gopacket.CaptureInfo(c) }

type streamFactory struct{ streams []*stream }

func (f *streamFactory) New(network, transport gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	s := &stream{
		src:        network.Src().String() + ":" + transport.Src().String(),
		dst:        network.Dst().String() + ":" + transport.Dst().String(),
		fromDevice: tcp.SrcPort == DevicePort,
	}
	f.streams = append(f.streams, s)
	return s
}

// A stream is both directions of a TCP connection; of these the device's is
// kept. The first packet seen may have been the client's.
type stream struct {
	src, dst   string
	fromDevice bool // the first packet was the device's
	chunks     []chunk
}

type chunk struct {
	at   time.Time
	data []byte
}

// Accept takes everything: many captures begin in the middle of a connection.
func (s *stream) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	*start = true
	return true
}

func (s *stream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, _ := sg.Info()
	if (dir == reassembly.TCPDirClientToServer) != s.fromDevice {
		return
	}
	// The packets of one gather may be apart in time: one chunk each.
	length, _ := sg.Lengths()
	data := sg.Fetch(length)
	for off := 0; off < len(data); {
		at := sg.CaptureInfo(off).Timestamp
		end := off + 1
		for end < len(data) && sg.CaptureInfo(end).Timestamp.Equal(at) {
			end++
		}
		s.chunks = append(s.chunks, chunk{at, bytes.Clone(data[off:end])})
		off = end
	}
}

func (s *stream) ReassemblyComplete(reassembly.AssemblerContext) bool { return false }

// recording cuts the device's octets into frames and keeps the monitored
// ASDUs. Where the octets make no frame it goes on at the next start octet.
func (s *stream) recording() (Recording, bool) {
	rec := Recording{Device: s.src, Client: s.dst}
	if !s.fromDevice {
		rec.Device, rec.Client = s.dst, s.src
	}
	var pending []byte
	var first time.Time
	for _, c := range s.chunks {
		pending = append(pending, c.data...)
		for len(pending) > 0 {
			f, n, err := iec104.ParseFrame(pending)
			if err != nil && n == 0 {
				n = 1 // no frame begins here
				rec.Skipped++
			} else if n == 0 {
				break // the rest of the frame is in the next chunk
			}
			pending = pending[n:]
			if err != nil || f.Format != iec104.FormatI {
				continue
			}
			a, err := asdu.DefaultProfile.Parse(f.ASDU)
			if err != nil {
				rec.Rejected++
				continue
			}
			if !a.Known() || !a.Type.IsMonitor() || a.Type == asdu.M_EI_NA_1 {
				continue
			}
			if first.IsZero() {
				first = c.at
			}
			rec.ASDUs = append(rec.ASDUs, RecordedASDU{c.at.Sub(first), a.Clone()})
		}
	}
	rec.Skipped += len(pending)
	return rec, len(rec.ASDUs) > 0
}

// Length is the time from the first to the last ASDU.
func (r Recording) Length() time.Duration {
	if len(r.ASDUs) == 0 {
		return 0
	}
	return r.ASDUs[len(r.ASDUs)-1].Offset
}

// Points are the objects that a recording tells, with their first values. An
// object in several types has the one without a time tag, which interrogations
// are answered in.
func (r Recording) Points() []DevicePoint {
	var points []DevicePoint
	index := make(map[asdu.InformationObjectAddress]int)
	for _, a := range r.ASDUs {
		for o := range a.ASDU.Objects() {
			i, seen := index[o.Address]
			switch {
			case !seen:
				index[o.Address] = len(points)
				points = append(points, DevicePoint{Address: o.Address, Type: a.ASDU.Type, Value: o.Value})
			case points[i].Type.TimeTag() != asdu.NoTime && a.ASDU.Type.TimeTag() == asdu.NoTime:
				points[i].Type = a.ASDU.Type
			}
		}
	}
	return points
}
