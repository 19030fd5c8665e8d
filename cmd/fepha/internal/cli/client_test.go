package cli

import (
	"strings"
	"testing"
)

func TestClientFlags(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name  string
		flags ClientFlags
		base  string
		token string
		fails string
	}{
		{"a URL", ClientFlags{addr: "http://127.0.0.1:7310/"}, "http://127.0.0.1:7310", "", ""},
		{"an address", ClientFlags{addr: "127.0.0.1:7310"}, "http://127.0.0.1:7310", "", ""},
		{"a token on this host", ClientFlags{addr: "localhost:7310", token: "secret"}, "http://localhost:7310", "", ""},
		{"a token over TLS", ClientFlags{addr: "https://10.0.0.1:7310", token: "secret"}, "https://10.0.0.1:7310", "secret", ""},
		{"a token in the clear", ClientFlags{addr: "http://10.0.0.1:7310", token: "secret"}, "", "", "expected https"},
		{"another scheme", ClientFlags{addr: "ftp://10.0.0.1:7310"}, "", "", "expected the URL"},
		{"no host", ClientFlags{addr: "http://"}, "", "", "expected the URL"},
		{"no CA", ClientFlags{addr: "10.0.0.1:7310", ca: dir + "/none.pem"}, "", "", "--ca"},
		{"a certificate without key", ClientFlags{addr: "10.0.0.1:7310", cert: dir + "/me.pem"}, "", "", "both --cert and --key"},
		{"no certificate", ClientFlags{addr: "10.0.0.1:7310", cert: dir + "/me.pem", key: dir + "/me-key.pem"}, "", "", "--cert"},
	} {
		c, err := tc.flags.Client()
		if tc.fails != "" {
			if ExitCode(err) != ExitUsage || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.fails)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: a secret in: %v", tc.name, err)
			}
			continue
		}
		if err != nil || c.Base != tc.base || c.Token != tc.token {
			t.Errorf("%s: %+v, %v", tc.name, c, err)
		}
	}
}
