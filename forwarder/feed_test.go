package forwarder

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// testFeed is a feed with a clock of its own and no link: tests ask and acknowledge.
type testFeed struct {
	*feed
	clock  time.Time
	woken  atomic.Int64
	cursor *cursor
	last   uint64 // index of the last ASDU
}

func newTestFeed(t testing.TB, c station, k int, points []Point) *testFeed {
	t.Helper()
	table, err := newTable(Uplink{Name: "occ", CommonAddress: commonAddress, Points: points}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	config := iec104.DefaultConfig()
	config.K = k
	f := &testFeed{clock: time.Unix(1_000_000, 0), cursor: &cursor{window: k}}
	f.feed = &feed{
		table: table, config: config, sectors: []asdu.CommonAddress{commonAddress}, view: c.View,
		now: func() time.Time { return f.clock }, wake: func() { f.woken.Add(1) },
		cursor: f.cursor, acked: func() {}, dropped: func(*fsm.State) uint64 { return 0 }, stopped: func(error) {}, log: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() { f.Stopped(nil) })
	return f
}

// next is what Next returns, detached.
func (f *testFeed) next() (asdu.ASDU, bool) {
	a, index, ok := f.Next()
	if ok {
		f.last = index
	}
	return a.Clone(), ok
}

// rest acknowledges and replicates everything until there is nothing more.
func (f *testFeed) rest() (all []asdu.ASDU) {
	for {
		a, ok := f.next()
		if !ok {
			return all
		}
		all = append(all, a)
		f.Acked(f.last)
		f.replicate()
	}
}

// replicate commits the cursor as it is.
func (f *testFeed) replicate() {
	f.clock = f.clock.Add(eventDelay)
	if p, _, ok := f.cursor.next(f.clock); ok {
		f.cursor.committed(p)
	}
}

// addresses are those of an ASDU's objects.
func addresses(a asdu.ASDU) (all []int) {
	for o := range a.Objects() {
		all = append(all, int(o.Address))
	}
	return all
}

// answerOf is an answer to a client's request.
func answerOf(t testing.TB, typeID asdu.TypeID, cause asdu.CauseOfTransmission, address asdu.InformationObjectAddress) asdu.ASDU {
	t.Helper()
	a, err := asdu.DefaultProfile.New(asdu.Header{Type: typeID, Cause: cause, CommonAddress: commonAddress}, asdu.Object{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func interrogation(t testing.TB, table *table) *job {
	t.Helper()
	request, err := asdu.DefaultProfile.New(asdu.Header{Type: asdu.C_IC_NA_1, Cause: asdu.Activation, CommonAddress: commonAddress},
		asdu.Object{Qualifier: asdu.QOIStation})
	if err != nil {
		t.Fatal(err)
	}
	return &job{request: request, cause: asdu.InterrogatedStation, entries: table.sectors[commonAddress].interrogated}
}

func TestFeedPacksConsecutiveEventsOfOneType(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, di(1, 1, 1), di(2, 1, 2), di(1, 0, 3), di(3, 2, 4), di(2, 0, 5), di(77, 1, 6), di(1, 1, 7))
	got := f.rest()
	want := []struct {
		typeID    asdu.TypeID
		addresses []int
	}{
		{asdu.M_SP_TB_1, []int{101, 102, 101}},
		{asdu.M_DP_TB_1, []int{103}},
		{asdu.M_SP_TB_1, []int{102, 101}}, // point 77 is none of the uplink's
	}
	if len(got) != len(want) {
		t.Fatalf("%d ASDUs, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Type != w.typeID || got[i].Cause != asdu.Spontaneous || !slices.Equal(addresses(got[i]), w.addresses) {
			t.Errorf("ASDU %d: %v %v %v, want %v %v", i, got[i].Type, got[i].Cause, addresses(got[i]), w.typeID, w.addresses)
		}
	}
	var last uint64
	c.View(func(s *fsm.State) { last = s.JournalLast() })
	if got := f.cursor.position(); got != last {
		t.Errorf("cursor is at %d, want %d, the end of the journal", got, last)
	}
}

func TestFeedMovesTheCursorOverEventsOfOthers(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, di(1, 1, 1))
	if _, ok := f.next(); !ok {
		t.Fatal("no event")
	}
	var first uint64
	c.View(func(s *fsm.State) { first = s.JournalLast() })
	c.Values(t, 1, di(77, 1, 2), di(78, 1, 3))
	if _, ok := f.next(); ok {
		t.Fatal("an event of another uplink was sent")
	}
	if got := f.cursor.position(); got >= first {
		t.Errorf("cursor is at %d before the event %d is acknowledged", got, first)
	}
	f.Acked(f.last)
	if got := f.cursor.position(); got != first+2 {
		t.Errorf("cursor is at %d, want %d: over the events of others", got, first+2)
	}
}

func TestFeedSkipsALongStretchOfOthersEvents(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	items := make([]*fsmpb.Item, readEvents)
	for i := range items {
		items[i] = di(77, 1, uint64(i))
	}
	for range readsPerNext + 2 {
		c.Values(t, 1, items...)
	}
	c.Values(t, 1, di(1, 1, 1))
	f.woken.Store(0)
	for range 10 {
		if a, ok := f.next(); ok {
			if got := addresses(a); !slices.Equal(got, []int{101}) || f.woken.Load() == 0 {
				t.Fatalf("event of %v after %d wakes", got, f.woken.Load())
			}
			return
		}
		if f.woken.Load() == 0 {
			t.Fatal("the feed stopped in the middle and doesn't ask to be called again")
		}
	}
	t.Fatal("the event after the others' was never sent")
}

func TestFeedHoldsEventsWhileTheCursorIsFarBehind(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	items := make([]*fsmpb.Item, 1000)
	for i := range items {
		items[i] = di(1, 1, uint64(i))
	}
	c.Values(t, 1, items...)
	sent := 0
	for {
		a, ok := f.next()
		if !ok {
			break
		}
		sent += a.Len()
		f.Acked(f.last)
	}
	const full = 249 / 11 // events of an ASDU
	if most := maxBehind + 12*full; sent > most || sent <= most-full {
		t.Fatalf("%d events were sent with nothing replicated, want the bound of %d used", sent, most)
	}
	f.replicate()
	if _, ok := f.next(); !ok {
		t.Fatal("nothing is sent after the cursor was replicated")
	}
}

// Row 35 and the standard's own bound: no ASDU is longer than 249 octets, and none is lost for it.
func TestFeedRow35SplitsWhatIsLonger(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	for n := range uint64(100) {
		c.Values(t, 1, di(1, 1, n))
	}
	var got []uint64
	for _, a := range f.rest() {
		if n := len(a.Append(nil)); n > asdu.MaxASDU {
			t.Errorf("ASDU of %d octets", n)
		}
		for o := range a.Objects() {
			got = append(got, numberOf(o.Time))
		}
	}
	if len(got) != 100 || !slices.IsSorted(got) {
		t.Errorf("got %d events, want 100 in order", len(got))
	}
}

func TestFeedGivesInterrogationsOneASDUAWindowWhileEventsWait(t *testing.T) {
	const k, n = 4, 400
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	table := make([]Point, n)
	for i := range table {
		table[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_SP_TB_1}
	}
	f := newTestFeed(t, c, k, table)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	for i := range n {
		c.Values(t, 1, di(uint32(i), 1, uint64(i)))
	}
	f.start(interrogation(t, f.table))
	sinceData := 0
	sawData, sawEvent := false, false
	for _, a := range f.rest() {
		if a.Cause == asdu.Spontaneous {
			sinceData++
			sawEvent = true
			if sinceData > k-1 && sawData {
				t.Fatalf("%d ASDUs of events in a row: the interrogation starves", sinceData)
			}
			continue
		}
		eventsLeft := f.position < f.lastEvent()
		if sawData && eventsLeft && sinceData < k-1 {
			t.Fatalf("only %d ASDUs of events between two of an interrogation, want %d", sinceData, k-1)
		}
		sawData, sinceData = true, 0
	}
	if !sawData || !sawEvent {
		t.Fatal("nothing was interleaved")
	}
}

// Row 41: an event during an interrogation is never followed by an older interrogated value. Whatever happens in
// whatever order, what is interrogated is at least as new as the last event sent for the point.
func TestFeedRow41InterrogatedValuesAreNeverOlderThanEvents(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
		const n = 40
		table := make([]Point, n)
		for i := range table {
			table[i] = Point{IOA: uint32(i + 1), RTU: 1, Kind: fsm.DI, Point: uint32(i), Type: asdu.M_DP_TB_1}
		}
		f := newTestFeed(t, c, rapid.IntRange(1, 5).Draw(rt, "k"), table)
		f.begin(f.cursor.resume(f.clock, 0, 1<<40))
		defer f.Stopped(nil)
		counter := uint64(0)
		history := map[int][]uint64{}       // numbers of each address's values
		told := map[int]uint64{}            // newest number told, by address
		valueOf := map[uint64]float64{0: 0} // of a number
		newest := func(address int) uint64 {
			h := history[address]
			if len(h) == 0 {
				return 0
			}
			return h[len(h)-1]
		}
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"event", "event", "interrogate", "send", "send", "send", "ack"}).Draw(rt, "step") {
			case "event":
				i := rapid.IntRange(0, n-1).Draw(rt, "point")
				counter++
				valueOf[counter] = float64(rapid.IntRange(0, 3).Draw(rt, "value"))
				history[i+1] = append(history[i+1], counter)
				item := di(uint32(i), valueOf[counter], counter)
				item.Type = uint32(asdu.M_DP_TB_1)
				c.Values(t, 1, item)
			case "interrogate":
				if f.room(commonAddress) {
					f.start(interrogation(t, f.table))
				}
			case "ack":
				f.Acked(f.last)
				f.replicate()
			case "send":
				a, ok := f.next()
				if !ok || a.Cause == asdu.ActivationTermination {
					continue
				}
				for o := range a.Objects() {
					address := int(o.Address)
					if a.Cause == asdu.Spontaneous {
						told[address] = numberOf(o.Time)
						continue
					}
					if o.Quality&asdu.NT == 0 && o.Value != valueOf[newest(address)] {
						rt.Fatalf("address %d: interrogated %v, but its newest value is %v", address, o.Value, valueOf[newest(address)])
					}
					if o.Quality&asdu.NT != 0 && told[address] != 0 {
						rt.Fatalf("address %d: interrogated as unknown after event %d", address, told[address])
					}
				}
			}
		}
	})
}

