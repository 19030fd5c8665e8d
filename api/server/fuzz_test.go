package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/fepha/fepha/internal/panics"
)

// FuzzRequests asks for everything in every way: whatever comes, it is answered with a status, and nothing panics.
func FuzzRequests(f *testing.F) {
	s := New(Config{Node: newNode(f), Describe: describe, passwordCost: bcrypt.MinCost, Configurator: new(fakeConfigurator)})
	f.Cleanup(func() { _ = s.Close() })
	routes := s.table()
	for i := range routes {
		f.Add(uint8(i), "99", "after=1&limit=2", []byte(`{"to":"fep2","name":"x","rtu":1,"kind":"do","point":2}`))
		f.Add(uint8(i), "\x1b[2J", "after=-1", []byte(`{"id":"\u0000","password":"long enough"}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, value, query string, body []byte) {
		route := routes[int(which)%len(routes)]
		if strings.Contains(route.pattern, "/stream") || strings.Contains(route.pattern, "/trace/") || strings.HasSuffix(route.pattern, "/live") || strings.Contains(route.pattern, "/controls") {
			return // which go on, or wait for a device
		}
		method, path, _ := strings.Cut(route.pattern, " ")
		for {
			before, rest, found := strings.Cut(path, "{")
			if !found {
				break
			}
			_, after, _ := strings.Cut(rest, "}")
			path = before + url.PathEscape(value) + after
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path+"?"+url.PathEscape(query), strings.NewReader(string(body)))
		if err != nil {
			return
		}
		before := panics.Counts()["API request"]
		w := httptest.NewRecorder()
		s.http.Handler.ServeHTTP(w, r)
		if text, _ := io.ReadAll(w.Body); w.Code < 200 || w.Code > 599 || panics.Counts()["API request"] != before {
			t.Errorf("%s %s: %d %.200s", method, path, w.Code, text)
		}
	})
}
