package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/lockedbuffer"
)

func withHost(host string) func(*http.Request) {
	return func(r *http.Request) { r.Host = host }
}

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Without keys the API is for this host only.
func TestInsecureIsForLoopbackOnly(t *testing.T) {
	for address, ok := range map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "0.0.0.0:0": false, "[::]:0": false, ":0": false} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // a host without IPv6
			continue
		}
		s := New(Config{Node: newNode(t)})
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		if !ok {
			if err := <-ended; !errors.Is(err, access.ErrInsecure) {
				t.Errorf("%s: %v", address, err)
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: still listening: %v", address, err)
			}
			continue
		}
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A page from elsewhere whose name was made to point at this host bears that
// name.
func TestHostNamesWithoutSecurity(t *testing.T) {
	s := serve(t)
	for _, host := range []string{"127.0.0.1:7310", "127.0.0.1", "localhost:7310", "LocalHost", "[::1]:7310", "127.8.9.10:1"} {
		if resp, text := s.request(t, "GET", "/v1/status", "", withHost(host)); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", host, resp.StatusCode, text)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:7310", "10.0.0.1:7310", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:localhost"} {
		s.refuses(t, 403, api.CodeUnauthorised, "host", "GET", "/v1/status", "", withHost(host))
		s.refuses(t, 403, api.CodeUnauthorised, "host", "GET", "/livez", "", withHost(host))
	}
}

// What changes something is never done for another site's page.
func TestCrossSiteRequests(t *testing.T) {
	s := serve(t)
	own := strings.TrimPrefix(s.Base, "http://")
	const pin, body = "/v1/rtus/1/pin", `{"to":"fep2"}`
	for _, tc := range []struct {
		name string
		edit []func(*http.Request)
		ok   bool
		code int
	}{
		{"a tool", nil, true, 0},
		{"the own page", []func(*http.Request){with("Origin", "http://"+own), with("Sec-Fetch-Site", "same-origin")}, true, 0},
		{"the own page, by an old browser", []func(*http.Request){with("Origin", "http://"+own)}, true, 0},
		{"another site", []func(*http.Request){with("Origin", "http://evil.example"), with("Sec-Fetch-Site", "cross-site")}, false, 403},
		{"another site, by an old browser", []func(*http.Request){with("Origin", "http://evil.example")}, false, 403},
		{"another port of this host", []func(*http.Request){with("Origin", "http://127.0.0.1:1"), with("Sec-Fetch-Site", "same-site")}, false, 403},
		{"a sandboxed frame", []func(*http.Request){with("Origin", "null")}, false, 403},
		{"another site's form", []func(*http.Request){with("Origin", "http://evil.example"), with("Content-Type", "text/plain")}, false, 403},
		{"curl -d", []func(*http.Request){with("Content-Type", "application/x-www-form-urlencoded")}, true, 0},
	} {
		if tc.ok {
			if resp, text := s.request(t, "POST", pin, body, tc.edit...); resp.StatusCode != 200 {
				t.Errorf("%s: %d %s", tc.name, resp.StatusCode, text)
			}
			continue
		}
		if _, err := s.Unpin(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if resp, text := s.request(t, "POST", pin, body, tc.edit...); resp.StatusCode != tc.code {
			t.Errorf("%s: %d %s, want %d", tc.name, resp.StatusCode, text, tc.code)
		}
		if rtu, err := s.RTU(t.Context(), 1); err != nil || rtu.Pinned != "" {
			t.Errorf("%s: it was done: %+v, %v", tc.name, rtu, err)
		}
	}
}

// secured is a server with keys, and the ways to come to it.
type secured struct {
	served
	ca       *authority
	security *access.Security
	logs     *lockedbuffer.Buffer
}

const aliceToken, bobToken = "alice-Zk9s8dfj2nAq7w", "bob-p4Qm2x8vB6c1Lr"

func tokensFile(tokens ...string) []byte {
	var b strings.Builder
	for _, token := range tokens {
		fmt.Fprintf(&b, "- {name: %s, sha256: %x}\n", strings.SplitN(token, "-", 2)[0], sha256.Sum256([]byte(token)))
	}
	return []byte(b.String())
}

func serveSecured(t *testing.T, edit ...func(*Config)) secured {
	t.Helper()
	return serveSecuredAt(t, "127.0.0.1:0", edit...)
}

func serveSecuredAt(t *testing.T, address string, edit ...func(*Config)) secured {
	t.Helper()
	ca, dir, logs := newAuthority(t), t.TempDir(), new(lockedbuffer.Buffer)
	security := ca.write(t, dir, ca.issue(t, "fep1"))
	security.Tokens = filepath.Join(dir, "tokens.yaml")
	writeFile(t, security.Tokens, tokensFile(aliceToken, bobToken))
	s := serveAt(t, address, func(c *Config) {
		c.Security, c.Log = security, slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, e := range edit {
			e(c)
		}
	})
	s.Base = strings.Replace(s.Base, "http:", "https:", 1)
	out := secured{served: s, ca: ca, security: security, logs: logs}
	out.HTTP.Transport.(*http.Transport).TLSClientConfig = out.clientTLS()
	return out
}

func (s secured) clientTLS(certs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	return &tls.Config{RootCAs: pool, Certificates: certs}
}

// as is the same server for a client with these certificates.
func (s secured) as(t *testing.T, certs ...tls.Certificate) served {
	transport := &http.Transport{TLSClientConfig: s.clientTLS(certs...)}
	t.Cleanup(transport.CloseIdleConnections)
	other := s.served
	other.Client = &client.Client{Base: s.Base, HTTP: &http.Client{Transport: transport}}
	return other
}

func TestSecuredAPIAsksWhoCalls(t *testing.T) {
	s := serveSecured(t)
	for _, path := range []string{"/v1/status", "/v1/events/stream", "/v1/raft/snapshot", "/metrics", "/v1/trace/rtu/1"} {
		s.refuses(t, 401, api.CodeUnauthorised, "token", "GET", path, "")
	}
	resp, _ := s.request(t, "GET", "/v1/status", "")
	if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
		t.Errorf("WWW-Authenticate %q", got)
	}
	for _, path := range []string{"/livez", "/readyz", "/", "/assets/index.js", "/assets/index.css"} {
		if resp, text := s.request(t, "GET", path, ""); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	for _, wrong := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + aliceToken, aliceToken, "Bearer  " + aliceToken, "Bearer " + aliceToken[1:]} {
		s.refuses(t, 401, api.CodeUnauthorised, "token", "GET", "/v1/status", "", with("Authorization", wrong))
	}
	s.refuses(t, 401, api.CodeUnauthorised, "token", "POST", "/v1/rtus/1/pin", "{}", with("Authorization", "Bearer wrong"))
	for _, right := range []string{"Bearer " + aliceToken, "bearer " + bobToken} {
		if resp, text := s.request(t, "GET", "/v1/status", "", with("Authorization", right)); resp.StatusCode != 200 {
			t.Errorf("%q: %d %s", right, resp.StatusCode, text)
		}
	}
	// Whoever is let in is still no other site's page.
	s.refuses(t, 403, api.CodeUnauthorised, "cross-origin", "POST", "/v1/rtus/1/pin", "{}",
		with("Authorization", "Bearer "+aliceToken), with("Origin", "https://evil.example"))
	if logs := s.logs.String(); strings.Contains(logs, aliceToken) || strings.Contains(logs, bobToken) || !strings.Contains(logs, "API request refused") {
		t.Errorf("logs:\n%s", logs)
	}
}

