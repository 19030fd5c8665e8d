package sim

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// ErrNoLink: a link number that the device does not have.
var ErrNoLink = errors.New("no such link")

// DevicePoint is a point of a simulated device: its object address and the
// type it is sent in. Of command types it is an output.
type DevicePoint struct {
	Address asdu.InformationObjectAddress
	Type    asdu.TypeID
	Value   float64 // at the start
	Select  bool    // an output that has to be selected before it is operated
}

// DeviceConfig describes a simulated device.
type DeviceConfig struct {
	Listen        []string // one TCP endpoint a link, e.g. 127.0.0.1:24041
	CommonAddress asdu.CommonAddress
	Points        []DevicePoint
	Files         []DeviceFile
	Config        iec104.Config  // zero fields: the usual parameters
	Location      *time.Location // of its clock; nil: UTC
	QueueSize     int            // ASDUs kept until acknowledged; 65536
	Tap           func(link int, s *iec104.Session, dir iec104.Direction, at time.Time, frame []byte)
	Log           *slog.Logger

	Quirks []Quirk // what it does otherwise than a good one

	// Behind makes it another sector of this device, a concentrator: it has a common address, points, quirks and a clock of its
	// own, and the other's links. Listen, Config, QueueSize, Tap, Source, Judge and Open are the other's, as are quirks of links.
	Behind *Device

	// Source gives each started link its data; nil: the device's own queue, and
	// what Change and Play put there is sent.
	Source func(*iec104.Session) iec104.Source

	// Judge has the device watch for two masters, see Device.Violations. A
	// started connection that the device closes then stays open for a while.
	// It is for devices of which one link at a time is started.
	Judge bool
	// Open makes the listeners; nil: net.Listen.
	Open func(network, address string) (net.Listener, error)
}

// A Device is a controlled station as a good RTU is one: a single queue of
// events for all its links, kept until acknowledged and sent again on the next
// started link; the last STARTDT wins.
type Device struct {
	Sent Ledger // every event that it queued

	*line

	cfg     DeviceConfig
	station *iec104.Station
	quirks  atomic.Pointer[[]Quirk]

	mu       sync.Mutex
	values   map[asdu.InformationObjectAddress]float64
	lastTime map[asdu.InformationObjectAddress]int64 // newest time tag, unix ms

	asked   int   // interrogations
	freezes uint8 // of counters
	events  int   // that happened

	files  []DeviceFile // by address and name
	opened int          // how often one was

	outputs outputs
}

// NewDevice listens on all links and serves them until Close.
func NewDevice(cfg DeviceConfig) (*Device, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.QueueSize == 0 {
		cfg.QueueSize = 65536
	}
	if cfg.Open == nil {
		cfg.Open = net.Listen
	}
	d := &Device{
		values:   make(map[asdu.InformationObjectAddress]float64),
		lastTime: make(map[asdu.InformationObjectAddress]int64),
		outputs:  outputs{ending: make(chan struct{})},
	}
	for _, p := range cfg.Points {
		d.values[p.Address] = p.Value
	}
	d.SetQuirks(cfg.Quirks...)
	if d.has(SmallWindow) {
		cfg.Config.K, cfg.Config.W = 1, 1
	}
	d.station = &iec104.Station{
		CommonAddresses: []asdu.CommonAddress{cfg.CommonAddress},
		Location:        cfg.Location,
		Interrogation:   d.interrogation,
		Counters:        d.counters,
		Read:            d.read,
		Freeze:          d.freeze,
		SetClock:        d.setClock,
		Has:             d.hasOutput,
		SelectRequired:  d.selectRequired,
		Command:         d.operate,
	}
	d.station.Files = (*fileSource)(d)
	d.station.Other = map[asdu.TypeID]func(*iec104.Call){
		asdu.P_ME_NA_1: d.parameter, asdu.P_ME_NB_1: d.parameter, asdu.P_ME_NC_1: d.parameter, asdu.P_AC_NA_1: d.parameter,
	}
	if o := cfg.Behind; o != nil {
		cfg.Config = o.cfg.Config
		d.line = o.line
	} else {
		d.line = &line{queue: iec104.NewQueue(cfg.QueueSize), sectors: []*Device{d}}
	}
	d.cfg = cfg
	for _, f := range cfg.Files {
		if err := d.AddFile(f); err != nil {
			return nil, fmt.Errorf("simulated device: %w", err)
		}
	}
	begin := d.listen
	if cfg.Behind != nil {
		begin = d.join
	}
	if err := begin(); err != nil {
		return nil, fmt.Errorf("simulated device: %w", err)
	}
	return d, nil
}