func TestFeedConflatesAnalogs(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, ai(1, 1), ai(2, 10))
	c.Values(t, 1, ai(1, 2))
	got := f.rest()
	if len(got) != 1 || got[0].Type != asdu.M_ME_NC_1 || got[0].Len() != 2 {
		t.Fatalf("got %v, want one ASDU of two analogs", got)
	}
	for o := range got[0].Objects() {
		if want := map[asdu.InformationObjectAddress]float64{201: 2, 202: 10}[o.Address]; o.Value != want {
			t.Errorf("address %d is %v, want %v, the newest", o.Address, o.Value, want)
		}
	}
	c.Values(t, 1, ai(1, 3))
	if got := f.rest(); len(got) != 0 {
		t.Fatalf("a change was sent %v after the last: %v", f.clock.Sub(time.Unix(1_000_000, 0)), got)
	}
	f.clock = f.clock.Add(changePace)
	if got := f.rest(); len(got) != 1 || got[0].Object(0).Value != 3 {
		t.Fatalf("got %v after %v, want the newest value", got, changePace)
	}
}

// An analog that is configured as an event is one: it isn't sent again as a change.
// However many analogs change, an event waits for one ASDU of them at most.
func TestFeedEventsGoBeforeAFloodOfAnalogs(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	table := slices.Clone(points)
	for i := range uint32(1000) {
		table = append(table, Point{IOA: 10_000 + i, RTU: 1, Kind: fsm.AI, Point: 10_000 + i, Type: asdu.M_ME_NC_1})
	}
	const k = 12
	f := newTestFeed(t, c, k, table)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	for n := range 50 {
		items := make([]*fsmpb.Item, 1000)
		for i := range items {
			items[i] = &fsmpb.Item{Kind: fsmpb.Kind_AI, Point: 10_000 + uint32(i), Type: uint32(asdu.M_ME_NC_1), Value: float64(n + 1), Mode: fsmpb.Item_IMAGE}
		}
		c.Values(t, 1, items...)
		f.clock = f.clock.Add(changePace)
		f.next() // an analog: there are always more
		c.Values(t, 1, di(1, 1, uint64(n)))
		before := 0
		for a, ok := f.next(); ok && a.Type != asdu.M_SP_TB_1; a, ok = f.next() {
			before++
		}
		if before > 1 {
			t.Fatalf("event %d: %d ASDUs of analogs went before it", n, before)
		}
		f.Acked(f.last)
		f.replicate()
	}
	if f.changed.len() == 0 {
		t.Fatal("there was no flood")
	}
}

