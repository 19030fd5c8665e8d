package iec104

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
	"github.com/fepha/fepha/iec104/internal/oracle"
	"github.com/fepha/fepha/internal/testneeds"
)

// listen serves on a loopback port until the test ends.
func listen(t testing.TB, cfg ServerConfig) (*Server, string) {
	t.Helper()
	srv, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return srv, l.Addr().String()
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// Rows 27 and 28 over real sockets: links end at any moment, in every way, and
// what the client takes over is every event, in order, repeats apart.
func TestRow28_RandomLinkLosses(t *testing.T) {
	const events = 20000
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rng := mathrand.New(mathrand.NewPCG(seed, 0))
	q := NewQueue(300)
	_, address := listen(t, ServerConfig{Groups: []Group{queued(q)}})
	pushed := make(chan error, 1)
	stop := make(chan bool)
	go func() {
		for n := 1; n <= events; {
			err := q.Push(eventASDU(n))
			switch {
			case err == nil:
				n++
			case !errors.Is(err, ErrNoRoom):
				pushed <- err
				return
			default:
				select {
				case <-stop:
					pushed <- nil
					return
				case <-time.After(100 * time.Microsecond):
				}
			}
		}
		pushed <- nil
	}()
	var mu sync.Mutex
	next, repeats, losses := 1, 0, 0
	handle := func(c *Client, a asdu.ASDU, index uint64) {
		mu.Lock()
		defer mu.Unlock()
		switch n := int(a.Object(0).Address); {
		case n == next:
			next++
		case n < next:
			repeats++
		default:
			t.Errorf("event %d, want at most %d", n, next)
		}
		c.Ack(index)
	}
	got := func() int { mu.Lock(); defer mu.Unlock(); return next - 1 }
	var old *Client
	for got() < events {
		c, err := Dial(t.Context(), ClientConfig{Config: Config{ManualAck: true}, Address: address, Handle: handle})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.StartDT(t.Context()); err != nil {
			t.Fatal(err)
		}
		if old != nil { // it was superseded
			<-old.Done()
			old = nil
		}
		until := got() + rng.IntN(600)
		eventually(t, "more events", func() bool { return got() >= min(until, events) })
		losses++
		switch rng.IntN(4) {
		case 0:
			c.Close()
		case 1:
			c.Abort(io.ErrNoProgress)
			<-c.Done()
		case 2:
			if err := c.StopDT(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Close()
		case 3:
			old = c
		}
	}
	if old != nil {
		old.Close()
	}
	close(stop)
	if err := <-pushed; err != nil {
		t.Fatal(err)
	}
	if most := losses * DefaultConfig().K; repeats > most {
		t.Errorf("%d events repeated over %d links, want at most a window of 12 each", repeats, losses)
	}
	t.Logf("%d events over %d links, %d repeated", got(), losses, repeats)
}

// All the traffic of a session, as an independent decoder sees it.
func TestOracle_Session(t *testing.T) {
	testneeds.Program(t, "tshark") // the second decoder
	var mu sync.Mutex
	var segments []oracle.Segment
	tap := func(dir Direction, at time.Time, frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		s := oracle.Segment{At: at, From: oracle.Controlled, To: oracle.Controlling, Data: slices.Clone(frame)}
		if dir == Sent {
			s.From, s.To = s.To, s.From
		}
		segments = append(segments, s)
	}
	p := &plant{}
	st := p.station()
	q := NewQueue(1000)
	g := queued(q)
	g.Handle, g.Started = st.Handle, st.Started
	_, address := listen(t, ServerConfig{Groups: []Group{g}})
	for seed, typ := range asdutest.Types {
		if !typ.IsMonitor() {
			continue
		}
		h := asdutest.Header(asdu.DefaultProfile, typ, seed%2 == 0).Example(seed)
		a, err := asdu.DefaultProfile.New(h, asdutest.Objects(asdu.DefaultProfile, typ, seed%2 == 0).Example(seed)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Push(a); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Dial(t.Context(), ClientConfig{Address: address, Tap: tap})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	steps := []func() error{
		func() error { return c.StartDT(ctx) },
		func() error { return c.Challenge(ctx) },
		func() error { return c.Interrogate(ctx, asdu.BroadcastAddress, asdu.QOIStation) },
		func() error { return c.Interrogate(ctx, 1, asdu.QOIGroup1) },
		func() error { return c.CounterInterrogate(ctx, 2, asdu.RQTGeneral) },
		func() error { return c.CounterInterrogate(ctx, 1, asdu.RQTGeneral|asdu.FreezeWithReset) },
		func() error { return c.SetClock(ctx, 1, time.Now()) },
		func() error { return c.Test(ctx, 1) },
		func() error { return c.Reset(ctx, 2, asdu.QRPProcess) },
		func() error { _, err := c.Read(ctx, 1, 4); return err },
	}
	for _, typ := range []asdu.TypeID{45, 46, 47, 48, 49, 50, 58, 59, 60, 61, 62, 63} {
		steps = append(steps, func() error {
			o := asdu.Object{Address: 150, Value: 1, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}
			if typ.Untimed() == asdu.C_SE_NA_1 {
				o.Value = -0.25
			}
			return c.Command(ctx, Command{CommonAddress: 1, Type: typ, Object: o, SelectFirst: true, AwaitTermination: true})
		})
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	var negative *NegativeError
	if _, err := c.Read(ctx, 1, 999); !errors.As(err, &negative) {
		t.Error(err)
	}
	if err := c.Interrogate(ctx, 9, asdu.QOIStation); !errors.As(err, &negative) {
		t.Error(err)
	}
	eventually(t, "all events acknowledged", func() bool { return q.Len() < 8 })
	if err := c.StopDT(ctx); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if len(segments) < 150 {
		t.Errorf("only %d frames", len(segments))
	}
	checkTraffic(t, asdu.DefaultProfile, segments)
}

// After an abort the other side gets no more of what the kernel still held, and
// sees a reset instead of an end.
func TestAbortResetsTheConnection(t *testing.T) {
	sessions := make(chan *Session, 1)
	_, address := listen(t, ServerConfig{Groups: []Group{{AllowConnect: func(s *Session) error { sessions <- s; return nil }}}})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := <-sessions
	s.Abort(nil)
	<-s.Done()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
	if s.Err() != ErrClosed {
		t.Errorf("Err: %v", s.Err())
	}
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key = a.make("authority", nil)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) make(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if template == nil {
		template = &x509.Certificate{IsCA: true, BasicConstraintsValid: true}
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) issue(name string) tls.Certificate {
	cert, key := a.make(name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func TestTLSWithClientCertificates(t *testing.T) {
	ca, strangers := newAuthority(t), newAuthority(t)
	var mu sync.Mutex
	var refused []string
	src := &scripted{n: 3, step: 1}
	srv, address := listen(t, ServerConfig{
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.issue("station")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool},
		Groups: []Group{
			{Name: "a", CommonNames: []string{"centre a"}, Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Source: src.source},
			{Name: "b", CommonNames: []string{"centre b"}},
		},
		Refused: func(_ netip.AddrPort, err error) {
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, Reason(err))
		},
	})
	dial := func(cfg *tls.Config) (*Client, error) {
		c, err := Dial(t.Context(), ClientConfig{Address: address, TLS: cfg})
		if err == nil {
			// With TLS 1.3 a client learns of its refusal after the handshake.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err = c.StartDT(ctx); err != nil {
				c.Close()
			}
		}
		return c, err
	}
	for group, name := range map[string]string{"a": "centre a", "b": "centre b"} {
		c, err := dial(&tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(name)}})
		if err != nil {
			t.Fatal(err)
		}
		s := srv.Sessions()[0]
		if s.Group() != group || s.CommonName() != name {
			t.Errorf("%s is in group %q as %q, want %q", name, s.Group(), s.CommonName(), group)
		}
		if group == "a" {
			eventually(t, "the data", func() bool { return c.Counters().ReceivedI == 3 })
		}
		if err := c.Challenge(t.Context()); err != nil {
			t.Error(err)
		}
		c.Close()
		<-s.Done()
	}
	for name, cfg := range map[string]*tls.Config{
		"a name in no group":        {RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue("centre c")}},
		"no certificate":            {RootCAs: ca.pool},
		"of another authority":      {RootCAs: ca.pool, Certificates: []tls.Certificate{strangers.issue("centre a")}},
		"the server is not trusted": {RootCAs: strangers.pool, Certificates: []tls.Certificate{ca.issue("centre a")}},
		"TLS 1.1":                   {RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue("centre a")}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
	} {
		if c, err := dial(cfg); err == nil {
			c.Close()
			t.Errorf("%s: let in", name)
		}
	}
	// More garbage than the read buffer takes ends the session, and its goroutine.
	rubbish, err := tls.Dial("tcp", address, &tls.Config{DynamicRecordSizingDisabled: true, RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue("centre a")}})
	if err != nil {
		t.Fatal(err)
	}
	defer rubbish.Close()
	if _, err := rubbish.Write(bytes.Repeat([]byte{0x69}, 3*readBuffer)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the session", func() bool { return srv.Counters().Closed["frame"] == 1 })
	if _, err := Dial(t.Context(), ClientConfig{Address: address, Config: Config{T0: 200 * time.Millisecond}}); err != nil {
		t.Errorf("a TCP connection without TLS: %v", err) // made, but it gets no session
	}
	eventually(t, "five refusals", func() bool { mu.Lock(); defer mu.Unlock(); return len(refused) >= 5 })
	slices.Sort(refused)
	if got := slices.Compact(refused); !slices.Equal(got, []string{"group", "refused"}) {
		t.Errorf("refused for %q", got)
	}
}

// Aborting, closing and sending from many goroutines at once: for the race
// detector and goleak.
func TestEverythingAtOnce(t *testing.T) {
	q := NewQueue(1000)
	st := (&plant{}).station()
	g := queued(q)
	g.Handle, g.Started = st.Handle, st.Started
	g.AllowConnect = func(s *Session) error {
		s.SetWriteGuard(func() error { return nil })
		return nil
	}
	srv, address := listen(t, ServerConfig{Groups: []Group{g}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			_ = Run(ctx, ClientConfig{Address: address, Retry: time.Millisecond}, func(ctx context.Context, c *Client) error {
				if err := c.StartDT(ctx); err != nil {
					return err
				}
				return errors.Join(c.Interrogate(ctx, 1, asdu.QOIStation), c.Test(ctx, 1),
					c.Command(ctx, Command{CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: sc(100), SelectFirst: true}), c.StopDT(ctx))
			})
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = q.Push(eventASDU(1))
				for _, s := range srv.Sessions() {
					s.Wake()
					_ = s.Send(eventASDU(2))
					_ = s.Stream(once(eventASDU(3)))
					_, _ = s.State(), s.Counters()
				}
				_ = srv.Counters()
				runtime.Gosched()
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
				for _, s := range srv.Sessions() {
					switch i {
					case 0:
						s.Abort(fmt.Errorf("abort %d", s.ID()))
					case 1:
						s.Close()
					default:
						challenge, done := context.WithTimeout(ctx, time.Second)
						_ = s.Challenge(challenge)
						done()
					}
				}
			}
		})
	}
	wg.Wait()
	if n := srv.Counters().Accepted; n < 10 {
		t.Errorf("only %d connections", n)
	}
}
