package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
)

// keepAlive is a client that asks for a route that is open to all, and stays connected.
type keepAlive struct {
	net.Conn
	r *bufio.Reader
}

func stranger(t *testing.T, from string, s secured) keepAlive {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", strings.TrimPrefix(s.Base, "https://"), s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return keepAlive{conn, bufio.NewReader(conn)}
}

func (k keepAlive) ask(path, header string) (*http.Response, error) {
	if _, err := fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, header); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(k.r, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return resp, err
}

// Strangers that ask for what is open to all and stay connected, or connect and say nothing, keep nobody out: neither
// another stranger, nor who shows a token, nor another node.
func TestStrangersKeepNobodyOut(t *testing.T) {
	s := serveSecured(t)
	token := "Authorization: Bearer " + aliceToken + "\r\n"
	alice := stranger(t, "127.0.0.3", s)
	if _, err := alice.ask("/v1/status", token); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		k := stranger(t, fmt.Sprintf("127.0.0.%d", 4+i%2), s)
		if i%3 > 0 {
			if resp, err := k.ask("/livez", ""); err != nil || !resp.Close {
				t.Fatalf("stranger %d: %v, and its connection is kept", i, err)
			}
		}
	}
	// 50 of each of two addresses say nothing, of which 24 have a slot.
	if n := s.guard.StrangersClosed(); n < 2*(50-24) {
		t.Errorf("of 100 connections that say nothing %d were closed", n)
	}
	if resp, err := stranger(t, "127.0.0.6", s).ask("/livez", ""); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("another stranger: %v", err)
	}
	bob := stranger(t, "127.0.0.6", s)
	for range 3 {
		if resp, err := bob.ask("/v1/status", "Authorization: Bearer "+bobToken+"\r\n"); err != nil || resp.StatusCode != http.StatusOK || resp.Close {
			t.Fatalf("who has a token: %v", err)
		}
	}
	if resp, err := alice.ask("/v1/status", token); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("who was connected before: %v", err)
	}
	node := s.as(t, s.ca.issue(t, "fep2"))
	if _, err := node.Status(t.Context()); err != nil {
		if _, answered := errors.AsType[*api.Error](err); !answered { // a node may ask for little, but is heard
			t.Errorf("another node: %v", err)
		}
	}
}

// Even those who may, of one address, can't take all of it.
func TestOneAddressHasItsShare(t *testing.T) {
	s := serveSecured(t)
	token := "Authorization: Bearer " + aliceToken + "\r\n"
	const share = 64
	kept := 0
	for range share + 20 {
		resp, err := stranger(t, "127.0.0.3", s).ask("/v1/status", token)
		if err != nil {
			t.Fatal(err)
		}
		if !resp.Close {
			kept++
		}
	}
	if kept != share {
		t.Errorf("%d connections of one address are kept, want %d", kept, share)
	}
}

// Requests that are refused are counted, and told a few times.
func TestRefusalsAreAFewLines(t *testing.T) {
	s := serveSecured(t)
	for range 200 {
		s.request(t, "GET", "/v1/status", "", with("Authorization", "Bearer guessed"))
	}
	if lines := strings.Count(s.logs.String(), "API request refused"); lines == 0 || lines > 40 {
		t.Errorf("200 refusals are %d lines", lines)
	}
	if got := s.guard.Refused(); got != 200 {
		t.Errorf("%d refusals counted, want 200", got)
	}
}