func TestClientCertificates(t *testing.T) {
	s := serveSecured(t)
	carol := s.as(t, s.ca.issue(t, "carol"))
	if _, err := carol.Status(t.Context()); err != nil {
		t.Errorf("a certificate of the CA: %v", err)
	}
	// Who it was is in the audit.
	wg := s.node.device(func(*fsmpb.ControlSubmit) (bool, string) { return true, "" })
	defer wg.Wait()
	if c, err := carol.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on"}); err != nil || c.Origin != "api:carol" {
		t.Errorf("%+v, %v", c, err)
	}
	if logs := s.logs.String(); !strings.Contains(logs, "by=carol") {
		t.Errorf("logs:\n%s", logs)
	}
	s.Token = aliceToken
	if c, err := s.Control(t.Context(), api.ControlRequest{RTU: 1, Kind: "do", Point: 2, State: "on"}); err != nil || c.Origin != "api:alice" {
		t.Errorf("%+v, %v", c, err)
	}
	for name, cert := range map[string]tls.Certificate{
		"of another CA": newAuthority(t).issue(t, "carol"),
		"expired": s.ca.issue(t, "carol", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}),
		"for servers only": s.ca.issue(t, "carol", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
	} {
		if _, err := s.as(t, cert).Status(t.Context()); err == nil {
			t.Errorf("a certificate %s is let in", name)
		}
	}
	old := s.as(t)
	old.HTTP.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	if _, err := old.Status(t.Context()); err == nil {
		t.Error("TLS 1.1 is let in")
	}
	weak := s.as(t)
	weak.HTTP.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
	weak.HTTP.Transport.(*http.Transport).TLSClientConfig.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	if _, err := weak.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("TLS 1.2 without an AEAD suite: %v, want a handshake failure", err)
	}
}

