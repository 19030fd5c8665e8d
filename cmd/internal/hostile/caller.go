package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	callerRate    = 40 // requests a second, of all nodes together
	callerAtOnce  = 24 // of them under way
	callerTimeout = 5 * time.Second
	slowRate      = 10       // slow connections a second, of all nodes together
	slowKept      = 96       // of them open
	largeBody     = 32 << 20 // octets that it sends if they are taken
)

// caller calls the API without credentials: guesses, uploads, sends more than anybody wants, and holds connections.
func caller(g Ground) *Part {
	return &Part{
		Name:  "caller",
		deeds: []string{"slow headers", "no TLS", "wrong logins", "wrong tokens", "large bodies", "garbage for /v1/config", "garbage for /v1/raft/restore", "reads", "refused"},
		run: func(ctx context.Context, p *Part) {
			var busy sync.WaitGroup
			defer busy.Wait()
			busy.Go(func() { g.callSlowly(ctx, p) })
			g.call(ctx, p)
		},
	}
}

// call sends requests.
func (g Ground) call(ctx context.Context, p *Part) {
	t := &http.Transport{
		DialContext:     func(ctx context.Context, _, address string) (net.Conn, error) { return g.dial(ctx, address) },
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // it doesn't care whom it harms
		MaxConnsPerHost: callerAtOnce,
	}
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t, Timeout: callerTimeout}
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := make(chan struct{}, callerAtOnce)
	pace(ctx, callerRate, func(n int) bool {
		select {
		case slots <- struct{}{}:
		default:
			return true
		}
		calls.Go(func() {
			defer func() { <-slots }()
			deed, r := request(n/len(g.APIs), "https://"+g.APIs[n%len(g.APIs)])
			p.did(deed)
			answer, err := client.Do(r.WithContext(ctx))
			if err != nil {
				p.did("not answered")
				return
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, largeBody))
			if answer.StatusCode >= 400 {
				p.did("refused")
			} else {
				p.did("taken")
			}
		})
		return true
	})
}

// request is the n-th one.
func request(n int, base string) (deed string, r *http.Request) {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	method, path, body := http.MethodPost, "", io.Reader(nil)
	switch n % 6 {
	case 0:
		deed, path, body = "wrong logins", "/v1/login", bytes.NewBufferString(fmt.Sprintf(`{"name":"admin%d","password":"guess %d"}`, n%50, n))
	case 1:
		deed, path, body = "large bodies", "/v1/login", io.LimitReader(zeros{}, largeBody)
	case 2:
		deed, path, body = "garbage for /v1/config", "/v1/config", bytes.NewReader(garbage(rng, 1<<16))
	case 3:
		deed, path, body = "garbage for /v1/raft/restore", "/v1/raft/restore", io.LimitReader(zeros{}, largeBody)
	case 4:
		deed, method, path = "reads", http.MethodGet, []string{"/v1/status", "/v1/events", "/metrics", "/livez", "/", "/v1/live"}[n/6%6]
	case 5:
		deed, method, path = "wrong tokens", http.MethodGet, "/v1/status"
	}
	r, err := http.NewRequest(method, base+path, body)
	if err != nil {
		panic(err) // the paths above are right by themselves
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if deed == "wrong tokens" {
		r.Header.Set("Authorization", fmt.Sprintf("Bearer %032x", n))
	}
	return deed, r
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// callSlowly holds connections by what never becomes a request: an octet of a header a second, or nothing of TLS.
func (g Ground) callSlowly(ctx context.Context, p *Part) {
	var slow sync.WaitGroup
	defer slow.Wait()
	slots := make(chan struct{}, slowKept)
	pace(ctx, slowRate, func(n int) bool {
		select {
		case slots <- struct{}{}:
		default:
			return true
		}
		slow.Go(func() {
			defer func() { <-slots }()
			conn, err := g.dial(ctx, g.APIs[n%len(g.APIs)])
			if err != nil {
				p.did("not let in")
				return
			}
			defer closedWith(ctx, conn)()
			if n%4 == 3 {
				p.did("no TLS")
				_, _ = conn.Write([]byte("GET /livez HTTP/1.1\r\n"))
				_, _ = io.Copy(io.Discard, conn)
				return
			}
			secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
			_ = conn.SetDeadline(time.Now().Add(dialTimeout))
			if secured.HandshakeContext(ctx) != nil {
				return
			}
			p.did("slow headers")
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			const head = "GET /v1/status HTTP/1.1\r\nHost: fep\r\nX-Slow: "
			pace(ctx, 1, func(i int) bool {
				_, err := secured.Write([]byte{(head + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")[i%(len(head)+32)]})
				return err == nil
			})
		})
		return true
	})
}
