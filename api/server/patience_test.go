package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/api/server/trace"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// What takes long is not cut off by the limits that others have. In virtual
// time, over pipes.

// pipeListener accepts what is dialed in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7310} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// inVirtualTime runs a test with a server whose clock is virtual.
func inVirtualTime(t *testing.T, test func(t *testing.T, s served)) {
	synctest.Test(t, func(t *testing.T) {
		node := newNode(t)
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := New(Config{Node: node, Describe: describe, Tracer: new(trace.Tracer)})
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		transport := &http.Transport{DialContext: l.dial}
		test(t, served{server, &client.Client{Base: "http://127.0.0.1:7310", HTTP: &http.Client{Transport: transport}}, node})
		transport.CloseIdleConnections()
		if err := errors.Join(server.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamsGoOn(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		const count = 100 // for as many times a minute
		last, err := s.NewestEvents(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for i := range uint64(count) {
				time.Sleep(time.Minute)
				s.node.emit(2+i, 1)
			}
		}()
		n, enough := 0, errors.New("enough")
		err = s.FollowEvents(t.Context(), last.Last, func(api.Event) error {
			if n++; n == count {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Errorf("after %d events: %v", n, err)
		}
	})
}

func TestTracesGoOn(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		go func() {
			time.Sleep(time.Hour)
			s.cfg.Tracer.Open("rtu/1", trace.Link{})(time.Now(), true, startAct)
		}()
		if err := s.Trace(t.Context(), "rtu/1", 0, func(api.TraceLine) error { return errEnough }); !errors.Is(err, errEnough) {
			t.Error(err)
		}
	})
}

func TestSlowDevicesAreWaitedFor(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		wg := s.node.device(func(*fsmpb.ControlSubmit) (bool, string) {
			time.Sleep(50 * time.Second)
			return true, ""
		})
		defer wg.Wait()
		c, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", TimeoutMs: 60_000})
		if err != nil || !c.OK {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// A body that doesn't come is not waited for for long, nor is a client that
// doesn't take its answer.
func TestSlowClientsAreNotWaitedFor(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		began := time.Now()
		c, err := s.HTTP.Transport.(*http.Transport).DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("POST /v1/rtus/1/pin HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")); err != nil {
			t.Fatal(err)
		}
		for b := make([]byte, 1000); err == nil; {
			_, err = c.Read(b)
		}
		if took := time.Since(began); took < bodyTimeout || took > 2*bodyTimeout {
			t.Errorf("cut off after %v", took)
		}
		_ = c.Close()

		began = time.Now()
		if c, err = s.HTTP.Transport.(*http.Transport).DialContext(t.Context(), "", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for s.streams.Open() > 0 {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("a stream that nobody reads ended after %v", took)
		}
		_ = c.Close()
	})
}

// Close waits for nobody who would have waited longer.
func TestCloseDoesNotWaitForStreamsAndDevices(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, s served) {
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.FollowEvents(t.Context(), 0, func(api.Event) error { return nil }) })
		wg.Go(func() { _ = s.Trace(t.Context(), "rtu/1", 0, func(api.TraceLine) error { return nil }) })
		wg.Go(func() {
			if _, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on", TimeoutMs: 60_000}); err == nil {
				t.Error("a control that nobody answered has an end")
			}
		})
		synctest.Wait()
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took >= closeTimeout {
			t.Errorf("took %v", took)
		}
		wg.Wait()
	})
}
