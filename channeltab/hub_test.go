package channeltab

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lossyHub is an Ethernet hub in this process, which joins a device of each namespace. Of UDP it loses some, delivers
// some twice, and holds some back so that later ones overtake them: what not every kernel can do.
type lossyHub struct {
	taps    []*os.File
	running sync.WaitGroup
	rough   atomic.Bool
	percent int // of datagrams that are lost, and of those that come twice

	lost, twice, overtaken atomic.Int64
}

// join makes a device of a namespace a port of the hub.
func (w *lossyHub) join(t *testing.T, namespace, device string) {
	t.Helper()
	tap, err := openTap(namespace, device)
	if err != nil {
		t.Skipf("no tap device: %v", err)
	}
	w.taps = append(w.taps, tap)
}

// begin forwards until the end of the test.
func (w *lossyHub) begin(t *testing.T, percent int) {
	w.percent = percent
	for _, from := range w.taps {
		w.running.Go(func() {
			frame := make([]byte, 2048)
			for {
				n, err := from.Read(frame)
				if err != nil {
					return
				}
				for _, to := range w.taps {
					if to != from {
						w.forward(to, append([]byte(nil), frame[:n]...))
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		for _, tap := range w.taps {
			tap.Close()
		}
		w.running.Wait()
		t.Logf("the hub: %d datagrams lost, %d doubled, %d overtaken", w.lost.Load(), w.twice.Load(), w.overtaken.Load())
	})
}

func (w *lossyHub) forward(to *os.File, frame []byte) {
	const ipv4, udp = 0x0800, 17
	if !w.rough.Load() || len(frame) < 34 || binary.BigEndian.Uint16(frame[12:]) != ipv4 || frame[23] != udp {
		_, _ = to.Write(frame)
		return
	}
	if rand.IntN(100) < w.percent {
		w.lost.Add(1)
		return
	}
	copies := 1
	if rand.IntN(100) < w.percent {
		w.twice.Add(1)
		copies = 2
	}
	for range copies {
		delay := time.Duration(rand.Int64N(int64(10 * time.Millisecond)))
		if rand.IntN(20) == 0 { // by whole conversations
			w.overtaken.Add(1)
			delay += time.Duration(rand.Int64N(int64(500 * time.Millisecond)))
		}
		time.AfterFunc(delay, func() { _, _ = to.Write(frame) })
	}
}

// openTap opens a device of a namespace, which it makes if it is not there.
func openTap(namespace, device string) (*os.File, error) {
	inner, err := os.Open(filepath.Join("/run/netns", namespace))
	if err != nil {
		return nil, err
	}
	defer inner.Close()
	outer, err := os.Open("/proc/self/ns/net") // the main thread's
	if err != nil {
		return nil, err
	}
	defer outer.Close()
	runtime.LockOSThread() // for good if the way back fails: the thread ends with its goroutine then
	if err := unix.Setns(int(inner.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	tap, failed := attachTap(device)
	if err := unix.Setns(int(outer.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, err
	}
	runtime.UnlockOSThread()
	return tap, failed
}

func attachTap(device string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}
