package iec104

import (
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
)

// atRest is the memory in use, stacks included.
func atRest() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// A link at rest costs less than 16 kB beside its buffers, started ones that
// have sent and received included, on either side.
func TestALinkAtRestIsSmall(t *testing.T) {
	const links, limit = 1000, 16 << 10
	t.Run("controlled", func(t *testing.T) {
		handled := make(chan bool, links)
		srv, address := listen(t, ServerConfig{
			Limits: Limits{Connections: links, PerAddress: links},
			Groups: []Group{{
				Independent: true,
				Source:      func(*Session) Source { return &scripted{n: 1, step: 1} },
				Handle:      func(*Session, asdu.ASDU, uint64) { handled <- true },
			}},
		})
		conns := make([]net.Conn, links)
		before := atRest()
		for i := range conns {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conns[i] = conn
		}
		for i, conn := range conns {
			if i%2 == 0 { // half of them are held, the others started
				continue
			}
			r := &raw{t: t, conn: conn}
			r.send("STARTDT act")
			r.expect("STARTDT con", "I 0 0")
			r.send("I 0 1")
			<-handled
		}
		eventually(t, "all links", func() bool { return len(srv.Sessions()) == links })
		report(t, atRest()-before, links, limit)
	})
	t.Run("controlling", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, links)
		go func() {
			defer close(accepted)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		before := atRest()
		var conns []net.Conn
		for i := range links {
			c, err := Dial(t.Context(), ClientConfig{Address: l.Addr().String()})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			station := <-accepted
			defer station.Close()
			conns = append(conns, station)
			if i%2 == 0 {
				continue
			}
			r := &raw{t: t, conn: station}
			done := begin(func() error { return c.StartDT(t.Context()) })
			r.expect("STARTDT act")
			r.send("STARTDT con", "I 0 0")
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			eventually(t, "the ASDU", func() bool { return c.Counters().ReceivedI == 1 })
		}
		report(t, atRest()-before, links, limit)
		l.Close()
		for range accepted {
		}
		for _, c := range conns {
			if _, err := c.Write(AppendU(nil, TestFRAct)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func report(t *testing.T, octets uint64, links int, limit int) {
	t.Helper()
	each := int(octets)/links - readBuffer
	t.Logf("%d octets a link, and a read buffer of %d", each, readBuffer)
	if each > limit {
		t.Errorf("%d octets a link at rest, want at most %d", each, limit)
	}
}
