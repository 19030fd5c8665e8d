package wire

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm/chantable"
)

func someAddress(t *rapid.T, label string) netip.AddrPort {
	port := rapid.Uint16Range(1, 65535).Draw(t, label+" port")
	if rapid.Bool().Draw(t, label+" is IPv4") {
		b := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label))
		return netip.AddrPortFrom(netip.AddrFrom4(b), port)
	}
	b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	b[0] = 0x20 // global
	return netip.AddrPortFrom(netip.AddrFrom16(b), port)
}

func someName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "n", "110 kV 变电站", strings.Repeat("x", chantable.MaxName)}).Draw(t, "name")
}

func someTable(t *rapid.T) Table {
	version := rapid.Uint64Range(0, 1<<60).Draw(t, "version")
	to := rapid.Uint64Range(0, version).Draw(t, "to")
	from := rapid.Uint64Range(0, to).Draw(t, "from")
	b := Table{Confirm: rapid.Bool().Draw(t, "confirm"), Level: rapid.Byte().Draw(t, "level"), Page: chantable.Page{
		Table: rapid.Uint64().Draw(t, "table"), Version: version, From: from, To: to,
	}}
	for changed := from + 1; changed <= to && len(b.Page.Entries) < rapid.IntRange(0, 12).Draw(t, "entries"); changed++ {
		e := chantable.Entry{CN: chantable.CN(rapid.Uint16Range(1, 65535).Draw(t, "cn")), Changed: changed}
		if rapid.IntRange(0, 4).Draw(t, "empty") > 0 {
			e.ID = chantable.ID(rapid.Uint64Range(1, uint64(chantable.MaxID)).Draw(t, "id"))
			e.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 2, 3}), 1)
			if rapid.Bool().Draw(t, "IPv6") {
				e.Address = netip.MustParseAddrPort("[2001:db8::1]:9")
			}
			e.Level, e.Name, e.Online, e.Contested = 7, someName(t), rapid.Bool().Draw(t, "online"), rapid.Bool().Draw(t, "contested")
			e.Since = int64(rapid.Uint32().Draw(t, "since")) * 1000
			e.OnlineBefore = int64(rapid.Uint32().Draw(t, "before")) * 1000
		}
		b.Page.Entries = append(b.Page.Entries, e)
	}
	return b
}

func someBody(t *rapid.T) Body {
	u64 := func(label string) uint64 { return rapid.Uint64().Draw(t, label) }
	id := func(label string) chantable.ID {
		return chantable.ID(rapid.Uint64Range(0, uint64(chantable.MaxID)).Draw(t, label))
	}
	switch Kind(rapid.IntRange(1, 11).Draw(t, "kind")) {
	case KindKnock:
		return Knock{}
	case KindHello:
		return Hello{id("to"), u64("session"), u64("counter"), u64("offer"), rapid.Bool().Draw(t, "remembers")}
	case KindRegister:
		return Register{rapid.Bool().Draw(t, "unicast"), rapid.Byte().Draw(t, "level"), chantable.CN(rapid.Uint16().Draw(t, "cn")),
			u64("instance"), u64("epoch"), u64("table"), u64("floor"), someAddress(t, "address"), someName(t)}
	case KindLeave:
		return Leave{u64("instance"), u64("epoch")}
	case KindAnswer:
		return Answer{u64("session"), u64("counter"), Outcome(rapid.IntRange(1, 7).Draw(t, "outcome")), 3, 4,
			rapid.Bool().Draw(t, "multicast"), u64("table"), u64("version"), rapid.Uint32().Draw(t, "every"), someAddress(t, "centre")}
	case KindTable:
		return someTable(t)
	case KindAsk:
		a := Ask{Table: u64("table"), Floor: rapid.Uint64Range(0, 1000).Draw(t, "floor")}
		at := a.Floor
		for range rapid.IntRange(0, MaxRanges).Draw(t, "ranges") {
			from := at + rapid.Uint64Range(0, 9).Draw(t, "gap")
			at = from + rapid.Uint64Range(1, 9).Draw(t, "length")
			a.Missing = append(a.Missing, chantable.Range{From: from, To: at})
		}
		return a
	case KindData:
		length := rapid.IntRange(0, MaxMessage).Draw(t, "length")
		index := rapid.IntRange(0, Fragments(length)-1).Draw(t, "index")
		seq := u64("seq")
		return Data{Stream(rapid.IntRange(0, 1).Draw(t, "stream")), rapid.Bool().Draw(t, "now"), uint8(index), seq,
			rapid.Uint64Range(0, seq).Draw(t, "base"), uint32(length), Fragment(make([]byte, length), index)}
	case KindAck:
		return Ack{u64("session"), u64("counter"), Stream(rapid.IntRange(0, 1).Draw(t, "stream")), rapid.Bool().Draw(t, "delivered"), u64("seq"), u64("fragments")}
	case KindRelay:
		return Relay{someAddress(t, "origin"), rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "inner")}
	}
	return Relayed{someAddress(t, "destination"), rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "inner")}
}

