package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace by its name of ip-netns(8).
type namespace struct{ name string }

// runDir is where ip-netns(8) keeps its names.
const runDir = "/run/netns"

func addNamespace(name string) (*namespace, error) {
	return &namespace{name}, run("ip", "netns", "add", name)
}

// remove takes the namespace away, and all that is in it.
func (n *namespace) remove() error { return run("ip", "netns", "delete", n.name) }

// ip configures something in the namespace.
func (n *namespace) ip(args ...string) error {
	return run("ip", append([]string{"-netns", n.name}, args...)...)
}

// keepNewestUnresolved has an interface keep one packet, not 200 kB of them, for a
// neighbour whose hardware address is asked for just now, and the newest. When
// a cable was out and comes back, what a FEP sent to a device meanwhile would
// leave up to 3 s later, although the connection was reset and the device has
// another master. The newest packet is the reset.
func (n *namespace) keepNewestUnresolved(nic string) error {
	return run("ip", "netns", "exec", n.name, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/neigh/"+nic+"/unres_qlen_bytes")
}

// inside calls f on a thread that is in the namespace: sockets that it makes
// belong there. Goroutines that it starts are outside.
func (n *namespace) inside(f func() error) error {
	outer, err := os.Open("/proc/self/ns/net") // the main thread's, which never moves
	if err != nil {
		return err
	}
	defer outer.Close()
	inner, err := os.Open(filepath.Join(runDir, n.name))
	if err != nil {
		return err
	}
	defer inner.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(inner.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %s: %w", n.name, err)
	}
	failed := f()
	if err := unix.Setns(int(outer.Fd()), unix.CLONE_NEWNET); err != nil {
		return err // the thread stays locked, so that it ends with its goroutine
	}
	runtime.UnlockOSThread()
	return failed
}

// Listen listens in the namespace.
func (n *namespace) Listen(network, address string) (l net.Listener, err error) {
	err = n.inside(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is Listen for datagrams.
func (n *namespace) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.inside(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// Dial connects from the namespace. The address must be numeric.
func (n *namespace) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = n.inside(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// asRootWith says what is missing of root's rights and of programs.
func asRootWith(programs ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("expected to run as root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	return nil
}

// run runs a program; what it prints is in the error.
func run(program string, args ...string) error { return runWith("", program, args...) }

func runWith(stdin, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
