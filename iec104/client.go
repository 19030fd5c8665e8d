package iec104

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"
)

// ClientConfig describes a controlling station's connection.
type ClientConfig struct {
	Config
	Address string      // host:port; the standard's port is 2404
	TLS     *tls.Config // nil: plain TCP
	// Dial makes the TCP connection; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Handle gets each ASDU from the station, in order, one call at a time; a
	// slow one delays nothing but those behind it. index counts the ASDUs of
	// this connection from 1, see Ack. a is valid during the call only: Clone
	// it to keep it. Requests must not be made from here: their answers come
	// through the same goroutine.
	Handle func(c *Client, a ASDU, index uint64)

	// WriteGuard is asked right before every write to the socket of a starting
	// or started link. An error closes the connection and nothing is written.
	WriteGuard func() error

	Tap     Tap
	Backlog int          // octets of received ASDUs waiting for Handle; 64 KiB
	Log     *slog.Logger // nil: silent
}

// Client is a controlling station's connection to one controlled station. It
// is held stopped, answering TESTFR, until StartDT. Its methods may be called
// from any goroutine.
type Client struct{ conn }

// Dial connects within t0. The link is stopped.
func Dial(ctx context.Context, cfg ClientConfig) (*Client, error) { return &Client{}, nil }

// StartDT starts the transfer of user data and returns when it is confirmed.
func (c *Client) StartDT(ctx context.Context) error { return nil }

// StopDT stops the transfer and returns when it is confirmed, which the
// station does after all it sent was acknowledged: see Ack.
func (c *Client) StopDT(ctx context.Context) error { return nil }

// Send sends one ASDU and returns nil when it was written to the connection.
// An error that is ErrNotSent says that it never will be; after another error
// it may or may not have arrived.
func (c *Client) Send(ctx context.Context, a ASDU) error { return nil }

// Run keeps a link up until ctx ends: it dials, calls run with the connected
// client, closes it when run returns or the link is lost (run's ctx ends
// then), and tries again after a wait that grows from 1 s to 30 s, and starts
// anew at 1 s after a link that was started. It returns ctx's error.
func Run(ctx context.Context, cfg ClientConfig, run func(ctx context.Context, c *Client) error) error {
	return nil
}

// Interrogate asks for all values of a station (qoi 20) or of group 1 to 16
// (qoi 21 to 36) and returns when the station says that all were sent. The
// values go to Handle. With BroadcastAddress it returns when every station
// that confirmed has ended.
func (c *Client) Interrogate(ctx context.Context, ca CommonAddress, qoi uint8) error { return nil }

// CounterInterrogate asks for the counters: qcc is RQT 1 to 5 plus FRZ << 6.
// Without a freeze it returns when all were sent, else when it is confirmed.
func (c *Client) CounterInterrogate(ctx context.Context, ca CommonAddress, qcc uint8) error {
	return nil
}

// Read asks for one object's value. The answer also goes to Handle.
func (c *Client) Read(ctx context.Context, ca CommonAddress, ioa InformationObjectAddress) (ASDU, error) {
	return ASDU{}, nil
}

// SetClock sets the station's clock to t, in t's own location.
func (c *Client) SetClock(ctx context.Context, ca CommonAddress, t time.Time) error { return nil }

// Test sends a test command and waits for the same counter to come back.
func (c *Client) Test(ctx context.Context, ca CommonAddress) error { return nil }

// Reset asks the station to reset a process: qrp 1 is a general reset.
func (c *Client) Reset(ctx context.Context, ca CommonAddress, qrp uint8) error { return nil }

// Command is a command to the process: types 45 to 51 and 58 to 64.
type Command struct {
	CommonAddress CommonAddress
	Originator    uint8
	Type          TypeID
	Object        Object
	// Select sends a selection first (S/E = 1) and the execute command once it
	// is confirmed. Otherwise Object goes as it is: an S/E bit of 1 selects only.
	Select bool
	// Confirmed is called when the (execute) command was confirmed, before
	// its termination.
	Confirmed func(a ASDU)
	// Termination waits for ACTTERM; otherwise Command returns after ACTCON.
	Termination bool
}

// Command sends a command and waits for the station's answer. The error is a
// *NegativeError if the station refused, ErrNotSent if the command never left;
// after any other it is unknown whether it was executed.
func (c *Client) Command(ctx context.Context, cmd Command) error { return nil }

// Cancel takes back a selection (cause 8).
func (c *Client) Cancel(ctx context.Context, cmd Command) error { return nil }

// NegativeError is a station's refusal.
type NegativeError struct {
	ASDU ASDU // the mirrored request, with the cause and P/N of the answer
}

func (e *NegativeError) Error() string { return "" }
