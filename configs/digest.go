package configs

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math"
)

// Digest is the SHA-256 in hex of everything that the nodes must agree on, tables included: two nodes with one digest
// have one configuration. The order of rows and keys, comments, defaults written out, encodings, the folder and the names
// of the tables make no difference. It goes through all points, so keep it.
func (s *Station) Digest() string {
	d := newDigest()
	d.json(s)
	for i := range s.RTUs {
		d.text(s.RTUs[i].Digest())
	}
	for i := range s.Uplinks {
		d.text(s.Uplinks[i].Digest())
	}
	for _, v := range s.VirtualPoints {
		d.number(uint64(v.RTU))
		d.number(uint64(v.Number))
		d.text(v.Name)
		d.text(v.Source.String())
	}
	return d.sum()
}

// Digest is the SHA-256 in hex of the RTU and its points.
func (r *RTU) Digest() string {
	d := newDigest()
	d.json(r)
	for i := range r.Points {
		p := &r.Points[i]
		d.number(uint64(p.Number))
		d.number(uint64(p.IOA))
		d.number(uint64(p.Kind)<<24 | uint64(p.Type)<<16 | uint64(p.Category)<<8 | bit(p.Invert)<<1 | bit(p.Event))
		d.text(p.Name)
		a := p.Scaling()
		for _, f := range []float64{a.Scale, a.Offset, a.Deadband, a.Low, a.High} {
			d.number(math.Float64bits(f))
		}
		d.number(bit(a.Percent))
		d.text(a.Unit)
		if p.Bit != 0 {
			d.text(fmt.Sprintf("bit %d", p.Bit-1))
		}
		if p.Transient != 0 {
			d.text("transient " + p.Transient.String())
		}
		if c, said := r.Controls[ControlKey{p.Kind, p.Number}]; said {
			d.json(c)
		}
		if c, said := r.Chatters[ControlKey{p.Kind, p.Number}]; said {
			d.text("chatter " + c.String())
		}
	}
	return d.sum()
}

// Digest is the SHA-256 in hex of the uplink and its points.
func (u *Uplink) Digest() string {
	d := newDigest()
	d.json(u)
	for i := range u.Points {
		p := &u.Points[i]
		d.number(uint64(p.IOA))
		d.number(uint64(p.RTU)<<32 | uint64(p.Number))
		d.number(uint64(p.Sector)<<16 | uint64(p.Kind)<<8 | uint64(p.Type))
		d.text(p.Name)
	}
	return d.sum()
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// digest hashes values so that no two sequences of them give the same octets: numbers are eight, a text tells its length.
type digest struct {
	hash hash.Hash
	*bufio.Writer
}

func newDigest() digest {
	h := sha256.New()
	return digest{h, bufio.NewWriter(h)}
}

func (d digest) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.Write(b[:])
}

func (d digest) text(s string) {
	d.number(uint64(len(s)))
	d.WriteString(s)
}

// json hashes the fields of a struct; encoding/json sorts maps.
func (d digest) json(v any) {
	octets, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structs: can't be
	}
	d.text(string(octets))
}

func (d digest) sum() string {
	d.Flush()
	return hex.EncodeToString(d.hash.Sum(nil))
}
