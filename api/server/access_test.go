package server

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/server/access"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/internal/certid"
)

// cheap has passwords hashed for next to nothing, and waits for no token.
func cheap(c *Config) { c.passwordCost, c.latePatience = bcrypt.MinCost, time.Nanosecond }

func marked(marks ...*url.URL) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.URIs = append(marks, certid.Issued(time.Now())) }
}

func (n *fakeNode) must(t testing.TB, op any) {
	t.Helper()
	c := &fsmpb.Command{}
	switch op := op.(type) {
	case *fsmpb.UserPut:
		c.Op = &fsmpb.Command_UserPut{UserPut: op}
	case *fsmpb.FirstAdmin:
		c.Op = &fsmpb.Command_FirstAdmin{FirstAdmin: op}
	case *fsmpb.UserRemove:
		c.Op = &fsmpb.Command_UserRemove{UserRemove: op}
	case *fsmpb.TokenPut:
		c.Op = &fsmpb.Command_TokenPut{TokenPut: op}
	case *fsmpb.TokenRemove:
		c.Op = &fsmpb.Command_TokenRemove{TokenRemove: op}
	case *fsmpb.Revoke:
		c.Op = &fsmpb.Command_Revoke{Revoke: op}
	}
	if r := n.apply("fep1", c); r.Code != fsmpb.Result_OK {
		t.Fatalf("%v: %v %s", op, r.Code, r.Message)
	}
}

// user makes one of the state; the password is the name and "'s password".
func (n *fakeNode) user(t testing.TB, name string, role fsm.Role) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(name+"'s password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	n.must(t, &fsmpb.UserPut{Name: name, Create: true, Role: fsmpb.Role(role), Hash: string(hash)})
}

// token makes one of the state and returns its secret.
func (n *fakeNode) token(t testing.TB, name string, role fsm.Role, expiresMs int64) string {
	t.Helper()
	secret := name + "-5vGq0dTz9Lw3Rn8K"
	sum := sha256.Sum256([]byte(secret))
	n.must(t, &fsmpb.TokenPut{Name: name, Role: fsmpb.Role(role), Sha256: sum[:], ExpiresMs: expiresMs})
	return secret
}

func bearer(secret string) func(*http.Request) { return with("Authorization", "Bearer "+secret) }

// login returns the session's cookie as a request has it.
func (s served) login(t testing.TB, name string) func(*http.Request) {
	t.Helper()
	resp, text := s.request(t, "POST", "/v1/login", fmt.Sprintf(`{"name":%q,"password":%q}`, name, name+"'s password"))
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		t.Fatalf("login of %s: %d %s", name, resp.StatusCode, text)
	}
	c := resp.Cookies()[0]
	if c.Name != "fepha_session" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != strings.HasPrefix(s.Base, "https:") {
		t.Errorf("cookie %+v", c)
	}
	return with("Cookie", c.Name+"="+c.Value)
}

// documented reads the table of routes and roles in README.md.
func documented(t *testing.T) map[string]string {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Roles\n")
	section, _, _ = strings.Cut(section, "\n## ")
	roles := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([\w, ]+) \|.*$`).FindAllStringSubmatch(section, -1) {
		for _, r := range regexp.MustCompile("`((?:GET|POST) [^`]+)`").FindAllStringSubmatch(row[0], -1) {
			if roles[r[1]] != "" {
				t.Errorf("%s is there twice", r[1])
			}
			roles[r[1]] = row[1]
		}
	}
	return roles
}

// TestRoutesAndRolesAreDocumented holds the router to the table for people, both ways.
func TestRoutesAndRolesAreDocumented(t *testing.T) {
	roles := documented(t)
	for _, r := range New(Config{Node: newNode(t)}).table() {
		if got := roles[r.pattern]; got != r.rule.Least() {
			t.Errorf("%s: README.md says %q, it is for %q", r.pattern, got, r.rule.Least())
		}
		delete(roles, r.pattern)
	}
	for pattern, role := range roles {
		t.Errorf("README.md has %s for %s, and the router doesn't", pattern, role)
	}
}

