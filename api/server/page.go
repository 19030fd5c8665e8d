package server

import (
	"bytes"
	"embed"
	"net/http"
	"time"
)

// The web page: a station at a glance. It is whole in itself, has no build step,
// and asks for nothing from elsewhere. What it shows it gets from the API, with
// the rights of whoever looks at it.

//go:embed web
var web embed.FS

// pageFile is one file of the page.
type pageFile struct{ route, name, contentType string }

var pageFiles = []pageFile{
	{"/{$}", "index.html", "text/html; charset=utf-8"},
	{"/style.css", "style.css", "text/css; charset=utf-8"},
	{"/icon.svg", "icon.svg", "image/svg+xml"},
	{"/app.js", "app.js", "text/javascript; charset=utf-8"},
	{"/problems.js", "problems.js", "text/javascript; charset=utf-8"},
	{"/fnp.js", "fnp.js", "text/javascript; charset=utf-8"},
	{"/tables.js", "tables.js", "text/javascript; charset=utf-8"},
}

func (f pageFile) serve(w http.ResponseWriter, r *http.Request) error {
	content, err := web.ReadFile("web/" + f.name)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", f.contentType)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(content))
	return nil
}
