package channeltab

import (
	"github.com/fepha/fepha/channeltab/internal/core"
	"github.com/fepha/fepha/channeltab/internal/udp"
	"github.com/fepha/fepha/channeltab/internal/wire"
)

// What the floors below define and a user of this package has to name.
type (
	Keys            = wire.Keys           // of the network; see [ReadKeys]
	MulticastConfig = udp.MulticastConfig // how the table is multicast
	Timing          = core.Timing         // times and rates of both sides
	Stats           = core.Stats          // what has happened since the start
	Message         = core.Message        // what one station has sent to another
	Stream          = wire.Stream         // how messages are delivered
	State           = core.State          // of a station's registration
	Outcome         = wire.Outcome        // of a station's last request to the centre
	Registry        = core.Registry       // the replicated table as one node sees it
	Leader          = core.Leader         // who leads the group
	Kept            = core.Kept           // which messages the application has kept
)

const (
	AnyOrder = wire.AnyOrder // each message as soon as it is complete
	InOrder  = wire.InOrder  // in the order they were sent in, among those of the same sender

	MaxMessage = wire.MaxMessage // longest message of an application, in octets
	KeySize    = wire.KeySize    // octets of a key's secret
)

// OpenKeys is for networks that nobody else is in: see [wire.OpenKeys].
func OpenKeys() Keys { return wire.OpenKeys() }

// ReadKeys reads a key file: see [wire.ReadKeys].
func ReadKeys(path string) (Keys, error) { return wire.ReadKeys(path) }