// Files that change are in force at once. Certificates that can't be read leave the former ones in force; tokens that can't be read,
// or are gone, let nobody in: whoever takes the file away means that.
func TestCredentialsAreReadAgain(t *testing.T) {
	s := serveSecured(t)
	status := func(token string) int {
		t.Helper()
		resp, _ := s.request(t, "GET", "/v1/status", "", with("Authorization", "Bearer "+token))
		return resp.StatusCode
	}
	writeFile(t, s.security.Tokens, tokensFile(bobToken))
	if a, b := status(aliceToken), status(bobToken); a != 401 || b != 200 {
		t.Errorf("after alice's token was revoked: %d, %d", a, b)
	}
	for what, content := range map[string]string{"half a file": "- {name: bob", "what the library panics on": "! 000000000000000000000", "nothing": ""} {
		writeFile(t, s.security.Tokens, []byte(content))
		if b := status(bobToken); b != 401 {
			t.Errorf("with %s: %d", what, b)
		}
		writeFile(t, s.security.Tokens, tokensFile(bobToken))
		if b := status(bobToken); b != 200 {
			t.Errorf("after %s: %d", what, b)
		}
	}
	if err := os.Remove(s.security.Tokens); err != nil {
		t.Fatal(err)
	}
	if b := status(bobToken); b != 401 {
		t.Errorf("without the file: %d", b)
	}
	if logs := s.logs.String(); !strings.Contains(logs, "it lets nobody in until it can") {
		t.Errorf("logs:\n%s", logs)
	}
	renewed := s.ca.issue(t, "fep1")
	s.ca.write(t, filepath.Dir(s.security.CA), renewed)
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.Base, "https://"), s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if shown := c.ConnectionState().PeerCertificates[0]; !shown.Equal(renewed.Leaf) {
		t.Errorf("shows certificate %v, want the renewed one", shown.SerialNumber)
	}
}

func TestBadSecurityIsRefused(t *testing.T) {
	ca := newAuthority(t)
	sum := strings.Repeat("ab", sha256.Size)
	for _, tc := range []struct {
		name string
		edit func(s *access.Security)
		says string
	}{
		{"no CA", func(s *access.Security) { s.CA += "x" }, "ca.pemx"},
		{"a CA that is none", func(s *access.Security) { s.CA = s.Key }, "no certificate"},
		{"no key", func(s *access.Security) { s.Key += "x" }, "node-key.pemx"},
		{"a key that does not fit", func(s *access.Security) { s.Cert = s.CA }, "ca.pem"},
		{"no tokens", func(s *access.Security) { s.Tokens += "x" }, "tokens.yamlx"},
		{"no list", tokens("bob: " + sum), "list of {name, sha256, role}"},
		{"unknown key", tokens("- {name: bob, sha256: " + sum + ", rights: admin}"), "list of {name, sha256, role}"},
		{"no such role", tokens("- {name: bob, sha256: " + sum + ", role: root}"), `token 1, "bob": role "root": expected viewer`},
		{"what the library panics on", tokens("! 000000000000000000000"), "list of {name, sha256, role}"},
		{"no name", tokens("- {sha256: " + sum + "}"), "token 1: no name"},
		{"twice", tokens("- {name: bob, sha256: " + sum + "}\n- {name: bob, sha256: " + sum + "}"), `token 2: "bob" is there twice`},
		{"the token itself", tokens("- {name: bob, sha256: " + bobToken + "}"), "64 hexadecimal digits"},
		{"a short hash", tokens("- {name: bob, sha256: abcd}"), "64 hexadecimal digits"},
		{"the token itself as a key", tokens("- {name: bob, " + bobToken + ": 1}"), "line 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			security := ca.write(t, t.TempDir(), ca.issue(t, "fep1"))
			security.Tokens = filepath.Join(filepath.Dir(security.CA), "tokens.yaml")
			writeFile(t, security.Tokens, tokensFile(aliceToken))
			tc.edit(security)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := New(Config{Node: newNode(t), Security: security})
			defer s.Close()
			err = s.Serve(l)
			if !errors.Is(err, access.ErrSecurity) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if err != nil && strings.Contains(err.Error(), bobToken) {
				t.Errorf("a secret in: %v", err)
			}
		})
	}
}

// tokens makes tokens.yaml have that content.
func tokens(content string) func(*access.Security) {
	return func(s *access.Security) {
		if err := os.WriteFile(s.Tokens, []byte(content), 0o600); err != nil {
			panic(err)
		}
	}
}
