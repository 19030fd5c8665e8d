package carrier

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/fepha/fepha/internal/testneeds"
)

// inNamespace runs the test in a process with a network of its own, and tells whether this one is that.
func inNamespace(t *testing.T) bool {
	const mark = "FEPHA_TEST_NAMESPACE"
	if os.Getenv(mark) != "" {
		return true
	}
	testneeds.Program(t, "unshare")
	testneeds.Program(t, "ip")
	if os.Geteuid() != 0 {
		testneeds.Met(t, errors.New("expected to run as root"))
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-n", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

// Real interfaces: what the kernel tells of a cable that is pulled, an interface that is taken down or away, and one that has
// come after the watcher, each at once.
func TestInterfaces(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	ip(t, "link set lo up")
	w := watcher(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	known := func(name string, want bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			got := false
			for _, n := range w.up {
				got = got || n == name
			}
			w.mu.Unlock()
			if got == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s has a carrier: %t, want %t", name, got, want)
			}
		}
	}
	known("lo", true)
	address := netip.MustParseAddr("192.0.2.1")
	lay := func() {
		t.Helper()
		ip(t, "link add name near type veth peer name far")
		ip(t, "address add 192.0.2.1/24 dev near")
		ip(t, "address add 2001:db8::1/64 dev near nodad")
		ip(t, "link set dev near up")
		ip(t, "link set dev far up")
		known("near", true)
	}
	lay()
	lost := make(chan error, 10)
	expect := func(what string, pull string, local netip.Addr) {
		t.Helper()
		stop := w.OnLoss(local, func(err error) { lost <- err })
		defer stop()
		w.OnLoss(local, func(error) { t.Errorf("%s: told who has taken it back", what) })()
		began := time.Now()
		ip(t, pull)
		select {
		case err := <-lost:
			t.Logf("%s: told after %v, the command's own time included", what, time.Since(began))
			if !errors.Is(err, ErrLost) || !strings.HasSuffix(err.Error(), "interface near") {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: nobody is told", what)
		}
	}
	expect("cable pulled", "link set dev far down", address)
	w.OnLoss(address, func(error) { t.Error("told of what was lost before") })()
	ip(t, "link set dev far up")
	known("near", true)
	expect("interface taken down", "link set dev near down", address)
	ip(t, "link set dev near up")
	ip(t, "address add 2001:db8::1/64 dev near nodad") // IPv6's were gone with it
	known("near", true)
	expect("the same with IPv6, whose address goes with it", "link set dev near down", netip.MustParseAddr("2001:db8::1"))
	ip(t, "link set dev near up")
	known("near", true)
	// A port that leaves its bridge is told of as deleted, in the bridge's family.
	ip(t, "link add name br type bridge")
	stop := w.OnLoss(address, func(err error) { t.Errorf("told of a bridge's port: %v", err) })
	ip(t, "link set dev near master br")
	ip(t, "link set dev near nomaster")
	ip(t, "link add name later type veth peer name other")
	ip(t, "link set dev other up")
	ip(t, "link set dev later up")
	known("later", true)
	stop()
	expect("interface taken away", "link delete near", address)
	if len(w.watches) != 0 {
		t.Errorf("%d interfaces are still watched", len(w.watches))
	}
	lay() // with another index
	expect("cable of one that came later", "link set dev far down", address)
}

func TestAddressOfNoInterface(t *testing.T) {
	w := watcher(t)
	for _, a := range []string{"192.0.2.77", "fe80::1%nosuch"} {
		w.OnLoss(netip.MustParseAddr(a), func(error) {})()
	}
	if len(w.watches) != 0 {
		t.Error("watched all the same")
	}
}

// Whatever a message is, it is read or passed over.
func FuzzParse(f *testing.F) {
	f.Add(uint16(unix.RTM_NEWLINK), make([]byte, unix.SizeofIfInfomsg))
	f.Add(uint16(unix.RTM_DELLINK), append(make([]byte, unix.SizeofIfInfomsg), 8, 0, 3, 0, 'e', 't', 'h', 0))
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		parse(netlink.Message{Header: netlink.Header{Type: netlink.HeaderType(kind)}, Data: data})
	})
}