// TestRoles walks the router as everybody who may call.
func TestRoles(t *testing.T) {
	s := serveSecured(t, cheap)
	now := time.Now()
	type as struct {
		name    string
		role    fsm.Role
		node    bool
		unknown bool
		edit    func(*http.Request)
		served  served
	}
	plain := s.served
	callers := []as{{name: "nobody", unknown: true, edit: func(*http.Request) {}, served: plain}}
	for _, role := range []fsm.Role{fsm.Viewer, fsm.Operator, fsm.Engineer, fsm.Admin} {
		callers = append(callers,
			as{name: "token of " + role.String(), role: role, edit: bearer(s.node.token(t, "t-"+role.String(), role, 0)), served: plain},
			as{name: "certificate of " + role.String(), role: role, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, role.String(), marked(certid.Role(role.String()))))},
		)
		s.node.user(t, "u-"+role.String(), role)
		callers = append(callers, as{name: "session of " + role.String(), role: role, edit: s.login(t, "u-"+role.String()), served: plain})
	}
	revoked := s.node.token(t, "revoked", fsm.Admin, 0)
	s.node.must(t, &fsmpb.TokenRemove{Name: "revoked"})
	s.node.user(t, "removed", fsm.Admin)
	removed := s.login(t, "removed")
	s.node.must(t, &fsmpb.UserRemove{Name: "removed"})
	lost := s.ca.issue(t, "lost", marked(certid.Role("admin")))
	s.node.must(t, &fsmpb.Revoke{Serial: certid.Serial(lost.Leaf)})
	gone := s.ca.issue(t, "gone", marked(certid.Role("admin")))
	s.node.must(t, &fsmpb.Revoke{Name: "gone"})
	client := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	callers = append(callers,
		as{name: "wrong token", unknown: true, edit: bearer("wrong"), served: plain},
		as{name: "expired token", unknown: true, edit: bearer(s.node.token(t, "old", fsm.Admin, now.UnixMilli()-1)), served: plain},
		as{name: "revoked token", unknown: true, edit: bearer(revoked), served: plain},
		as{name: "wrong session", unknown: true, edit: with("Cookie", "fepha_session=wrong"), served: plain},
		as{name: "session of a removed user", unknown: true, edit: removed, served: plain},
		as{name: "certificate revoked by its number", unknown: true, edit: func(*http.Request) {}, served: s.as(t, lost)},
		as{name: "certificate revoked by its name", unknown: true, edit: func(*http.Request) {}, served: s.as(t, gone)},
		as{name: "certificate of no known role", unknown: true, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "odd", marked(certid.Role("root"))))},
		as{name: "certificate of a node that is none", unknown: true, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "fep9", marked(certid.Node("fep9"))))},
		as{name: "certificate for another node's name", unknown: true, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "fep1", marked(certid.Node("fep2"))))},
		as{name: "a node's certificate", node: true, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "fep2", marked(certid.Node("fep2"))))},
		as{name: "a node's certificate from before the marks", node: true, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "fep2"))},
		as{name: "a person's certificate with a node's name", role: fsm.Engineer, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "fep2", client))},
		as{name: "a person's certificate from before the marks", role: fsm.Engineer, edit: func(*http.Request) {}, served: s.as(t, s.ca.issue(t, "carol", client))},
	)
	for _, r := range append(s.table(), s.page()...) {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(strings.Replace(path, "{$}", "", 1), "99")
		for i, c := range callers {
			guess := r.rule.Open && method == "POST"
			if guess && c.name != "nobody" {
				continue // each would count as a wrong guess of the same address
			}
			may := r.rule.Open || c.node && r.rule.Nodes || !c.node && !c.unknown && !r.rule.Only && c.role >= r.rule.Role
			status, text := c.served.asked(t, method, path, c.edit)
			refused := status == http.StatusForbidden || status == http.StatusUnauthorized && !guess
			if refused == may {
				t.Errorf("%s as %s: %d %s", r.pattern, c.name, status, text)
			}
			if want := http.StatusForbidden; refused && !c.unknown && status != want {
				t.Errorf("%s as %s: %d %s, want %d", r.pattern, c.name, status, text, want)
			}
			if !c.unknown && strings.HasPrefix(c.name, "session of") && (r.pattern == "POST /v1/logout" || r.pattern == "POST /v1/password") {
				callers[i].edit = s.login(t, "u-"+c.role.String())
			}
		}
	}
}

// asked sends a request without a body and returns the status and the beginning of the answer, which may go on.
func (s served) asked(t *testing.T, method, path string, edit func(*http.Request)) (int, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.Base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	edit(req)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return resp.StatusCode, ""
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	return resp.StatusCode, string(text)
}

