package wire

import (
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/chantable"
)

var rewriteFlag = flag.Bool("rewrite", false, "write what comes out into PROTOCOL.md")

// example is a datagram of PROTOCOL.md, with the fields of its body for the reader.
type example struct {
	title  string
	d      Datagram
	fields []field
}

type field struct {
	size int
	text string
}

func protocolExamples() []example {
	const a, b, centre = 0x5e55000000000001, 0x5e55000000000002, 0xce00000000000001
	const contactC, contactB, table = 0xc0c0000000000001, 0xc0c0000000000002, 0x7ab1e00000000001
	station1, station2 := netip.MustParseAddrPort("10.1.0.1:7401"), netip.MustParseAddrPort("[2001:db8::2]:7401")
	entry1 := chantable.Entry{CN: 1, ID: 1001, Address: station1, Name: "pump", Online: true, Since: 1893456000000, Changed: 3}
	entry2 := chantable.Entry{CN: 2, ID: 1002, Address: station2, Level: 1, Name: "变电站", Since: 1893456060000, OnlineBefore: 60000, Changed: 5, Contested: true}
	register := Register{Level: 0, Instance: 0x1257a9ce, Epoch: 1893456000000, Address: station1, Name: "pump"}
	registerFields := []field{{1, "flags"}, {1, "level 0"}, {2, "cn 0"}, {8, "instance"}, {8, "epoch"}, {8, "follows no table"}, {8, "knows nothing of it"}, {7, "10.1.0.1, port 7401"}, {5, "pump"}}
	fromA := func(to chantable.ID, counter, contact uint64, body Body) Datagram {
		return Datagram{From: 1001, Session: a, Counter: counter, To: to, Contact: contact, Body: body}
	}
	data := fromA(1002, 2, contactB, Data{AckNow: true, Seq: 1, Base: 1, Length: 5, Payload: []byte("hello")})
	return []example{
		{"1. Register, with no contact yet", fromA(0, 1, 0, register), registerFields},
		{
			"2. Hello: the centre offers a contact",
			Datagram{From: 900, Session: centre, To: 1001, Body: Hello{EchoSession: a, EchoCounter: 1, Offer: contactC}},
			[]field{{8, "you sent to 0"}, {8, "your session"}, {8, "your counter 1"}, {8, "the contact to use"}, {1, "flags"}},
		},
		{"3. Register again, with the contact", fromA(0, 2, contactC, register), registerFields},
		{
			"4. Answer: granted, on channel 1",
			Datagram{From: 900, Session: centre, To: 1001, Body: Answer{
				EchoSession: a, EchoCounter: 2, Outcome: Granted, Level: 1, CN: 1, Multicast: true, Table: table, Version: 5, Every: 10000,
			}},
			[]field{{8, "your session"}, {8, "your counter 2"}, {1, "granted"}, {1, "level 1"}, {2, "cn 1"}, {1, "multicasts"}, {8, "table id"}, {8, "version 5"}, {4, "10000 ms"}, {3, "no other centre"}},
		},
		{
			"5. Table: what changed after version 2 up to version 5",
			Datagram{From: 900, Session: centre, Counter: 17, Body: Table{Level: 1, Page: chantable.Page{
				Table: table, Version: 5, From: 2, To: 5, Entries: []chantable.Entry{entry1, {CN: 3, Changed: 4}, entry2},
			}}},
			[]field{
				{1, "flags"}, {1, "level 1"}, {2, "3 entries"}, {8, "table id"}, {8, "version 5"}, {8, "after 2"}, {8, "up to 5"},
				{2, "cn 1"}, {1, "a station, online"}, {8, "changed in version 3"}, {8, "id 1001"}, {1, "level 0"}, {4, "since 2030-01-01 00:00:00 UTC"}, {4, "0 s before"}, {7, "10.1.0.1, port 7401"}, {5, "pump"},
				{2, "cn 3"}, {1, "empty"}, {8, "since version 4"},
				{2, "cn 2"}, {1, "a station, offline, contested"}, {8, "changed in version 5"}, {8, "id 1002"}, {1, "level 1"}, {4, "since 2030-01-01 00:01:00 UTC"}, {4, "60 s before"}, {19, "2001:db8::2, port 7401"}, {10, "变电站"},
			},
		},
		{
			"6. Ask: versions 1 and 2 are missing",
			fromA(0, 3, contactC, Ask{Table: table, Missing: []chantable.Range{{From: 0, To: 2}}}),
			[]field{{8, "table id"}, {8, "nothing known from the beginning"}, {1, "1 range"}, {16, "after 0 up to 2"}},
		},
		{"7. Knock at station 1002", fromA(1002, 1, 0, Knock{}), nil},
		{
			"8. Hello: its contact",
			Datagram{From: 1002, Session: b, To: 1001, Body: Hello{EchoTo: 1002, EchoSession: a, EchoCounter: 1, Offer: contactB}},
			[]field{{8, "you sent to 1002"}, {8, "your session"}, {8, "your counter 1"}, {8, "the contact to use"}, {1, "flags"}},
		},
		{
			"9. Data: a message of one fragment", data,
			[]field{{1, "any order"}, {1, "say at once what has come"}, {1, "1 fragment"}, {1, "this is the first"}, {8, "sequence number 1"}, {8, "base 1"}, {4, "5 octets"}, {5, "hello"}},
		},
		{
			"10. Ack: delivered",
			Datagram{From: 1002, Session: b, To: 1001, Contact: contactB, Body: Ack{EchoSession: a, EchoCounter: 2, Delivered: true, Seq: 1, Fragments: 1}},
			[]field{{8, "your session"}, {8, "your counter 2"}, {1, "any order"}, {1, "delivered"}, {8, "sequence number 1"}, {8, "fragment 0"}},
		},
		{"11. Leave", fromA(0, 4, contactC, Leave{Instance: 0x1257a9ce, Epoch: 1893456000000}), []field{{8, "instance"}, {8, "epoch"}}},
		{
			"12. Relay: a node hands a Knock on, as it would a Register",
			Datagram{From: 900, Session: centre, To: 900, Body: Relay{Origin: station1, Inner: mustHex("464e0101070000000000000000000001")}},
			[]field{{7, "came from 10.1.0.1, port 7401"}, {16, "the first octets of a datagram, for example"}},
		},
	}
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

const (
	protocolFile  = "../../PROTOCOL.md"
	examplesBegin = "<!-- examples: written by TestProtocolExamples -rewrite -->\n"
	examplesEnd   = "<!-- end of examples -->\n"
)

// TestProtocolExamples reads the hex of PROTOCOL.md as a station in another language would, and finds what the text
// promises; and what this package sends is the same, octet for octet.
func TestProtocolExamples(t *testing.T) {
	doc, err := os.ReadFile(protocolFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(doc), examplesBegin)
	text, tail, ok2 := strings.Cut(rest, examplesEnd)
	if !ok || !ok2 {
		t.Fatal("PROTOCOL.md has no section of examples")
	}
	// The key as the document has it.
	_, after, _ := strings.Cut(head, "key 7, which is `")
	secret, err := hex.DecodeString(after[:2*KeySize])
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCodec(Keys{{ID: 7, Secret: [KeySize]byte(secret)}})
	if err != nil {
		t.Fatal(err)
	}
	if *rewriteFlag {
		text = ""
		for _, e := range protocolExamples() {
			text += explain(t, c, e)
		}
		if err := os.WriteFile(protocolFile, []byte(head+examplesBegin+text+examplesEnd+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sections := strings.Split(text, "### ")[1:]
	examples := protocolExamples()
	if len(sections) != len(examples) {
		t.Fatalf("PROTOCOL.md has %d examples, want %d", len(sections), len(examples))
	}
	for i, e := range examples {
		title, body, _ := strings.Cut(sections[i], "\n")
		if title != e.title {
			t.Errorf("example %d is %q, want %q", i+1, title, e.title)
		}
		var octets []byte
		_, body, _ = strings.Cut(body, "```\n")
		block, _, _ := strings.Cut(body, "```")
		for _, line := range strings.Split(block, "\n") {
			digits, _, _ := strings.Cut(line, ";")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				t.Fatalf("%s: %q: %v", e.title, line, err)
			}
			octets = append(octets, b...)
		}
		got, err := c.Open(octets)
		e.d.Key = 7
		if err != nil || !reflect.DeepEqual(got, e.d) {
			t.Errorf("%s: %v\nthe document has %s\nwant             %s", e.title, err, got, e.d)
		}
		if sealed := c.Seal(e.d); hex.EncodeToString(sealed) != hex.EncodeToString(octets) {
			t.Errorf("%s: we send\n%x\nthe document has\n%x", e.title, sealed, octets)
		}
	}
}

// explain writes an example with a line for each field.
func explain(t *testing.T, c *Codec, e example) string {
	b := c.Seal(e.d)
	to := fmt.Sprintf("to %d", e.d.To)
	contact := "contact"
	if e.d.Contact == 0 {
		contact = "no contact"
	}
	fields := append([]field{
		{8, fmt.Sprintf("FN, version 1, kind %d %s, key 7", e.d.Body.Kind(), e.d.Body.Kind())}, {8, fmt.Sprintf("from %d", e.d.From)},
		{8, "session"}, {8, fmt.Sprintf("counter %d", e.d.Counter)}, {8, to}, {8, contact},
	}, e.fields...)
	fields = append(fields, field{16, "tag"})
	text := "### " + e.title + "\n```\n"
	for _, f := range fields {
		if f.size > len(b) {
			t.Fatalf("%s: %d octets are left for %q", e.title, len(b), f.text)
		}
		text += fmt.Sprintf("%-58s; %s\n", strings.TrimSpace(fmt.Sprintf("% x", b[:f.size])), f.text)
		b = b[f.size:]
	}
	if len(b) != 0 {
		t.Fatalf("%s: %d octets are not explained", e.title, len(b))
	}
	return text + "```\n\n"
}
