package sim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// judgePatience is how long a judge goes on reading a connection that its
// device has given up.
const judgePatience = 3 * time.Second

// maxViolations bounds what a judge remembers; it goes on counting.
const maxViolations = 100

// A Violation is a frame of one master that reached a device after another
// master's STARTDT was confirmed. Both believed that they drive it.
type Violation struct {
	At    time.Time
	Link  string // the device's endpoint
	Late  string // who sent the frame
	Live  string // whose STARTDT had been confirmed by then
	After time.Duration
	Frame []byte
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: frame %s from %s, %v after STARTDT of %s was confirmed",
		v.At.Format("15:04:05.000"), hex.EncodeToString(v.Frame), v.Late, v.After.Round(time.Millisecond), v.Live)
}

// judge watches a device's connections for two masters at once: it must not
// receive an I- or S-frame on a connection after STARTDT was confirmed on
// another. A good device closes the older connection and would never see one;
// the judge goes on reading it for judgePatience.
//
// "After" is by the kernel's count of octets received, not by when the device
// gets to read them, so that a busy machine makes nobody guilty.
type judge struct {
	mu         sync.Mutex
	conns      map[*judged]struct{} // open ones, also those that only the judge still reads
	violations []Violation
	count      int

	reading sync.WaitGroup
}

// judged is a connection under a judge's eyes.
type judged struct {
	net.Conn
	judge *judge

	// Guarded by judge.mu.
	started    bool
	superseded time.Time // when another was started; zero: not
	by         string    // the other
	limit      uint64    // octets received by then

	readMu sync.Mutex // held while somebody reads; guards what follows
	rest   []byte     // a frame's beginning
	offset uint64     // octets of whole frames read
	lost   bool       // the octets are no frames

	closeOnce sync.Once
	closed    chan struct{} // the device has closed it
}

func newJudge() *judge { return &judge{conns: make(map[*judged]struct{})} }

// watch puts a connection under the judge's eyes.
func (j *judge) watch(c net.Conn) net.Conn {
	w := &judged{Conn: c, judge: j, closed: make(chan struct{})}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conns[w] = struct{}{}
	return w
}

// end closes what the judge still reads, and waits.
func (j *judge) end() {
	j.mu.Lock()
	for c := range j.conns {
		_ = c.Conn.Close()
	}
	j.mu.Unlock()
	j.reading.Wait()
}

// found are the violations so far, at most maxViolations of them, and how many
// there were.
func (j *judge) found() ([]Violation, int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.violations), j.count
}

var startConfirmed = []byte{0x68, 4, 0x0b, 0, 0, 0} // STARTDT con

func (c *judged) Write(b []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	if confirmsStart(b) {
		c.judge.start(c)
	}
	return c.Conn.Write(b)
}

// confirmsStart tells whether STARTDT con is among whole frames.
func confirmsStart(frames []byte) bool {
	for len(frames) >= len(startConfirmed) {
		if bytes.HasPrefix(frames, startConfirmed) {
			return true
		}
		frames = frames[min(len(frames), int(frames[1])+2):]
	}
	return false
}

// start notes that STARTDT is about to be confirmed on c.
func (j *judge) start(c *judged) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for o := range j.conns {
		if o == c || !o.started || !o.superseded.IsZero() {
			continue
		}
		if n, err := octetsReceived(o.Conn); err == nil {
			o.superseded, o.by, o.limit = time.Now(), c.RemoteAddr().String(), n
		}
	}
	c.started, c.superseded = true, time.Time{}
}

func (c *judged) Read(b []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	n, err := c.Conn.Read(b)
	c.examine(b[:n])
	return n, err
}

// examine takes octets as they were read. readMu is held.
func (c *judged) examine(b []byte) {
	if c.lost {
		return
	}
	c.rest = append(c.rest, b...)
	for len(c.rest) >= 2 {
		size := int(c.rest[1]) + 2
		if c.rest[0] != 0x68 || size < 6 {
			c.lost, c.rest = true, nil // the device will close it
			return
		}
		if len(c.rest) < size {
			return
		}
		frame := c.rest[:size]
		c.offset += uint64(size)
		if isU := frame[2]&3 == 3; !isU {
			c.judge.received(c, frame)
		}
		c.rest = c.rest[size:]
	}
}

// received judges an I- or S-frame of c.
func (j *judge) received(c *judged, frame []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.superseded.IsZero() || c.offset <= c.limit {
		return
	}
	j.count++
	if len(j.violations) < maxViolations {
		now := time.Now()
		j.violations = append(j.violations, Violation{
			At: now, Link: c.LocalAddr().String(), Late: c.RemoteAddr().String(), Live: c.by,
			After: now.Sub(c.superseded), Frame: bytes.Clone(frame),
		})
	}
}

// Close ends the connection for the device. One that was started is read on.
func (c *judged) Close() error {
	c.closeOnce.Do(func() {
		close(c.closed)
		c.judge.mu.Lock()
		started := c.started
		c.judge.mu.Unlock()
		if !started {
			c.release()
			return
		}
		_ = c.SetDeadline(time.Now()) // the device's own read and write end
		c.judge.reading.Go(func() {
			defer c.release()
			c.readMu.Lock()
			defer c.readMu.Unlock()
			_ = c.Conn.SetReadDeadline(time.Now().Add(judgePatience))
			buf := make([]byte, 4096)
			for {
				n, err := c.Conn.Read(buf)
				c.examine(buf[:n])
				if err != nil {
					return
				}
			}
		})
	})
	return nil
}

func (c *judged) release() {
	_ = c.Conn.Close()
	c.judge.mu.Lock()
	defer c.judge.mu.Unlock()
	delete(c.judge.conns, c)
}
