// Package web is the page that a control room keeps open: what a browser shows of a station. It asks the API of the node
// that serves it, with the rights of whoever looks, and nothing from elsewhere.
//
// dist holds what `npm run build` makes of src. It is committed, so that Go alone builds fepha; the check builds it anew
// and compares.
package web

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:embed all:dist
var dist embed.FS

// File is one file of the page.
type File struct {
	Route       string // such as /assets/index.js; "/{$}" of the page itself
	ContentType string
	Content     []byte
}

// Files are all of the page's. They tell nothing of any station.
func Files() (files []File, err error) {
	err = fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		route := name[len("dist"):]
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("web: %s: the type of its content is unknown", name)
		}
		if route == "/index.html" {
			route = "/{$}"
		}
		files = append(files, File{route, contentType, content})
		return nil
	})
	return files, err
}

// contentTypes are those of the page, whatever the machine has in its own table.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}