// listen serves the links of a device that is behind no other.
func (d *Device) listen() (err error) {
	source := d.cfg.Source
	if source == nil {
		source = d.queue.Source
	}
	d.server, err = iec104.NewServer(iec104.ServerConfig{
		Config: d.cfg.Config,
		Groups: []iec104.Group{{
			Name:         "device",
			Source:       source,
			AllowConnect: d.allowConnect, AllowStart: d.allowStart,
			Started: d.noteStarted,
			Handle:  d.line.handle,
		}},
		Tap: d.tap(),
		Log: d.cfg.Log,
	})
	if err != nil {
		return err
	}
	if d.cfg.Judge {
		d.judge = newJudge()
	}
	for i, address := range d.cfg.Listen {
		d.links = append(d.links, &breakable{address: address, open: d.cfg.Open, judge: d.judge, rudely: d.rudely})
		if err := d.Repair(i); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	return nil
}

func (d *Device) tap() func(*iec104.Session) iec104.Tap {
	if d.cfg.Tap == nil {
		return nil
	}
	return func(s *iec104.Session) iec104.Tap {
		link := d.linkOf(s)
		return func(dir iec104.Direction, at time.Time, frame []byte) { d.cfg.Tap(link, s, dir, at, frame) }
	}
}

// Close ends all links and waits for them. A sector behind another device only stops to operate: the links are the other's.
func (d *Device) Close() (err error) {
	if d.cfg.Behind == nil {
		err = d.end()
	}
	d.outputs.end()
	return err
}

// Change sets points to new values and queues one ASDU of type t that tells
// them, with the present time as their tag where t has one. The tags of one
// point always grow, so that no two of its events are alike. ErrNoRoom
// leaves everything as it was.
func (d *Device) Change(t asdu.TypeID, now time.Time, changes ...asdu.Object) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.has(NoTime) {
		t = t.Untimed()
	}
	for i := range changes {
		o := &changes[i]
		ms := max(now.Add(d.early()).UnixMilli(), d.lastTime[o.Address]+1)
		o.Time = asdu.NewCP56Time2a(time.UnixMilli(ms), d.cfg.Location)
	}
	h := asdu.Header{Type: t, Cause: asdu.Spontaneous, CommonAddress: d.cfg.CommonAddress}
	a, err := d.profile().New(h, changes...)
	if err != nil {
		return fmt.Errorf("simulated device: %w", err)
	}
	if d.events++; d.has(LosesEvents) && d.events%10 == 0 {
		for o := range a.Objects() {
			d.values[o.Address] = o.Value
		}
		return nil
	}
	return d.push(a, now)
}

// Play queues a recorded ASDU as it is.
func (d *Device) Play(a asdu.ASDU, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.push(a, now)
}

// push queues a and, if there was room, enters what it tells. d.mu is held.
func (d *Device) push(a asdu.ASDU, now time.Time) error {
	if err := d.line.push(a); err != nil {
		return err
	}
	for o := range a.Objects() {
		d.values[o.Address] = o.Value
		if a.Type.TimeTag() != asdu.CP56 {
			continue
		}
		if t, err := o.Time.Time(d.cfg.Location); err == nil {
			d.lastTime[o.Address] = t.UnixMilli()
		}
		d.Sent.Add(Key{a.CommonAddress, o.Address, o.Time, o.Value}, now)
	}
	return nil
}

// Value is a point's present value.
func (d *Device) Value(a asdu.InformationObjectAddress) float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.values[a]
}

func (d *Device) profile() asdu.Profile {
	if d.cfg.Config.Profile == (asdu.Profile{}) {
		return asdu.DefaultProfile
	}
	return d.cfg.Config.Profile
}

func (d *Device) interrogation(_ asdu.CommonAddress, qoi uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
	d.mu.Lock()
	d.asked++
	first := d.asked == 1
	d.mu.Unlock()
	all := d.monitored(func(t asdu.TypeID) bool { return !isCounter(t) && !t.IsProtectionEvent() })
	if d.has(PartialInterrogation) && !first {
		addresses := slices.Collect(all)
		all = slices.Values(addresses[:max(0, len(addresses)-1)])
	}
	return all, qoi == asdu.QOIStation && !d.has(RefusesInterrogation)
}

// counters yields the counters as they are: the device freezes them before each reading if nobody has asked it to.
func (d *Device) counters(_ asdu.CommonAddress, rqt uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
	_ = d.freeze(0, rqt, asdu.Freeze)
	return d.monitored(isCounter), rqt == asdu.RQTGeneral || rqt == asdu.RQTGroup1
}

// freeze counts the counters' sequence number up.
func (d *Device) freeze(_ asdu.CommonAddress, _, _ uint8) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.has(StuckCounters) {
		d.freezes++
	}
	return nil
}

func (d *Device) setClock(asdu.CommonAddress, asdu.CP56Time2a) error {
	if d.has(RefusesClock) {
		return errors.New("the clock is not to be set")
	}
	return nil
}

func isCounter(t asdu.TypeID) bool { return t == asdu.M_IT_NA_1 || t == asdu.M_IT_TB_1 }

// monitored yields the objects of some types of monitored points.
func (d *Device) monitored(want func(asdu.TypeID) bool) iter.Seq[asdu.InformationObjectAddress] {
	return func(yield func(asdu.InformationObjectAddress) bool) {
		for _, p := range d.cfg.Points {
			if p.Type.IsMonitor() && want(p.Type) && !yield(p.Address) {
				return
			}
		}
	}
}

func (d *Device) read(_ asdu.CommonAddress, ioa asdu.InformationObjectAddress) (asdu.TypeID, asdu.Object, bool) {
	i := slices.IndexFunc(d.cfg.Points, func(p DevicePoint) bool { return p.Address == ioa && p.Type.IsMonitor() })
	if i < 0 {
		return 0, asdu.Object{}, false
	}
	o := asdu.Object{Address: ioa, Value: d.Value(ioa)}
	if isCounter(d.cfg.Points[i].Type) {
		d.mu.Lock()
		o.Quality = d.freezes & asdu.CounterSequence
		d.mu.Unlock()
	}
	return d.cfg.Points[i].Type, o, true
}