func TestFeedSendsAnAnalogEventOnce(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, []Point{{IOA: 201, RTU: 1, Kind: fsm.AI, Point: 1, Type: asdu.M_ME_TF_1}})
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	event := ai(1, 7)
	event.Mode = fsmpb.Item_EVENT
	c.Values(t, 1, event)
	if got := f.rest(); len(got) != 1 || got[0].Type != asdu.M_ME_TF_1 {
		t.Fatalf("got %v, want the event alone", got)
	}
	f.clock = f.clock.Add(changePace)
	c.Values(t, 1, ai(1, 8))
	if got := f.rest(); len(got) != 1 || got[0].Object(0).Value != 8 {
		t.Fatalf("got %v, want the change that is no event", got)
	}
}

func TestFeedSendsAllAnalogsWhenChangesAreLongAgo(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	c.Values(t, 1, ai(1, 1), ai(2, 2))
	f.version = ^uint64(0) // of a state that was replaced by an older one
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	if got := f.rest(); len(got) != 1 || got[0].Len() != 2 {
		t.Fatalf("got %v, want all analogs", got)
	}
}

func TestFeedSendsNothingButAnswersOnAStandbyLink(t *testing.T) {
	c := startStation(t, fsmpb.Configure_MAIN_STANDBY, "a")
	f := newTestFeed(t, c, 12, points)
	c.Values(t, 1, di(1, 1, 1), ai(1, 5))
	if got := f.rest(); len(got) != 0 {
		t.Fatalf("standby link sent %v", got)
	}
	f.start(interrogation(t, f.table))
	got := f.rest()
	if len(got) == 0 || got[len(got)-1].Cause != asdu.ActivationTermination {
		t.Fatalf("interrogation on a standby link: %v", got)
	}
	f.begin(f.cursor.resume(f.clock, 0, 1<<40)) // promoted: all after the cursor, and what has changed meanwhile
	if got := f.rest(); len(got) != 2 || got[0].Type != asdu.M_SP_TB_1 || got[1].Type != asdu.M_ME_NC_1 {
		t.Fatalf("after promotion: %v, want the event and the analog", got)
	}
}

