package oracle

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// APDU is one unit as tshark dissects it.
type APDU struct {
	Packet    int
	Prefix    []byte // octets before the start octet
	Length    int    // the length octet; -1 if no start octet was found
	Format    string // "I", "S" or "U"; "" if tshark gave up before it
	Tx, Rx    int    // -1 if not shown
	Function  int    // the U-frame's function: control octet 1 without its two lowest bits; -1 if not shown
	ASDU      *ASDU
	Malformed []string // what tshark complains about
}

// ASDU is an application service data unit as tshark dissects it.
type ASDU struct {
	TypeID, Count, Cause, Originator, Address int // -1 if not shown
	Sequence, Negative, Test                  bool
	Objects                                   []Object
	// Types that tshark does not know: the first object address and the octets after it.
	RawAddress int
	Raw        []byte
	Malformed  []string // what tshark complains about
}

// Object is an information object: tshark's fields, without the prefix of their names.
type Object struct {
	Fields map[string]Field
}

// Field is what tshark shows of a field, and the octets it lies in (without those of a bit field).
type Field struct {
	Show, Octets string
}

// Dissect runs tshark on a capture and returns every APDU in order.
func Dissect(ctx context.Context, pcap string) (apdus []APDU, err error) {
	err = run(ctx, func(packet node) (err error) {
		apdus, err = appendPacket(apdus, packet)
		return err
	}, "-r", pcap, "-Y", "iec60870_104")
	return apdus, err
}

// Dissect101 has tshark decode ASDUs whose fields have other sizes than 104 prescribes: its 104
// dissector has no such settings, but that of 101 has. The file is written and read again.
func Dissect101(ctx context.Context, path string, asdus [][]byte, causeSize, commonAddressSize, objectAddressSize int) ([]*ASDU, error) {
	if err := writeSerial(path, asdus); err != nil {
		return nil, err
	}
	var found []*ASDU
	octets := func(n int) string { return strconv.Itoa(n) + " octet" }
	err := run(ctx, func(packet node) error {
		for _, proto := range packet.Children {
			switch proto.Name {
			case "iec60870_asdu":
				a, err := readASDU(proto)
				if err != nil {
					return err
				}
				a.Malformed = complaints(proto)
				found = append(found, a)
			case "_ws.malformed":
				return fmt.Errorf("ASDU %d: %s", len(found), proto.ShowName)
			}
		}
		return nil
	}, "-r", path, "-d", "rtacser.data,iec60870_101",
		"-o", "iec60870_101.cot_len:"+octets(causeSize),
		"-o", "iec60870_101.asdu_addr_len:"+octets(commonAddressSize),
		"-o", "iec60870_101.asdu_ioa_len:"+octets(objectAddressSize))
	return found, err
}

// run feeds every packet of tshark's output to each.
func run(ctx context.Context, each func(node) error, args ...string) error {
	args = append([]string{"-n", "-T", "pdml", "-J", "iec60870_104 iec60870_asdu"}, args...)
	cmd := exec.CommandContext(ctx, "tshark", args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = readPDML(out, each)
	if err != nil {
		_, _ = io.Copy(io.Discard, out) // so that tshark ends by itself
	}
	if waitErr := cmd.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("tshark: %w: %s", waitErr, stderr.String()))
	}
	return err
}

type node struct {
	XMLName  xml.Name
	Name     string `xml:"name,attr"`
	Show     string `xml:"show,attr"`
	ShowName string `xml:"showname,attr"`
	Value    string `xml:"value,attr"`
	Children []node `xml:",any"`
}

func readPDML(r io.Reader, each func(node) error) error {
	d := xml.NewDecoder(r)
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading tshark's output: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "packet" {
			continue
		}
		var packet node
		if err := d.DecodeElement(&packet, &start); err != nil {
			return fmt.Errorf("reading tshark's output: %w", err)
		}
		if err := each(packet); err != nil {
			return err
		}
	}
}

