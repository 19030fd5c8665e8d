package chantable

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func address(last byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), 7400)
}

func claim(id ID, mutate ...func(*Claim)) Claim {
	c := Claim{ID: id, Address: address(byte(id)), Name: "n", Instance: uint64(id) * 10, Epoch: 5}
	for _, m := range mutate {
		m(&c)
	}
	return c
}

// held is the entry that claim(1) makes, online.
func held(mutate ...func(*Entry)) Entry {
	e := Entry{CN: 1, ID: 1, Address: address(1), Name: "n", Online: true, Since: 1, Changed: 1, Instance: 10, Epoch: 5}
	for _, m := range mutate {
		m(&e)
	}
	return e
}

func TestJudge(t *testing.T) {
	elsewhere := func(c *Claim) { c.Address = address(99) }
	otherInstance := func(c *Claim) { c.Instance = 77 }
	for _, tt := range []struct {
		name  string
		held  Entry
		claim Claim
		want  Outcome
	}{
		{"nobody has the id", Entry{}, claim(1), Done},
		{"the holder, as before", held(), claim(1), Done},
		{"the holder, with another name", held(), claim(1, func(c *Claim) { c.Name = "m" }), Done},
		{"the holder, moved", held(), claim(1, elsewhere), Done},
		{"the holder, started again", held(), claim(1, func(c *Claim) { c.Epoch = 6 }), Done},
		{"the holder, moved and started again", held(), claim(1, elsewhere, func(c *Claim) { c.Epoch = 6 }), Done},
		{"the holder's former process", held(), claim(1, func(c *Claim) { c.Epoch = 4 }), Superseded},
		{"the holder's former process, elsewhere", held(), claim(1, elsewhere, func(c *Claim) { c.Epoch = 4 }), Superseded},
		{"another installation at the same address", held(), claim(1, otherInstance), Done},
		{"another installation elsewhere", held(), claim(1, otherInstance, elsewhere), Clash},
		{"another installation, the same host's other port", held(), claim(1, otherInstance, func(c *Claim) {
			c.Address = netip.AddrPortFrom(c.Address.Addr(), 7401)
		}), Clash},
		{"another, while the holder is offline", held(func(e *Entry) { e.Online = false }), claim(1, otherInstance, elsewhere), Done},
		{"an earlier epoch, while the holder is offline", held(func(e *Entry) { e.Online = false }), claim(1, func(c *Claim) { c.Epoch = 1 }), Done},
		{"anyone, of an adopted entry", held(func(e *Entry) { e.Instance = 0 }), claim(1, otherInstance, elsewhere), Done},
	} {
		if got := Judge(tt.held, tt.claim); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestRegister(t *testing.T) {
	tb := New()
	expect := func(what string, r Result, o Outcome, cn CN, version uint64) {
		t.Helper()
		if r != (Result{o, cn, version}) {
			t.Fatalf("%s: %+v, want %s on channel %d, version %d", what, r, o, cn, version)
		}
	}
	expect("the first", tb.Register(claim(1), 1000), Done, 1, 1)
	expect("a second that asks for a free channel", tb.Register(claim(2, func(c *Claim) { c.CN = 40 }), 1000), Done, 2, 2)
	expect("a third that asks for another's", tb.Register(claim(3, func(c *Claim) { c.CN = 1 }), 1000), Done, 3, 3)
	expect("nothing new", tb.Register(claim(1), 2000), Done, 1, 3)
	expect("nothing new, but a wrong channel", tb.Register(claim(1, func(c *Claim) { c.CN = 3 }), 2000), Done, 1, 3)
	expect("a new level", tb.Register(claim(1, func(c *Claim) { c.Level = 7 }), 2000), Done, 1, 4)
	if e, _ := tb.ByID(1); e.Level != 7 || e.Since != 1000 || e.Changed != 4 {
		t.Errorf("after a new level: %+v", e)
	}

	// A clash is recorded once, and for each rival.
	rival := claim(2, func(c *Claim) { c.Instance, c.Address, c.Name = 99, address(99), "rival" })
	expect("a rival", tb.Register(rival, 3000), Clash, 2, 5)
	expect("the same rival again", tb.Register(rival, 4000), Clash, 2, 5)
	if e, _ := tb.ByID(2); !e.Contested || e.Rival != (Rival{address(99), "rival", 99, 3000}) || e.Address != address(2) {
		t.Errorf("after a clash: %+v", e)
	}
	expect("the holder stays", tb.Register(claim(2), 5000), Done, 2, 5)
	expect("a stale judgement of the rival", tb.RivalGone(2, 2, 4), Stale, 2, 5)
	expect("the rival is gone", tb.RivalGone(2, 2, 5), Done, 2, 6)
	expect("and stays so", tb.RivalGone(2, 2, 6), Stale, 2, 6)

	// The rival gets the entry once the holder is offline, and with it the peace.
	expect("the rival again", tb.Register(rival, 6000), Clash, 2, 7)
	expect("the holder leaves", tb.Leave(2, 20, 5, 7000), Done, 2, 8)
	expect("the rival is granted", tb.Register(rival, 9000), Done, 2, 9)
	if e, _ := tb.ByID(2); e.Contested || e.Rival != (Rival{}) || e.Instance != 99 || e.OnlineBefore != 6000 || e.Since != 9000 {
		t.Errorf("after the rival was granted: %+v", e)
	}
	if tb.Len() != 3 {
		t.Errorf("%d stations, want 3", tb.Len())
	}
}

func TestClaimValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mutate func(*Claim)
		want   string
	}{
		{"id 0", func(c *Claim) { c.ID = 0 }, "id out of range: 0, want 1 to 9007199254740991"},
		{"id too large", func(c *Claim) { c.ID = MaxID + 1 }, "id out of range: 9007199254740992"},
		{"no instance", func(c *Claim) { c.Instance = 0 }, "instance 0"},
		{"long name", func(c *Claim) { c.Name = strings.Repeat("x", 33) }, "33 octets, want at most 32"},
		{"name not UTF-8", func(c *Claim) { c.Name = "\xff" }, "not UTF-8"},
		{"name with a control character", func(c *Claim) { c.Name = "a\x1b[2J" }, "unprintable U+001B"},
		{"no address", func(c *Claim) { c.Address = netip.AddrPort{} }, "address: none"},
		{"unspecified", func(c *Claim) { c.Address = netip.MustParseAddrPort("0.0.0.0:1") }, "not one host's"},
		{"multicast", func(c *Claim) { c.Address = netip.MustParseAddrPort("[ff02::1]:1") }, "not one host's"},
		{"broadcast", func(c *Claim) { c.Address = netip.MustParseAddrPort("255.255.255.255:1") }, "not one host's"},
		{"IPv4 in IPv6", func(c *Claim) { c.Address = netip.MustParseAddrPort("[::ffff:10.0.0.1]:1") }, "want plain IPv4"},
		{"zone", func(c *Claim) { c.Address = netip.MustParseAddrPort("[fe80::1%eth0]:1") }, "has a zone"},
		{"port 0", func(c *Claim) { c.Address = netip.MustParseAddrPort("10.0.0.1:0") }, "port 0"},
	} {
		c := claim(1, tt.mutate)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		tb := New()
		if r := tb.Register(c, 0); r.Outcome != Invalid || tb.Version() != 0 {
			t.Errorf("%s: registered with %+v", tt.name, r)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 32), "110 kV 变电站"} {
		if err := claim(1, func(c *Claim) { c.Name = name }).Validate(); err != nil {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := claim(1, func(c *Claim) { c.Address = netip.MustParseAddrPort("[fd00::1]:1") }).Validate(); err != nil {
		t.Errorf("IPv6: %v", err)
	}
}

func TestLeave(t *testing.T) {
	for _, tt := range []struct {
		name            string
		id              ID
		instance, epoch uint64
		want            Outcome
		online          bool
	}{
		{"the holder", 1, 10, 5, Done, false},
		{"the holder, after a restart that was not heard", 1, 10, 6, Done, false},
		{"the holder's former process", 1, 10, 4, Stale, true},
		{"another installation", 1, 11, 9, Stale, true},
		{"an operator", 1, 0, 0, Done, false},
		{"an unknown station", 9, 0, 0, Stale, true},
	} {
		tb := New()
		tb.Register(claim(1), 1000)
		r := tb.Leave(tt.id, tt.instance, tt.epoch, 5000)
		e, _ := tb.ByID(1)
		if r.Outcome != tt.want || e.Online != tt.online {
			t.Errorf("%s: %s, online %t, want %s, %t", tt.name, r.Outcome, e.Online, tt.want, tt.online)
		}
		if !e.Online && (e.Time(99000) != 4*time.Second || tb.Leave(1, 0, 0, 6000) != (Result{Done, 1, 2})) {
			t.Errorf("%s: time %s", tt.name, e.Time(99000))
		}
	}
}

func TestExpire(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cn        CN
		id        ID
		changed   uint64
		heard, at int64
		want      Outcome
		time      time.Duration
	}{
		{"silent since 31 s", 1, 1, 1, 6000, 36000, Done, 5 * time.Second},
		{"never heard", 1, 1, 1, 0, 36000, Done, 0},
		{"heard after the judgement, by a clock that jumps", 1, 1, 1, 99000, 36000, Done, 35 * time.Second},
		{"a clock that went back", 1, 1, 1, 500, 600, Done, 0},
		{"the entry has changed since", 1, 1, 0, 6000, 36000, Stale, 35 * time.Second},
		{"another station's channel", 2, 1, 1, 6000, 36000, Stale, 35 * time.Second},
		{"another station", 1, 2, 1, 6000, 36000, Stale, 35 * time.Second},
	} {
		tb := New()
		tb.Register(claim(1), 1000)
		r := tb.Expire(tt.cn, tt.id, tt.changed, tt.heard, tt.at)
		e, _ := tb.ByID(1)
		if r.Outcome != tt.want || e.Time(36000) != tt.time || e.Online != (tt.want == Stale) {
			t.Errorf("%s: %s, %s, online %t, want %s, %s", tt.name, r.Outcome, e.Time(36000), e.Online, tt.want, tt.time)
		}
	}
}

func TestRemove(t *testing.T) {
	const day = int64(24 * time.Hour / time.Millisecond)
	tb := New()
	for id := range ID(4) {
		tb.Register(claim(id+1), 0)
	}
	tb.Leave(2, 0, 0, 0)
	tb.Leave(3, 0, 0, day)
	if due := tb.Removable(30*day-1, 10); len(due) != 0 {
		t.Fatalf("a millisecond early: %v", due)
	}
	due := tb.Removable(31*day, 10)
	if len(due) != 2 || due[0].ID != 2 || due[1].ID != 3 || len(tb.Removable(31*day, 1)) != 1 {
		t.Fatalf("due: %v", due)
	}
	for _, at := range []int64{0, 30*day - 1} {
		if r := tb.Remove(2, 2, due[0].Changed, at); r.Outcome != Stale {
			t.Errorf("at %d: %s", at, r.Outcome)
		}
	}
	tb.Register(claim(3), 31*day) // back in the last moment
	results := tb.Apply(Command{At: 31 * day, Changes: due})
	if results[0].Outcome != Done || results[1].Outcome != Stale {
		t.Errorf("removed with %v", results)
	}
	if _, ok := tb.ByID(2); ok || tb.Len() != 3 {
		t.Errorf("still there: %d stations", tb.Len())
	}
	if _, ok := tb.ByCN(2); ok {
		t.Error("channel 2 still has a station")
	}
	// Those that follow learn of it, and the channel is given out again.
	page := tb.Since(0, 0)
	i := slices.IndexFunc(page.Entries, func(e Entry) bool { return e.CN == 2 })
	if i < 0 || page.Entries[i].ID != 0 || page.Entries[i].Changed != tb.Version() {
		t.Errorf("the page has %+v", page.Entries)
	}
	if r := tb.Register(claim(9), 31*day); r.CN != 2 {
		t.Errorf("the next station gets channel %d, want 2", r.CN)
	}
}

func TestFull(t *testing.T) {
	tb := New()
	for i := range int(MaxCN) {
		if r := tb.Register(claim(ID(i+1)), 0); r.CN != CN(i+1) {
			t.Fatalf("station %d is on channel %d", i+1, r.CN)
		}
	}
	if r := tb.Register(claim(ID(MaxCN)+1), 0); r.Outcome != Full {
		t.Errorf("one too many: %+v", r)
	}
	if r := tb.Adopt(held(func(e *Entry) { e.ID = ID(MaxCN) + 1 }), 0); r.Outcome != Full {
		t.Errorf("one too many adopted: %+v", r)
	}
	if r := tb.Register(claim(7), 0); r.Outcome != Done || r.CN != 7 {
		t.Errorf("one that is in the table: %+v", r)
	}
}

func TestAdopt(t *testing.T) {
	theirs := func(mutate ...func(*Entry)) Entry {
		return held(append([]func(*Entry){func(e *Entry) { e.CN, e.ID, e.Address, e.Instance = 8, 8, address(8), 0 }}, mutate...)...)
	}
	tb := New()
	tb.Register(claim(1), 1000)
	if r := tb.Adopt(theirs(func(e *Entry) { e.OnlineBefore = 500; e.Since = 2000 }), 4000); r != (Result{Done, 8, 2}) {
		t.Fatalf("on a free channel: %+v", r)
	}
	if e, _ := tb.ByID(8); e.Time(5000) != 3500*time.Millisecond || !e.Online {
		t.Errorf("adopted as %+v, time %s", e, e.Time(5000))
	}
	if r := tb.Adopt(theirs(func(e *Entry) { e.CN, e.ID = 1, 9 }), 4000); r != (Result{Done, 2, 3}) {
		t.Errorf("on a channel that is taken: %+v", r)
	}
	if r := tb.Adopt(held(func(e *Entry) { e.CN = 5; e.Address = address(1) }), 4000); r != (Result{Done, 1, 3}) {
		t.Errorf("one that is here already: %+v", r)
	}
	if e, _ := tb.ByID(1); e.Instance != 10 {
		t.Errorf("its holder is %d", e.Instance)
	}
	if r := tb.Adopt(held(func(e *Entry) { e.Address = address(77) }), 4000); r != (Result{Done, 1, 4}) {
		t.Errorf("one that has moved there: %+v", r)
	}
	if e, _ := tb.ByID(1); e.Instance != 0 || e.Address != address(77) {
		t.Errorf("moved: %+v", e)
	}
	if r := tb.Adopt(held(func(e *Entry) { e.Address, e.Online = address(77), false }), 9000); r.Outcome != Done {
		t.Errorf("one that has gone there: %+v", r)
	}
	if e, _ := tb.ByID(1); e.Online || e.Since != 9000 {
		t.Errorf("gone: %+v", e)
	}
	for _, bad := range []Entry{{CN: 1}, theirs(func(e *Entry) { e.CN = 0 }), theirs(func(e *Entry) { e.Address = netip.AddrPort{} })} {
		if r := tb.Adopt(bad, 0); r.Outcome != Invalid {
			t.Errorf("%+v: %s", bad, r.Outcome)
		}
	}
}

func TestRenewAndUnknown(t *testing.T) {
	tb := New()
	for _, tt := range []struct {
		id   uint64
		want Outcome
	}{{0, Stale}, {5, Done}, {5, Stale}, {6, Done}} {
		if r := tb.Renew(tt.id); r.Outcome != tt.want {
			t.Errorf("renew %d: %s, want %s", tt.id, r.Outcome, tt.want)
		}
	}
	if r := tb.Apply(Command{Changes: []Change{{Kind: 99}}}); r[0].Outcome != Invalid {
		t.Errorf("unknown kind: %v", r)
	}
	tb.Register(claim(1), 0)
	if p := tb.Since(5, 1); p.From != 0 || len(p.Entries) != 1 {
		t.Errorf("since a version of another table: %+v", p)
	}
	if p := tb.Since(6, 1); p.From != 1 || len(p.Entries) != 0 {
		t.Errorf("since now: %+v", p)
	}
	if p := tb.Since(6, 99); p.From != 1 || p.To != 1 {
		t.Errorf("since a version to come: %+v", p)
	}
}
