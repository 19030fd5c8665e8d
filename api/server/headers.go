package server

import (
	"net/http"
	"strings"
)

// setHeaders has browsers take an answer for what it is and nothing else: no
// script, style or frame but the page's own.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy(nil))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// contentPolicy allows a page its own files and nothing else, to ask its own node and whom elsewhere names, and to go on there with
// a form.
func contentPolicy(elsewhere []string) string {
	forms := "'none'"
	if len(elsewhere) > 0 {
		forms = strings.Join(elsewhere, " ")
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action " + forms + "; " +
		"frame-ancestors 'none'; connect-src " + strings.Join(append([]string{"'self'"}, elsewhere...), " ")
}
