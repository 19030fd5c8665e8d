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

// slowCable stands between a host's port and its bridge, carries frames both
// ways, and takes its time. It is there because not every kernel has netem.
//
// The port is taken off the bridge and read as a packet socket; in its place
// the bridge gets a TAP device. Both speak of frames with the kernel's own
// header (virtio_net_hdr), so that a checksum that is still to be computed and
// a segment that is still to be cut remain so.
type slowCable struct {
	in   *namespace // the bridges'
	was  cable
	ends [2]*os.File // packet socket, TAP
	done sync.WaitGroup
}

// cableDepth is how many frames are on the way at most, in each direction; what
// is more is lost.
const cableDepth = 4096

// maxFrame is the longest frame before it is cut into segments, with its header.
const maxFrame = 1 << 17

// newSlowCable replaces a cable by one that takes some time each way.
func newSlowCable(bridges *namespace, was cable, by time.Duration) (*slowCable, error) {
	c := &slowCable{in: bridges, was: was}
	if err := c.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("slow cable %s: %w", was.port, err), c.remove())
	}
	c.carry(c.ends[0], c.ends[1], by)
	c.carry(c.ends[1], c.ends[0], by)
	return c, nil
}

func (c *slowCable) tap() string { return "slow-" + c.was.port }

func (c *slowCable) open() error {
	err := c.in.inside(func() error {
		port, err := openPort(c.was.port)
		if err != nil {
			return fmt.Errorf("opening the port: %w", err)
		}
		c.ends[0] = os.NewFile(uintptr(port), c.was.port)
		tap, err := openTap(c.tap())
		if err != nil {
			return fmt.Errorf("opening the TAP device: %w", err)
		}
		c.ends[1] = os.NewFile(uintptr(tap), c.tap())
		return nil
	})
	return errors.Join(err,
		c.in.ip("link", "set", "dev", c.was.port, "nomaster"),
		c.in.ip("link", "set", "dev", c.tap(), "master", c.was.bridge, "up"))
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
	err := c.in.ip("link", "set", "dev", c.was.port, "master", c.was.bridge)
	for _, end := range c.ends {
		if end != nil {
			err = errors.Join(err, end.Close())
		}
	}
	c.done.Wait()
	return err
}