func TestFeedAnswersAfterTheEventsBefore(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, di(1, 1, 1))
	a := answerOf(t, asdu.C_CS_NA_1, asdu.ActivationCon, 0)
	if err := f.answer(a, f.lastEvent(), 1000); err != nil {
		t.Fatal(err)
	}
	c.Values(t, 1, di(2, 1, 2))
	got := f.rest()
	if len(got) != 2 || got[0].Type != asdu.M_SP_TB_1 || got[1].Type != asdu.C_CS_NA_1 {
		t.Fatalf("got %v, want the events, then the answer", got)
	}
	for range 300 {
		c.Values(t, 1, di(1, 1, 3))
	}
	if err := f.answer(a, f.lastEvent(), maxBehind); err != nil {
		t.Fatal(err)
	}
	if a, ok := f.next(); !ok || a.Type != asdu.C_CS_NA_1 {
		t.Fatal("an answer waits for more events than it has patience for")
	}
	for range maxAnswers {
		_ = f.answer(a, f.lastEvent(), 1000)
	}
	if err := f.answer(a, 0, 0); err != iec104.ErrNoRoom {
		t.Fatalf("one answer too many: %v, want %v", err, iec104.ErrNoRoom)
	}
}

// Events that are not the uplink's, such as a control's own, hold no answer: it goes out as they are passed over.
func TestFeedAnswersAfterEventsOfOthers(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	c.Values(t, 1, di(999, 1, 1))
	a := answerOf(t, asdu.C_CS_NA_1, asdu.ActivationCon, 0)
	if err := f.answer(a, f.lastEvent(), 1000); err != nil {
		t.Fatal(err)
	}
	if a, ok := f.next(); !ok || a.Type != asdu.C_CS_NA_1 {
		t.Fatal("the answer waits until the link asks again")
	}
}

