package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/netip"
)

// Packet is a datagram to be sent. The zero destination is the multicast group.
type Packet struct {
	To netip.AddrPort
	B  []byte
}

// Codec makes and reads authenticated datagrams. It is not safe for concurrent use.
type Codec struct {
	first uint8
	macs  map[uint8]hash.Hash
	tag   [sha256.Size]byte
}

// NewCodec returns a codec for a network's keys; ErrConfig if there is none.
func NewCodec(keys Keys) (*Codec, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key", ErrConfig)
	}
	c := &Codec{first: keys[0].ID, macs: map[uint8]hash.Hash{}}
	for _, k := range keys {
		c.macs[k.ID] = hmac.New(sha256.New, k.Secret[:])
	}
	return c, nil
}

// Seal returns the octets of a datagram, authenticated with the first key.
func (c *Codec) Seal(d Datagram) []byte {
	d.Key = c.first
	b := d.append(make([]byte, 0, 256))
	return append(b, c.sum(c.macs[c.first], b)...)
}

// Open reads a datagram: its shape is looked at first, then its tag, then what it says, so that what strangers send
// costs little. The error is ErrKey or wraps ErrDatagram. The result shares b's memory.
func (c *Codec) Open(b []byte) (Datagram, error) {
	if len(b) < HeadSize+TagSize || len(b) > MaxDatagram || b[0] != 'F' || b[1] != 'N' || b[2] != wireVersion {
		return Datagram{}, ErrDatagram
	}
	body, tag := b[:len(b)-TagSize], b[len(b)-TagSize:]
	mac, ok := c.macs[b[4]]
	if !ok {
		return Datagram{}, ErrKey
	}
	if !hmac.Equal(tag, c.sum(mac, body)) {
		return Datagram{}, ErrKey
	}
	return decode(body)
}

func (c *Codec) sum(mac hash.Hash, b []byte) []byte {
	mac.Reset()
	mac.Write(b)
	return mac.Sum(c.tag[:0])[:TagSize]
}
