package server

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
)

// freeAddress is one of a host, free a moment ago.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveTwo serves one station on two hosts, as far as a browser can tell: fep1 and fep2.
func serveTwo(t *testing.T) (first, second secured) {
	t.Helper()
	at := map[string]string{"fep1": freeAddress(t, "127.0.0.1"), "fep2": freeAddress(t, "127.0.0.2")}
	addresses := func(c *Config) { c.APIs["fep1"], c.APIs["fep2"] = at["fep1"], at["fep2"] }
	first = serveSecuredAt(t, at["fep1"], cheap, addresses)
	second = serveSecuredAt(t, at["fep2"], cheap, addresses, func(c *Config) {
		c.Node = &fakeNode{Node: first.node.station.Node("fep2"), station: first.node.station}
	})
	return first, second
}

// code reads one from a session's live stream.
func (s secured) code(t *testing.T, session func(*http.Request)) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Base+"/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	session(req)
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var m api.LiveMessage
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &m) == nil && m.Code != "" {
			return m.Code
		}
	}
	t.Fatal("the stream has ended without a code")
	return ""
}

// take asks for a session with a code, as a page's form does, and returns the cookie.
func (s secured) take(t *testing.T, code, at string, edit ...func(*http.Request)) (*http.Response, func(*http.Request)) {
	t.Helper()
	once := *s.HTTP
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	body := url.Values{"code": {code}, "at": {at}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Base+"/v1/session/take", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, e := range edit {
		e(req)
	}
	resp, err := once.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookies := resp.Cookies()
	if len(cookies) == 0 {
		return resp, nil
	}
	c := cookies[0]
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie %+v", c)
	}
	return resp, with("Cookie", c.Name+"="+c.Value)
}

// A session goes on at another node by a code: once, with the same role, until it is ended anywhere.
func TestSessionGoesOnAtAnotherNode(t *testing.T) {
	first, second := serveTwo(t)
	first.node.user(t, "u-operator", fsm.Operator)
	session := first.login(t, "u-operator")
	code := first.code(t, session)

	from := func(origin string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Origin", origin); r.Header.Set("Sec-Fetch-Site", "cross-site") }
	}
	if resp, cookie := second.take(t, code, "#/", from("https://evil.example")); resp.StatusCode != 403 || cookie != nil {
		t.Fatalf("from another site's page: %d", resp.StatusCode)
	}
	resp, gone := second.take(t, code, "#/events?kind=owner", from(first.Base))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/#/events?kind=owner" || gone == nil {
		t.Fatalf("%d to %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	who := func(s secured, as func(*http.Request)) (int, string) {
		resp, text := s.request(t, "GET", "/v1/whoami", "", as)
		return resp.StatusCode, text
	}
	if status, text := who(second, gone); status != 200 || !strings.Contains(text, `"role":"operator"`) {
		t.Errorf("there: %d %s", status, text)
	}
	if status, _ := who(first, session); status != 200 {
		t.Errorf("where it was: %d", status)
	}
	for _, at := range []string{"https://evil.example", "//evil.example", "/v1/status", "#/\r\nX: y", "#/ x"} {
		if resp, cookie := second.take(t, code, at); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" || cookie != nil {
			t.Errorf("used twice, to %q: %d to %q, a session %t", at, resp.StatusCode, resp.Header.Get("Location"), cookie != nil)
		}
	}

	// A logout there ends it here too, and what was given for it.
	unused := first.code(t, session)
	if resp, text := second.request(t, "POST", "/v1/logout", "{}", gone); resp.StatusCode != 200 {
		t.Errorf("logout: %d %s", resp.StatusCode, text)
	}
	if status, _ := who(first, session); status != 401 {
		t.Errorf("after the logout: %d", status)
	}
	if _, cookie := second.take(t, unused, "#/"); cookie != nil {
		t.Error("a code is good after the logout")
	}
	// As another role does.
	session = first.login(t, "u-operator")
	unused = first.code(t, session)
	first.node.must(t, &fsmpb.UserPut{Name: "u-operator", Role: fsmpb.Role_VIEWER})
	if _, cookie := second.take(t, unused, "#/"); cookie != nil {
		t.Error("a code is good after the role has changed")
	}
	for _, s := range []secured{first, second} {
		if text := s.logs.String(); strings.Contains(text, code) || strings.Contains(text, unused) {
			t.Error("a code is in the log")
		}
	}
	told := 0
	first.node.View(func(st *fsm.State) {
		for _, e := range st.ReadAudit(0, 1000) {
			if strings.Contains(e.Note.Reason, "went on at fep2 from 127.0.0.1") {
				told++
			}
			if strings.Contains(e.Note.Reason+e.Note.Origin, code) {
				t.Errorf("a code is in the audit: %+v", e.Note)
			}
		}
	})
	if told != 1 {
		t.Errorf("the audit tells %d times that the session went on", told)
	}
}

// A token has no session that could go on.
func TestTokensGetNoCode(t *testing.T) {
	first, _ := serveTwo(t)
	first.node.user(t, "u-viewer", fsm.Viewer)
	first.login(t, "u-viewer")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, first.Base+"/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	bearer(aliceToken)(req)
	resp, err := first.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for n := 0; n < 2 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			if n++; strings.Contains(lines.Text(), `"code"`) {
				t.Error(lines.Text())
			}
			first.node.emit(uint64(n+1), 1)
		}
	}
}

// A page that was logged into goes on at another node, on another host, without asking who is there; the code is never where it could
// be seen.
func TestPageGoesOnWithItsSession(t *testing.T) {
	ctx := browser(t, chromedp.IgnoreCertErrors)
	first, second := serveTwo(t)
	first.node.user(t, "u-operator", fsm.Operator)
	do(t, ctx, "open", chromedp.Navigate(first.Base+"/#/events?kind=owner"), chromedp.WaitVisible(chromedp.CSS("#login")),
		chromedp.SetValue(chromedp.CSS("#login [name=name]"), "u-operator"), chromedp.SetValue(chromedp.CSS("#login [name=password]"), "u-operator's password"),
		chromedp.Click(`//dialog[@id="login"]//button[@type="submit"]`))
	sees(t, ctx, "#eyes", "seen through fep1")
	within(t, "the page to have a code", func() (given bool) {
		first.node.View(func(st *fsm.State) {
			for _, x := range st.Access().Sessions() {
				given = given || len(x.Codes) > 0
			}
		})
		return given
	})
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	sees(t, ctx, "#eyes", "seen through fep2")
	sees(t, ctx, "#who", "u-operator")
	reads(t, ctx, "rtu/1: owned by fep1 now", "breaker")
	if at := get(t, ctx, "address", chromedp.Evaluate[string](`location.href`)); at != second.Base+"/#/events?kind=owner" {
		t.Errorf("the page is at %s", at)
	}
	if asked := get(t, ctx, "login", chromedp.Evaluate[bool](`document.querySelector("#login").open`)); asked {
		t.Error("the page asks who is there")
	}
	if kept := get(t, ctx, "storage", chromedp.Evaluate[string](`[...Object.keys(localStorage), ...Object.keys(sessionStorage)].sort().join()`)); strings.Trim(kept, ",") != "sound,theme" {
		t.Errorf("kept in the browser: %s", kept)
	}
}