func appendPacket(apdus []APDU, packet node) ([]APDU, error) {
	number, first := -1, len(apdus)
	for _, proto := range packet.Children {
		switch proto.Name {
		case "geninfo":
			for _, f := range proto.Children {
				if f.Name == "num" {
					var err error
					if number, err = strconv.Atoi(f.Show); err != nil {
						return nil, fmt.Errorf("%s: %w", f.ShowName, err)
					}
				}
			}
		case "iec60870_104":
			a, err := readAPCI(proto)
			if err != nil {
				return nil, fmt.Errorf("packet %d: %w", number, err)
			}
			a.Packet = number
			apdus = append(apdus, a)
		case "iec60870_asdu":
			if len(apdus) == first {
				return nil, fmt.Errorf("packet %d: an ASDU before any APCI", number)
			}
			a, err := readASDU(proto)
			if err != nil {
				return nil, fmt.Errorf("packet %d: %w", number, err)
			}
			a.Malformed = complaints(proto)
			last := &apdus[len(apdus)-1]
			last.ASDU = a
			last.Malformed = append(last.Malformed, a.Malformed...)
		case "_ws.malformed":
			if len(apdus) > first {
				last := &apdus[len(apdus)-1]
				last.Malformed = append(last.Malformed, proto.ShowName)
			}
		}
	}
	return apdus, nil
}

func readAPCI(proto node) (APDU, error) {
	a := APDU{Length: -1, Tx: -1, Rx: -1, Function: -1, Malformed: complaints(proto)}
	for _, f := range proto.Children {
		var err error
		switch f.Name {
		case "iec60870_104.data":
			a.Prefix, err = hex.DecodeString(f.Value)
		case "iec60870_104.apdulen":
			a.Length, err = strconv.Atoi(f.Show)
		case "iec60870_104.type":
			var v int64
			if v, err = strconv.ParseInt(f.Show, 0, 64); err == nil {
				// 1 is S, 3 is U; an I-frame has only the lowest bit 0.
				a.Format = map[int64]string{0: "I", 1: "S", 3: "U"}[v]
			}
		case "iec60870_104.tx":
			a.Tx, err = strconv.Atoi(f.Show)
		case "iec60870_104.rx":
			a.Rx, err = strconv.Atoi(f.Show)
		case "iec60870_104.utype":
			var v int64
			v, err = strconv.ParseInt(f.Show, 0, 64)
			a.Function = int(v)
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", f.ShowName, err)
		}
	}
	return a, nil
}

func readASDU(proto node) (*ASDU, error) {
	a := &ASDU{TypeID: -1, Count: -1, Cause: -1, Originator: -1, Address: -1, RawAddress: -1}
	numbers := map[string]*int{
		"typeid": &a.TypeID, "numix": &a.Count, "causetx": &a.Cause, "oa": &a.Originator, "addr": &a.Address, "ioa": &a.RawAddress,
	}
	flags := map[string]*bool{"sq": &a.Sequence, "nega": &a.Negative, "test": &a.Test}
	for _, f := range proto.Children {
		name := strings.TrimPrefix(f.Name, "iec60870_asdu.")
		var err error
		if p := numbers[name]; p != nil {
			*p, err = strconv.Atoi(f.Show)
		} else if p := flags[name]; p != nil {
			*p = f.Show == "1"
		} else if name == "rawdata" {
			a.Raw, err = hex.DecodeString(f.Value)
		} else if name == "" && strings.HasPrefix(f.Show, "IOA: ") {
			o := Object{Fields: map[string]Field{}}
			o.collect(f.Children)
			a.Objects = append(a.Objects, o)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.ShowName, err)
		}
	}
	return a, nil
}

func (o Object) collect(fields []node) {
	for _, f := range fields {
		if name, ok := strings.CutPrefix(f.Name, "iec60870_asdu."); ok {
			o.Fields[name] = Field{Show: f.Show, Octets: f.Value}
			o.collect(f.Children)
		}
	}
}

// complaints are the expert items and malformed marks anywhere below n.
func complaints(n node) []string {
	var found []string
	for _, c := range n.Children {
		if c.Name == "_ws.expert" || c.Name == "_ws.malformed" {
			found = append(found, c.ShowName)
			continue
		}
		found = append(found, complaints(c)...)
	}
	return found
}
