package server

import (
	"bytes"
	"compress/gzip"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/api/server/internal/rest"
	"github.com/fepha/fepha/web"
)

// pageFile is one file of the web page, as it is and packed.
type pageFile struct {
	web.File
	packed []byte
}

// pageFiles reads the page that was built into the program.
func pageFiles() []pageFile {
	files, err := web.Files()
	if err != nil {
		panic(err) // the program was built wrong, and no test passed
	}
	list := make([]pageFile, 0, len(files))
	for _, f := range files {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		_, _ = zip.Write(f.Content) // into memory
		_ = zip.Close()
		list = append(list, pageFile{f, packed.Bytes()})
	}
	return list
}

// servePage answers with a file of the page. The page may ask the other nodes whether they are there, so that it can go to
// one of them when its own is gone.
func (s *Server) servePage(f pageFile) rest.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		var others []string
		for _, id := range slices.Sorted(maps.Keys(s.cfg.APIs)) {
			others = append(others, scheme+s.cfg.APIs[id])
		}
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy(others))
		h.Set("Referrer-Policy", "strict-origin") // so that another node sees that a form is from a page of the station
		h.Set("Content-Type", f.ContentType)
		h.Set("Vary", "Accept-Encoding")
		content := f.Content
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			content = f.packed
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		return nil
	}
}