// TestCodec: what is sealed opens to the same, fits a datagram, and is refused if a single bit is another.
func TestCodec(t *testing.T) {
	c, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Datagram{
			Key: 7, From: chantable.ID(rapid.Uint64Range(0, uint64(chantable.MaxID)).Draw(t, "from")), Session: rapid.Uint64().Draw(t, "session"),
			Counter: rapid.Uint64().Draw(t, "counter"), To: 5, Contact: rapid.Uint64().Draw(t, "contact"), Body: someBody(t),
		}
		b := c.Seal(d)
		if len(b) > MaxDatagram {
			t.Fatalf("%d octets, want at most %d", len(b), MaxDatagram)
		}
		got, err := c.Open(b)
		if err != nil || !reflect.DeepEqual(got, d) {
			t.Fatalf("%v:\ngot  %+v\nwant %+v", err, got, d)
		}
		if d.String() == "" || strings.Contains(d.String(), "nothing more") != (d.Body.Kind() == KindKnock) {
			t.Fatalf("said as %q", d.String())
		}
		bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := c.Open(b); err == nil {
			t.Fatalf("opened with bit %d turned", bit)
		}
	})
}

// TestLargest: the bounds of the sizes fit each other.
func TestLargest(t *testing.T) {
	c, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	full := make([]byte, MaxFragment)
	if n := len(c.Seal(Datagram{Body: Data{Length: MaxMessage, Payload: full}})); n != MaxDatagram {
		t.Errorf("a full fragment makes %d octets, want %d", n, MaxDatagram)
	}
	six := netip.MustParseAddrPort("[2001:db8::1]:9")
	name := strings.Repeat("x", chantable.MaxName)
	register := c.Seal(Datagram{Body: Register{Address: six, Name: name}})
	if n := len(c.Seal(Datagram{Body: Relay{Origin: six, Inner: register}})); n > MaxDatagram {
		t.Errorf("the largest Register, relayed, makes %d octets", n)
	}
	ask := Ask{}
	for i := range uint64(MaxRanges) {
		ask.Missing = append(ask.Missing, chantable.Range{From: i * 2, To: i*2 + 1})
	}
	if n := len(c.Seal(Datagram{Body: ask})); n > MaxRelayed {
		t.Errorf("the largest Ask makes %d octets, and can't be relayed", n)
	}
	if n := Fragments(MaxMessage); n > 64 {
		t.Errorf("%d fragments do not fit an Ack", n)
	}
	e := chantable.Entry{CN: 1, ID: 1, Address: six, Name: name, Changed: 1}
	for _, e := range []chantable.Entry{e, {CN: 1, Changed: 1}, {CN: 1, ID: 1, Name: "n", Address: stationAddress(1)}} {
		if n := len(appendEntry(nil, e)); n != EntrySize(e) {
			t.Errorf("%+v has %d octets, entrySize says %d", e, n, EntrySize(e))
		}
	}
}

