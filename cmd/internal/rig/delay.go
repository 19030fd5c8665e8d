package rig

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// slowCable stands between a host's port and the bridge, carries frames both
// ways, and takes its time. It is there because not every kernel has netem.
//
// The port is taken off the bridge and read as a packet socket; in its place
// the bridge gets a TAP device. Both speak of frames with the kernel's own
// header (virtio_net_hdr), so that a checksum that is still to be computed and
// a segment that is still to be cut remain so.
type slowCable struct {
	in   *namespace // the bridge's
	host string
	ends [2]*os.File // packet socket, TAP
	done sync.WaitGroup
}

// cableDepth is how many frames are on the way at most, in each direction; what
// is more is lost.
const cableDepth = 4096

// maxFrame is the longest frame before it is cut into segments, with its header.
const maxFrame = 1 << 17

// newSlowCable replaces the cable of a host by one that takes some time each way.
func newSlowCable(bridge *namespace, host string, by time.Duration) (*slowCable, error) {
	c := &slowCable{in: bridge, host: host}
	if err := c.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("slow cable of %s: %w", host, err), c.remove())
	}
	c.carry(c.ends[0], c.ends[1], by)
	c.carry(c.ends[1], c.ends[0], by)
	return c, nil
}

func (c *slowCable) tap() string { return "slow-" + c.host }

func (c *slowCable) open() error {
	err := c.in.inside(func() error {
		port, err := openPort(c.host)
		if err != nil {
			return fmt.Errorf("opening the port: %w", err)
		}
		c.ends[0] = os.NewFile(uintptr(port), c.host)
		tap, err := openTap(c.tap())
		if err != nil {
			return fmt.Errorf("opening the TAP device: %w", err)
		}
		c.ends[1] = os.NewFile(uintptr(tap), c.tap())
		return nil
	})
	return errors.Join(err,
		c.in.ip("link", "set", "dev", c.host, "nomaster"),
		c.in.ip("link", "set", "dev", c.tap(), "master", "br0", "up"))
}

func openPort(name string) (fd int, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in the network's order
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}),
	); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func openTap(name string) (fd int, err error) {
	if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return 0, err
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// carry carries frames one way until an end is closed.
func (c *slowCable) carry(from, to *os.File, by time.Duration) {
	type frame struct {
		octets []byte
		due    time.Time
	}
	way := make(chan frame, cableDepth)
	c.done.Go(func() {
		defer close(way)
		buf := make([]byte, maxFrame)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			select {
			case way <- frame{append([]byte(nil), buf[:n]...), time.Now().Add(by)}:
			default:
			}
		}
	})
	c.done.Go(func() {
		for f := range way {
			time.Sleep(time.Until(f.due))
			_, _ = to.Write(f.octets) // an interface that is down loses it, as a cable would
		}
	})
}

// remove puts the old cable back.
func (c *slowCable) remove() error {
	err := c.in.ip("link", "set", "dev", c.host, "master", "br0")
	for _, end := range c.ends {
		if end != nil {
			err = errors.Join(err, end.Close())
		}
	}
	c.done.Wait()
	return err
}
