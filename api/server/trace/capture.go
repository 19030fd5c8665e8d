package trace

import (
	"io"
	"net"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// unknownEnd stands for an end of a link whose address is not known.
var unknownEnd = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// WriteCapture writes frames as pcapng, which Wireshark opens. They are put into TCP segments of their own: how the network had
// cut them is not known any more. Where Wireshark is to decode another port than 2404: tshark -d tcp.port==2405,iec60870_104.
func WriteCapture(w io.Writer, list []Frame) error {
	file, err := pcapgo.NewNgWriter(w, layers.LinkTypeEthernet)
	if err != nil {
		return err
	}
	type flow struct {
		link string
		sent bool
	}
	next := map[flow]uint32{} // sequence numbers
	buffer := gopacket.NewSerializeBuffer()
	for _, f := range list {
		from, to := f.Remote, unknownEnd
		if !from.IsValid() {
			from = unknownEnd
		}
		if f.Sent {
			from, to = to, from
		}
		there, back := flow{f.Name, f.Sent}, flow{f.Name, !f.Sent}
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()),
			Seq: next[there] + 1, Ack: next[back] + 1, PSH: true, ACK: true, Window: 65535,
		}
		next[there] += uint32(len(f.Octets))
		if err := serialize(buffer, from.Addr().Unmap(), to.Addr().Unmap(), tcp, f.Octets); err != nil {
			return err
		}
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(buffer.Bytes()), Length: len(buffer.Bytes())}
		if err := file.WritePacket(info, buffer.Bytes()); err != nil {
			return err
		}
	}
	return file.Flush()
}

// serialize makes an Ethernet frame of a TCP segment.
func serialize(b gopacket.SerializeBuffer, from, to netip.Addr, tcp *layers.TCP, octets []byte) error {
	none := net.HardwareAddr(make([]byte, 6))
	ethernet := &layers.Ethernet{SrcMAC: none, DstMAC: none, EthernetType: layers.EthernetTypeIPv4}
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if from.Is4() && to.Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
		ip, network = v4, v4
	} else {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		a, z := from.As16(), to.As16()
		v6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: a[:], DstIP: z[:]}
		ip, network = v6, v6
	}
	if err := tcp.SetNetworkLayerForChecksum(network); err != nil {
		return err
	}
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	return gopacket.SerializeLayers(b, options, ethernet, ip, tcp, gopacket.Payload(octets))
}
