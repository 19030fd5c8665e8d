package channeltab

import (
	crand "crypto/rand"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/wire"
	"github.com/fepha/fepha/fsm/chantable"
)

// StationConfig is what a station is told.
type StationConfig struct {
	ID        chantable.ID     // 1 to chantable.MaxID, unique in the network
	Name      string           // at most chantable.MaxName octets
	Level     uint8            // 0 ordinary, 1 to 255 centre
	Listen    netip.AddrPort   // UDP address to send from and receive at; port 0: any free one
	Advertise netip.AddrPort   // what the table is to hold; zero: Listen, or where the centre sees us come from
	Centres   []netip.AddrPort // nodes of the centre, tried in turn; without any the multicast tells
	Multicast MulticastConfig
	Keys      Keys
	CopyFile  string // where the copy of the table is kept; empty: nowhere
	Timing    Timing

	// Instance and Epoch identify an installation that runs now here, now there, and tell which is the right one: the
	// pair's own endpoint gives a number of its own and the epoch of its ownership. 0: drawn once and kept in
	// CopyFile, and counted up with each start.
	Instance uint64
	Epoch    uint64

	// Begin is a page of a table from version 0 on, to begin with if CopyFile has nothing; zero: the copy begins empty.
	Begin chantable.Page

	// With Kept, each message is acknowledged only when the application says with Station.Keep that it's kept for good, where
	// whoever runs this station next finds it. It tells what is kept already, so that none is delivered again: it's asked
	// when a sender's session is heard for the first time, and must not block. nil: a message is acknowledged when Receive
	// has it or will have it.
	Kept Kept

	// Guard is asked right before each datagram is sent, which is left if it says false. It must not block. nil: all are.
	Guard func() bool

	Log *slog.Logger // nil: nothing is logged
}

// setup checks the configuration; the error wraps ErrConfig.
func (cfg StationConfig) setup() (core.StationSetup, error) {
	claim := chantable.Claim{ID: cfg.ID, Name: cfg.Name, Instance: 1, Address: cfg.Advertise}
	if !cfg.Advertise.IsValid() {
		claim.Address = netip.MustParseAddrPort("192.0.2.1:1") // any; the real one is not known yet
	}
	if err := claim.Validate(); err != nil {
		return core.StationSetup{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	for _, a := range cfg.Centres {
		if err := chantable.ValidateAddress(a); err != nil {
			return core.StationSetup{}, fmt.Errorf("%w: centre: %w", ErrConfig, err)
		}
	}
	if len(cfg.Centres) == 0 && !cfg.Multicast.Group.IsValid() {
		return core.StationSetup{}, fmt.Errorf("%w: neither a centre nor a multicast group", ErrConfig)
	}
	timing, err := cfg.Timing.WithDefaults()
	if err != nil {
		return core.StationSetup{}, err
	}
	codec, err := wire.NewCodec(cfg.Keys)
	if err != nil {
		return core.StationSetup{}, err
	}
	return core.StationSetup{
		ID: cfg.ID, Level: cfg.Level, Name: cfg.Name, Address: cfg.Advertise, Listens: cfg.Multicast.Group.IsValid(),
		Centres: slices.Clone(cfg.Centres), Timing: timing, Codec: codec, Rand: newRand(), Kept: cfg.Kept,
	}, nil
}

// identify settles who a station is: what is configured, else what the file has, else something new.
func identify(s *core.StationSetup, cfg StationConfig, held *saved, now time.Time) {
	s.Copy = chantable.NewCopy()
	s.Instance = s.Rand.Uint64() | 1
	s.Epoch = uint64(now.UnixMilli())
	if held != nil {
		s.Instance, s.Epoch, s.CN, s.Copy = held.instance, max(s.Epoch, held.epoch+1), held.cn, held.copy
	} else if cfg.Begin.Table != 0 {
		s.Copy.Follow(cfg.Begin.Table)
		s.Copy.Take(cfg.Begin)
		if e, ok := s.Copy.ByID(s.ID); ok {
			s.CN = e.CN
		}
	}
	if cfg.Instance != 0 {
		s.Instance = cfg.Instance
	}
	if cfg.Epoch != 0 {
		s.Epoch = cfg.Epoch
	}
}

func savedOf(s *core.StationSetup) *saved {
	return &saved{id: s.ID, instance: s.Instance, epoch: s.Epoch, cn: s.CN, copy: s.Copy}
}

// newRand returns a generator seeded by the system: sessions and contacts must never come again.
func newRand() *rand.Rand {
	var seed [32]byte
	crand.Read(seed[:]) // never fails
	return rand.New(rand.NewChaCha8(seed))
}