// TestMalformed: authentic datagrams that break a rule of the format, which only a faulty station sends.
func TestMalformed(t *testing.T) {
	c, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	good := func(b Body) []byte { d := Datagram{Key: 7, Body: b}; return d.append(nil) }
	entry := chantable.Entry{CN: 1, ID: 1, Address: stationAddress(1), Name: "n", Changed: 2}
	table := Table{Page: chantable.Page{Table: 1, Version: 9, From: 1, To: 5, Entries: []chantable.Entry{entry}}}
	at := func(b []byte, i int, v ...byte) []byte { b = slices.Clone(b); copy(b[HeadSize+i:], v); return b }
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"reserved octets", func() []byte { b := good(Knock{}); b[6] = 1; return b }(), "reserved octets are 00 01 00"},
		{"unknown kind", func() []byte { b := good(Knock{}); b[3] = 12; return b }(), "kind 12 is unknown"},
		{"too long", append(good(Knock{}), 0), "1 octets too many"},
		{"too short", good(Hello{})[:HeadSize+8], "8 octets expected, 0 are left"},
		{"id too large", func() []byte { b := good(Knock{}); b[8] = 1; return b }(), "id 72057594037927936, want at most"},
		{"flags", at(good(Register{}), 0, 2), "flags 0x02, want none but 0x01"},
		{"address length", at(good(Register{}), 36, 5), "address of 5 octets"},
		{"IPv4 in 16 octets", at(good(Relay{Origin: netip.MustParseAddrPort("[2001::1]:1")}), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), "in 16 octets, want 4"},
		{"name", at(good(Register{Name: "n"}), 40, 7), "unprintable"},
		{"outcome 0", at(good(Answer{Outcome: Granted}), 16, 0), "outcome 0, want 1 to 7"},
		{"outcome 8", at(good(Answer{Outcome: Granted}), 16, 8), "outcome 8, want 1 to 7"},
		{"range upside down", good(Table{Page: chantable.Page{Version: 9, From: 5, To: 4}}), "range (5, 4]"},
		{"range beyond the version", good(Table{Page: chantable.Page{Version: 3, From: 1, To: 4}}), "range (1, 4] of a table at version 3"},
		{"entry before the range", at(good(table), TableHead+10, 1), "changed in version 1, want more than 1"},
		{"entry after the range", at(good(table), TableHead+10, 6), "changed in version 6, want more than 1, at most 5"},
		{"entry of channel 0", at(good(table), TableHead, 0, 0), "entry with channel 0"},
		{"entry of station 0", at(good(table), TableHead+11, 0, 0, 0, 0, 0, 0, 0, 0), "station with id 0"},
		{"empty entry online", at(good(table), TableHead+2, 2), "empty and has flags 0x02"},
		{"entry's port 0", at(good(table), TableHead+33, 0, 0), "port 0"},
		{"fewer entries than told", at(good(table), 2, 0, 2), "are left"},
		{"too many ranges", at(good(Ask{}), 16, 17), "17 ranges, want at most 16"},
		{"range below the floor", good(Ask{Floor: 5, Missing: []chantable.Range{{From: 4, To: 6}}}), "range (4, 6] after 5"},
		{"empty range", good(Ask{Missing: []chantable.Range{{From: 4, To: 4}}}), "range (4, 4]"},
		{"unknown stream", at(good(Data{}), 0, 2), "stream 2"},
		{"message too long", good(Data{Length: MaxMessage + 1}), "message of 65537 octets, want at most 65536"},
		{"fragment count", at(good(Data{}), 2, 2), "fragment 0 of 2 in a message of 0 octets, want 1"},
		{"fragment beyond the last", good(Data{Index: 1}), "fragment 1 of 1"},
		{"fragment too short", good(Data{Length: 10, Payload: []byte("123")}), "fragment 0 of 3 octets in a message of 10"},
		{"base above seq", good(Data{Seq: 4, Base: 5}), "message 4, base 5"},
	} {
		sealed := append(slices.Clone(tt.b), c.sum(c.macs[7], tt.b)...)
		_, err := c.Open(sealed)
		if !errors.Is(err, ErrDatagram) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestOpenStrangers(t *testing.T) {
	c, err := NewCodec(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	b := c.Seal(Datagram{Body: Leave{Instance: 1}})
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrDatagram},
		{"short", b[:HeadSize+TagSize-1], ErrDatagram},
		{"long", append(slices.Clone(b), make([]byte, MaxDatagram)...), ErrDatagram},
		{"another protocol", append([]byte("GE"), b[2:]...), ErrDatagram},
		{"another version", append([]byte("FN\x02"), b[3:]...), ErrDatagram},
		{"another key id", slices.Replace(slices.Clone(b), 4, 5, 8), ErrKey},
		{"cut", b[:len(b)-1], ErrKey},
		{"another tag", append(slices.Clone(b[:len(b)-1]), b[len(b)-1]^1), ErrKey},
	} {
		if _, err := c.Open(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Open(append(b[:4:4], make([]byte, 90)...)) }); n > 2 {
		t.Errorf("a stranger's datagram costs %v allocations", n) // of the slice above
	}
	// A second key is accepted, the first one is used.
	both := append(Keys{{ID: 1, Secret: [KeySize]byte{9}}}, testKeys()...)
	turning, err := NewCodec(both)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := turning.Open(b); err != nil || d.Key != 7 {
		t.Errorf("with two keys: %+v, %v", d, err)
	}
	if got := turning.Seal(Datagram{Body: Knock{}}); got[4] != 1 {
		t.Errorf("sealed with key %d, want 1", got[4])
	}
	if _, err := NewCodec(nil); !errors.Is(err, ErrConfig) {
		t.Errorf("without keys: %v", err)
	}
}

