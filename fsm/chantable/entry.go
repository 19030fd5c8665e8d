package chantable

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a table.
const (
	MaxCN   CN = 1<<16 - 1 // largest channel number; the smallest is 1
	MaxID   ID = 1<<53 - 1 // largest id, so that a JSON number holds it exactly; an EUI-48 fits
	MaxName    = 32        // octets of UTF-8 in a name

	// RemoveAfter is how long an entry stays offline before it may be removed.
	RemoveAfter = 30 * 24 * time.Hour
)

// Errors of this package. Each is wrapped with the value and the bound.
var (
	ErrID      = errors.New("chantable: id out of range")
	ErrName    = errors.New("chantable: unusable name")
	ErrAddress = errors.New("chantable: unusable address")
	ErrEncoded = errors.New("chantable: damaged encoding")
)

// CN is a channel number: the index of an entry. 0 means that none is assigned.
type CN uint16

// ID is a station's own number, 1 to MaxID, unique in the network and fixed. 0 stands for no station.
type ID uint64

// Entry is one channel of the table. An Entry without an ID is an empty channel; its Changed tells when it became so.
type Entry struct {
	CN      CN             `json:"cn"`
	ID      ID             `json:"id"`
	Address netip.AddrPort `json:"address"` // where the station receives data
	Level   uint8          `json:"level"`   // 0 ordinary, 1 to 255 centre, larger is higher
	Name    string         `json:"name"`

	Online       bool   `json:"online"`
	Since        int64  `json:"since"`         // Unix ms: when Online became what it is
	OnlineBefore int64  `json:"online_before"` // ms online before Since
	Changed      uint64 `json:"changed"`       // version of the entry's last change

	// Instance and Epoch tell the holder of the entry from another station with the same id; see Judge.
	// A Copy that was fed by datagrams knows neither of them.
	Instance uint64 `json:"instance"`
	Epoch    uint64 `json:"epoch"`

	// Contested says that another station claims this id. Rival is the last one that was refused.
	Contested bool  `json:"contested,omitempty"`
	Rival     Rival `json:"rival,omitzero"`
}

// Rival is a station that claimed the id of one that is online.
type Rival struct {
	Address  netip.AddrPort `json:"address"`
	Name     string         `json:"name"`
	Instance uint64         `json:"instance"`
	Since    int64          `json:"since"` // Unix ms of its first refusal
}

// Time is how long the station has been online in all, at the instant now (Unix ms). It stands still while the
// station is offline.
func (e Entry) Time(now int64) time.Duration {
	ms := e.OnlineBefore
	if e.Online {
		ms += max(0, now-e.Since)
	}
	return time.Duration(ms) * time.Millisecond
}

// Claim is what a station says of itself when it registers.
type Claim struct {
	CN       CN             `json:"cn"` // the channel number it believes to have; 0 for none
	ID       ID             `json:"id"`
	Address  netip.AddrPort `json:"address"`
	Level    uint8          `json:"level"`
	Name     string         `json:"name"`
	Instance uint64         `json:"instance"` // the installation; random once, then kept
	Epoch    uint64         `json:"epoch"`    // grows with each start or move of the installation
}

// Validate returns what makes the claim unacceptable, whatever the table holds.
func (c Claim) Validate() error {
	switch {
	case c.ID == 0 || c.ID > MaxID:
		return fmt.Errorf("%w: %d, want 1 to %d", ErrID, c.ID, MaxID)
	case c.Instance == 0:
		return fmt.Errorf("%w: station %d has instance 0, want another number", ErrID, c.ID)
	}
	if err := ValidateName(c.Name); err != nil {
		return fmt.Errorf("station %d: %w", c.ID, err)
	}
	if err := ValidateAddress(c.Address); err != nil {
		return fmt.Errorf("station %d: %w", c.ID, err)
	}
	return nil
}

// ValidateName refuses a name that is longer than MaxName octets or could upset a terminal or a page.
func ValidateName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%w: %d octets, want at most %d", ErrName, len(name), MaxName)
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: %q is not UTF-8", ErrName, name)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: %q has the unprintable %U", ErrName, name, r)
		}
	}
	return nil
}

// ValidateAddress refuses what cannot be a station's own UDP address: the table holds plain IPv4 or IPv6 unicast
// addresses, IPv4 never mapped into IPv6, and no zones, which mean something on one host only.
func ValidateAddress(a netip.AddrPort) error {
	ip := a.Addr()
	switch {
	case !ip.IsValid():
		return fmt.Errorf("%w: none", ErrAddress)
	case ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %s is not one host's", ErrAddress, a)
	case ip.Is4In6():
		return fmt.Errorf("%w: %s, want plain IPv4", ErrAddress, a)
	case ip.Zone() != "":
		return fmt.Errorf("%w: %s has a zone", ErrAddress, a)
	case a.Port() == 0:
		return fmt.Errorf("%w: %s has port 0", ErrAddress, a)
	}
	return nil
}