func TestLogin(t *testing.T) {
	s := serveSecured(t, cheap)
	s.node.user(t, "alice", fsm.Operator)
	for _, body := range []string{`{"name":"alice","password":"wrong"}`, `{"name":"carol","password":"alice's password"}`, `{"name":"","password":""}`, `{"name":"alice"}`} {
		s.refuses(t, 401, api.CodeUnauthorised, "one of both is wrong", "POST", "/v1/login", body)
	}
	s.refuses(t, 413, api.CodeInvalid, "at most", "POST", "/v1/login", `{"name":"`+strings.Repeat("x", access.MaxLogin)+`"}`)
	s.refuses(t, 403, api.CodeUnauthorised, "cross-origin", "POST", "/v1/login", `{}`, with("Origin", "https://evil.example"))
	alice := s.login(t, "alice")
	var who api.Caller
	if _, text := s.request(t, "GET", "/v1/whoami", "", alice); json.Unmarshal([]byte(text), &who) != nil || who != (api.Caller{Name: "alice", Role: "operator", Kind: "user"}) {
		t.Errorf("who am I: %s", text)
	}
	s.refuses(t, 403, api.CodeUnauthorised, "alice is operator, and this is for engineer", "POST", "/v1/raft/snapshot", "{}", alice)
	if resp, text := s.request(t, "POST", "/v1/logout", "{}", alice); resp.StatusCode != 200 || resp.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: %d %s %v", resp.StatusCode, text, resp.Cookies())
	}
	s.refuses(t, 401, api.CodeUnauthorised, "expected a login", "GET", "/v1/whoami", "", alice)

	// A user who is changed has to log in anew.
	first, second := s.login(t, "alice"), s.login(t, "alice")
	s.refuses(t, 403, api.CodeUnauthorised, "up to now is another one", "POST", "/v1/password", `{"old":"wrong","new":"a long password"}`, first)
	s.refuses(t, 400, api.CodeInvalid, "expected 10 to 72", "POST", "/v1/password", `{"old":"alice's password","new":"short"}`, first)
	s.refuses(t, 400, api.CodeInvalid, "expected 10 to 72", "POST", "/v1/password", `{"old":"alice's password","new":"`+strings.Repeat("x", 73)+`"}`, first)
	if resp, text := s.request(t, "POST", "/v1/password", `{"old":"alice's password","new":"another password"}`, first); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	for _, old := range []func(*http.Request){first, second} {
		s.refuses(t, 401, api.CodeUnauthorised, "expected a login", "GET", "/v1/whoami", "", old)
	}
	s.refuses(t, 401, api.CodeUnauthorised, "one of both is wrong", "POST", "/v1/login", `{"name":"alice","password":"alice's password"}`)
	if logs := s.logs.String(); strings.Contains(logs, "password\":") || strings.Contains(logs, "alice's") || strings.Contains(logs, "another password") {
		t.Errorf("a password is logged:\n%s", logs)
	}
}

// The first admin is made with the token that the nodes were installed with, once.
func TestFirstAdmin(t *testing.T) {
	s := serveSecured(t, cheap)
	const wrong = "this one is wrong, was used, or has ended"
	body := func(token, name, password string) string {
		return fmt.Sprintf(`{"token":%q,"name":%q,"password":%q}`, token, name, password)
	}
	s.refuses(t, 503, api.CodeOverloaded, "doesn't know of a first admin's token yet", "POST", "/v1/first-admin", body("secret", "alice", "a long password"))
	sum := sha256.Sum256([]byte("secret"))
	s.node.must(t, &fsmpb.FirstAdmin{Sha256: sum[:], ExpiresMs: time.Now().Add(time.Hour).UnixMilli()})
	s.refuses(t, 401, api.CodeUnauthorised, wrong, "POST", "/v1/first-admin", body("", "alice", "a long password"))
	s.refuses(t, 401, api.CodeUnauthorised, wrong, "POST", "/v1/first-admin", body("Secret", "alice", "a long password"))
	s.refuses(t, 400, api.CodeInvalid, "expected 10 to 72", "POST", "/v1/first-admin", body("secret", "alice", "short"))
	s.refuses(t, 400, api.CodeInvalid, "letters", "POST", "/v1/first-admin", body("secret", "a/b", "a long password"))
	s.refuses(t, 401, api.CodeUnauthorised, "expected a login", "GET", "/v1/users", "", bearer("secret")) // it is no token of the API
	if resp, text := s.request(t, "POST", "/v1/first-admin", body("secret", "alice", "alice's password")); resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	s.refuses(t, 401, api.CodeUnauthorised, wrong, "POST", "/v1/first-admin", body("secret", "bob", "a long password"))
	if _, text := s.request(t, "GET", "/v1/users", "", s.login(t, "alice")); !strings.Contains(text, `"role":"admin"`) || strings.Contains(text, "bob") {
		t.Errorf("users: %s", text)
	}
	if logs := s.logs.String(); strings.Contains(logs, "secret\"") || strings.Contains(logs, "alice's") {
		t.Errorf("a secret is logged:\n%s", logs)
	}
}

