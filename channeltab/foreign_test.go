package channeltab

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/testneeds"
)

// TestForeignStation lets a station that was written from PROTOCOL.md alone, in another language, take part: one
// through the leader, one through another node.
func TestForeignStation(t *testing.T) {
	python := testneeds.Program(t, "python3")
	n := openRealCentre(t, "127.0.0.1:0", netip.Addr{})
	ctx := withDeadline(t)
	a := n.station(t, 1, nil)
	if err := a.Registered(ctx); err != nil {
		t.Fatal(err)
	}
	for i, node := range []string{"fep1", "wit"} {
		id := chantable.ID(50 + i)
		key := testKeys()[0]
		cmd := exec.CommandContext(ctx, python, "testdata/station.py", fmt.Sprintf("%d:%s", key.ID, hex.EncodeToString(key.Secret[:])),
			fmt.Sprint(id), "foreign", n.nodes[node].Addr().String(), fmt.Sprint(n.nodes[node].Port()))
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		expect := func(want string) {
			t.Helper()
			for lines.Scan() {
				if lines.Text() == want {
					return
				}
			}
			t.Fatalf("the station in Python ended before it said %q", want)
		}
		expect(fmt.Sprintf("registered %d", 2+i))
		eventually(t, "the foreign station in a's copy", func() bool { e, ok := a.Lookup(id); return ok && e.Online && e.Name == "foreign" })
		expect("entry 1 online") // it has us in its copy
		for _, text := range []string{"hello", strings.Repeat("long ", 1000)} {
			if err := a.SendDataByID(ctx, id, []byte("from "+text), InOrder); err != nil {
				t.Fatalf("to the station in Python: %v", err)
			}
			expect("got from " + text)
			m, err := a.Receive(ctx)
			if err != nil || string(m.Payload) != text || m.From != id {
				t.Fatalf("its answer: %d octets from %d, %v", len(m.Payload), m.From, err)
			}
		}
		if _, err := io.WriteString(in, "leave\n"); err != nil {
			t.Fatal(err)
		}
		expect("left")
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		eventually(t, "the foreign station offline", func() bool { e, _ := a.Lookup(id); return e.ID != 0 && !e.Online })
	}
}