func TestReadKeys(t *testing.T) {
	zeros := strings.Repeat("00", KeySize)
	ones := strings.Repeat("11", KeySize)
	keys, err := parseKeys([]byte("# comment\n\n3:" + zeros + "\n 255:" + ones + "\n"))
	if err != nil || len(keys) != 2 || keys[0].ID != 3 || keys[1].ID != 255 || keys[1].Secret[31] != 0x11 {
		t.Errorf("%+v, %v", keys, err)
	}
	for text, want := range map[string]string{
		"":                                "no key in it",
		"# nothing\n":                     "no key in it",
		"x:" + zeros:                      "line 1: want id:hex with an id of 0 to 255",
		"256:" + zeros:                    "line 1: want id:hex with an id of 0 to 255",
		zeros:                             "line 1: want id:hex",
		"1:" + zeros[2:]:                  "line 1: 62 hex digits, want 64",
		"\n1:" + strings.Repeat("zz", 32): "line 2: not hex digits",
		"1:" + zeros + "\n2:" + ones + "\n1:" + ones: "line 3: key 1 is on line 1 already",
	} {
		_, err := parseKeys([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), zeros[2:]) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	if _, err := ReadKeys("testdata/none.key"); !errors.Is(err, ErrConfig) {
		t.Errorf("no file: %v", err)
	}
	dir := t.TempDir()
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o400: true, 0o644: false, 0o660: false, 0o602: false} {
		path := filepath.Join(dir, fmt.Sprintf("fnp-%o.key", mode))
		if err := os.WriteFile(path, []byte("1:"+zeros), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeys(path); (err == nil) != fine {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// FuzzDecode: nothing panics, and what is accepted encodes to the same octets again.
func FuzzDecode(f *testing.F) {
	for _, b := range []Body{
		Knock{}, Hello{}, Register{Name: "n", Address: stationAddress(1)}, Leave{}, Answer{Outcome: Granted}, Ask{Missing: []chantable.Range{{From: 1, To: 2}}},
		Data{Length: 3, Payload: []byte("abc")}, Ack{}, Relay{Origin: stationAddress(1), Inner: []byte("x")}, Relayed{},
		Table{Page: chantable.Page{Version: 3, To: 3, Entries: []chantable.Entry{{CN: 1, ID: 1, Address: stationAddress(1), Changed: 1}, {CN: 2, Changed: 3}}}},
	} {
		d := Datagram{Body: b}
		f.Add(d.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decode(b)
		if err != nil {
			if !errors.Is(err, ErrDatagram) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := d.append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%s\ndecoded %x\nencoded %x", d, b, again)
		}
	})
}

// FuzzOpen: whatever comes from the network is refused without harm, unless it is authentic.
func FuzzOpen(f *testing.F) {
	c, err := NewCodec(testKeys())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.Seal(Datagram{Body: Knock{}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := c.Open(b); err == nil && !bytes.Equal(c.Seal(d), b) {
			t.Fatalf("opened %x as %s", b, d)
		}
	})
}

// testKeys are those of the examples in PROTOCOL.md.
func testKeys() Keys {
	k := Key{ID: 7}
	for i := range k.Secret {
		k.Secret[i] = byte(i)
	}
	return Keys{k}
}

func stationAddress(id byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, id}), 7401)
}
