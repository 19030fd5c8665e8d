package iec104

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
)

// Config holds the parameters of a link that both ends must agree on
// (IEC 60870-5-104 clause 9.6). A zero field takes its value from
// [DefaultConfig], W and T2 less where K and T1 ask for it.
type Config struct {
	Profile asdu.Profile // sizes of cause, common address and object address

	// K is how many I-frames may be sent without an acknowledgement, W after
	// how many received ones an acknowledgement is sent at the latest.
	// 1 to 32767; W is at most MaxW(K).
	K, W int

	T0 time.Duration // time to connect, up to 255 s; a controlled station grants it to a TLS handshake
	T1 time.Duration // time for an answer: to an I-frame, TESTFR, STARTDT, STOPDT; up to 255 s
	T2 time.Duration // longest delay of an acknowledgement; less than T1
	T3 time.Duration // silence after which TESTFR is sent; up to 48 h

	// ManualAck leaves acknowledgement to the application: N(R), in S- and
	// I-frames alike, bears only what it has handed to Ack. Otherwise an ASDU
	// is acknowledged when its handler has returned.
	ManualAck bool

	// Tolerate is what the peer may do against the rules without its link being closed.
	Tolerate Tolerance

	// RepeatStart has a controlling station repeat a STARTDT act that is not confirmed within t1, and wait on. Otherwise that
	// closes the link (clause 5.3), and a device that still holds another client's link counts from the beginning.
	RepeatStart bool

	// Panicked is told of a panic on a link, which has closed that link alone: the value, and the goroutine's stack. Nil: it
	// is logged.
	Panicked func(value any, stack []byte)
}

// Tolerance is a set of ways in which peers break the rules of the APCI.
type Tolerance uint8

const (
	// EarlyData: I-frames of a controlled station before its STARTDT con. They are taken as if they came after it.
	EarlyData Tolerance = 1 << iota
	// OddFrames: reserved bits that are set, and U-frames with no function bit or several, which are ignored.
	OddFrames
	// StoppedFrames: I- and S-frames on a stopped link are ignored.
	StoppedFrames

	TolerateAll = EarlyData | OddFrames | StoppedFrames
)

// toleranceNames are as configurations write them.
var toleranceNames = map[Tolerance]string{EarlyData: "early-data", OddFrames: "odd-frames", StoppedFrames: "stopped-frames"}

// String lists the names, with commas.
func (t Tolerance) String() string {
	var names []string
	for one := EarlyData; one < TolerateAll; one <<= 1 {
		if t&one != 0 {
			names = append(names, toleranceNames[one])
		}
	}
	return strings.Join(names, ", ")
}

// ParseTolerance is one of the set by its name.
func ParseTolerance(name string) (Tolerance, error) {
	for t, n := range toleranceNames {
		if n == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("%w: tolerant %q, expected one of %v", ErrConfig, name, TolerateAll)
}

// Tolerated is what would have kept a link from being closed for this reason, 0 if nothing would.
func Tolerated(reason error) Tolerance {
	switch {
	case errors.Is(reason, ErrEarlyData):
		return EarlyData
	case errors.Is(reason, ErrStopped):
		return StoppedFrames
	case errors.Is(reason, ErrControlField):
		return OddFrames
	}
	return 0
}

// DefaultConfig returns the usual parameters: k = 12, w = 8, t0 = 10 s,
// t1 = 15 s, t2 = 10 s, t3 = 20 s, and the octet sizes of the 104 profile.
func DefaultConfig() Config {
	return Config{
		Profile: asdu.DefaultProfile,
		K:       12, W: 8,
		T0: 10 * time.Second, T1: 15 * time.Second, T2: 10 * time.Second, T3: 20 * time.Second,
	}
}

// MaxW is the largest w that goes with a k: two thirds of it (clause 5.5), and 1
// with a k of 1, which slow links have.
func MaxW(k int) int { return max(1, 2*k/3) }

// withDefaults fills the zero fields.
func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.Profile == (asdu.Profile{}) {
		c.Profile = d.Profile
	}
	if c.K == 0 {
		c.K = d.K
	}
	if c.W == 0 {
		c.W = min(d.W, MaxW(c.K))
	}
	for _, t := range []struct {
		v *time.Duration
		d time.Duration
	}{{&c.T0, d.T0}, {&c.T1, d.T1}, {&c.T3, d.T3}} {
		if *t.v == 0 {
			*t.v = t.d
		}
	}
	if c.T2 == 0 {
		c.T2 = min(d.T2, 2*c.T1/3)
	}
	return c
}

// Validate reports the first parameter that is out of its range, or a pair
// that can't work: t2 must be less than t1, and w at most MaxW(k), else the
// peer's window closes before it is acknowledged.
func (c Config) Validate() error {
	c = c.withDefaults()
	if err := c.Profile.Validate(); err != nil {
		return err
	}
	const most = 1<<15 - 1
	switch {
	case c.K < 1 || c.K > most:
		return fmt.Errorf("%w: k is %d, expected 1 to %d", ErrConfig, c.K, most)
	case c.W < 1 || c.W > most:
		return fmt.Errorf("%w: w is %d, expected 1 to %d", ErrConfig, c.W, most)
	case c.W > MaxW(c.K):
		return fmt.Errorf("%w: w is %d, expected at most two thirds of k = %d, and 1 where that is less", ErrConfig, c.W, c.K)
	}
	for _, t := range []struct {
		name string
		v    time.Duration
		most time.Duration
	}{{"t0", c.T0, 255 * time.Second}, {"t1", c.T1, 255 * time.Second}, {"t2", c.T2, 255 * time.Second}, {"t3", c.T3, 48 * time.Hour}} {
		if t.v <= 0 || t.v > t.most {
			return fmt.Errorf("%w: %s is %v, expected more than 0 and at most %v", ErrConfig, t.name, t.v, t.most)
		}
	}
	if c.T2 >= c.T1 {
		return fmt.Errorf("%w: t2 is %v, expected less than t1 = %v", ErrConfig, c.T2, c.T1)
	}
	return nil
}