// A session ends by idleness, a role's change, and the user's end.
func TestSessionsEnd(t *testing.T) {
	s := serveSecured(t, cheap)
	for _, name := range []string{"bob", "carol"} {
		s.node.user(t, name, fsm.Viewer)
	}
	bob, carol := s.login(t, "bob"), s.login(t, "carol")
	s.node.must(t, &fsmpb.UserPut{Name: "bob", Role: fsmpb.Role_OPERATOR})
	s.refuses(t, 401, api.CodeUnauthorised, "expected a login", "GET", "/v1/whoami", "", bob)
	s.node.must(t, &fsmpb.UserPut{Name: "carol", ExpiresMs: new(time.Now().UnixMilli())})
	s.refuses(t, 401, api.CodeUnauthorised, "expected a login", "GET", "/v1/whoami", "", carol)
	s.refuses(t, 401, api.CodeUnauthorised, "has ended", "POST", "/v1/login", `{"name":"carol","password":"carol's password"}`)
}

// What anybody may ask for is told in the log no more often than what is refused.
func TestStrangersDontFillTheLog(t *testing.T) {
	s := serveSecured(t, cheap)
	const requests, most = 100, 35 // loglimit's 20 at once and 12 a minute
	for range requests {
		s.request(t, "POST", "/v1/login", "{")
	}
	if n := strings.Count(s.logs.String(), `msg="API request" `); n == 0 || n > most {
		t.Errorf("%d lines for %d requests, want 1 to %d", n, requests, most)
	}
}

// Who guesses is held up: by address at first, and a name from wherever.
func TestGuessing(t *testing.T) {
	s := serveSecured(t, cheap)
	s.node.user(t, "alice", fsm.Admin)
	const wrong = `{"name":"alice","password":"wrong"}`
	for range 10 {
		s.refuses(t, 401, api.CodeUnauthorised, "one of both is wrong", "POST", "/v1/login", wrong)
	}
	s.refuses(t, 429, api.CodeOverloaded, "try again in 30s", "POST", "/v1/login", wrong)
	// The right one is no exception, or guessing would go on.
	s.refuses(t, 429, api.CodeOverloaded, "too many wrong passwords", "POST", "/v1/login", `{"name":"alice","password":"alice's password"}`)
}

// A stream goes on only as long as its caller may.
func TestStreamsAskAgain(t *testing.T) {
	for what, tc := range map[string]func(*testing.T, secured) (edit func(*http.Request), as served, end func()){
		"token": func(t *testing.T, s secured) (func(*http.Request), served, func()) {
			return bearer(s.node.token(t, "hmi", fsm.Admin, 0)), s.served, func() { s.node.must(t, &fsmpb.TokenRemove{Name: "hmi"}) }
		},
		"session": func(t *testing.T, s secured) (func(*http.Request), served, func()) {
			s.node.user(t, "alice", fsm.Admin)
			return s.login(t, "alice"), s.served, func() { s.node.must(t, &fsmpb.UserRemove{Name: "alice"}) }
		},
		"certificate": func(t *testing.T, s secured) (func(*http.Request), served, func()) {
			cert := s.ca.issue(t, "bob", marked(certid.Role("admin")))
			return func(*http.Request) {}, s.as(t, cert), func() { s.node.must(t, &fsmpb.Revoke{Name: "bob"}) }
		},
	} {
		for _, path := range []string{"/v1/events/stream", "/v1/trace/rtu/1"} {
			t.Run(what+path, func(t *testing.T) {
				s := serveSecured(t, cheap, func(c *Config) { c.askAgain = 10 * time.Millisecond })
				edit, as, end := tc(t, s)
				req, err := http.NewRequestWithContext(t.Context(), "GET", as.Base+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				edit(req)
				resp, err := as.HTTP.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Fatal(resp.Status)
				}
				if _, err := io.ReadAtLeast(resp.Body, make([]byte, 16), 1); err != nil {
					t.Fatalf("ended at once: %v", err)
				}
				end()
				_, _ = io.Copy(io.Discard, resp.Body) // until it ends; the test's deadline is the bound
			})
		}
	}
}

// A certificate that is revoked while a connection is open is out of force on that too.
func TestOpenConnectionsOfRevokedCertificates(t *testing.T) {
	s := serveSecured(t)
	bob := s.as(t, s.ca.issue(t, "bob", marked(certid.Role("admin"))))
	bob.HTTP.Transport.(*http.Transport).MaxConnsPerHost = 1
	if _, err := bob.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.node.must(t, &fsmpb.Revoke{Name: "bob"})
	bob.refuses(t, 401, api.CodeUnauthorised, "was revoked on", "GET", "/v1/status", "")
	again := s.as(t, s.ca.issue(t, "bob", func(c *x509.Certificate) {
		c.URIs = []*url.URL{certid.Role("admin"), certid.Issued(time.Now().Add(2 * time.Second))}
	}))
	if _, err := again.Status(t.Context()); err != nil {
		t.Errorf("the next certificate of that name: %v", err)
	}
}