// What retention dropped is counted, and what is left goes on.
func TestFeedGoesOnAfterDroppedEvents(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	cfg := &fsmpb.Configure{Digest: "small", Retain: 10, Nodes: configuration.Nodes, Rtus: configuration.Rtus,
		Groups: []*fsmpb.Configure_Group{{Uplink: "occ", Group: "a", Mode: fsmpb.Configure_EXCLUSIVE}}}
	c.Do(t, "fep1", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: cfg}})
	f := newTestFeed(t, c, 12, points)
	for n := range uint64(5000) {
		c.Values(t, 1, di(1, 1, n))
	}
	var held uint64
	c.View(func(s *fsm.State) { held = s.JournalEvents() })
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	events := 0
	for _, a := range f.rest() {
		events += a.Len()
	}
	if held != 10 || events != 10 {
		t.Errorf("sent %d of the %d that were left, want 10", events, held)
	}
}

// What a control brings about goes after its confirmation, which goes before whatever waits for events.
func TestFeedConfirmsBeforeWhatFollows(t *testing.T) {
	c := startStation(t, fsmpb.Configure_EXCLUSIVE, "a")
	c.device(t)
	f := newTestFeed(t, c, 12, points)
	f.begin(f.cursor.resume(f.clock, 0, 1<<40))
	f.stopAt("one")
	deadline := time.Now().Add(time.Minute).UnixMilli()
	c.Apply("fep1", &fsmpb.Command{Op: &fsmpb.Command_ControlSubmit{ControlSubmit: &fsmpb.ControlSubmit{
		Id: "one", Origin: "test", Rtu: 1, Kind: fsmpb.Kind_DO, Point: 9, Type: uint32(asdu.C_SC_NA_1), DeadlineMs: deadline, Category: "DO"}}})
	eventually(t, "the device's confirmation", func() (done bool) {
		c.View(func(s *fsm.State) { ctl, _ := s.Control("one"); done = ctl.ConfirmedMs != 0 })
		return done
	})
	c.Values(t, 1, di(1, 1, 5))
	other := answerOf(t, asdu.C_DC_NA_1, asdu.ActivationTermination, 402)
	if err := f.answer(other, f.lastEvent(), maxBehind); err != nil {
		t.Fatal(err)
	}
	if got := f.rest(); len(got) != 0 {
		t.Fatalf("before the confirmation: %v", got)
	}
	confirmation := answerOf(t, asdu.C_SC_NA_1, asdu.ActivationCon, 401)
	if err := f.confirm("one", confirmation); err != nil {
		t.Fatal(err)
	}
	var got []asdu.TypeID
	for _, a := range f.rest() {
		got = append(got, a.Type)
	}
	if want := []asdu.TypeID{asdu.C_SC_NA_1, asdu.M_SP_TB_1, asdu.C_DC_NA_1}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	f.Stopped(nil)
	if err := f.confirm("two", confirmation); err != iec104.ErrNotStarted {
		t.Errorf("confirming on a stopped link: %v", err)
	}
}
