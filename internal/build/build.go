// Package build says which program this is.
package build

import (
	"runtime"
	"runtime/debug"
	"time"
)

// What the linker sets where the program is not built from a checkout by itself: -ldflags "-X github.com/fepha/fepha/internal/build.version=v1.2.3".
var (
	version  = "dev" // the release
	revision = ""    // the commit
	date     = ""    // the commit's, RFC 3339
)

// Info is what is known of the program.
type Info struct {
	Version  string `json:"version"`            // the release, or dev
	Revision string `json:"revision,omitempty"` // the commit
	Date     string `json:"date,omitempty"`     // the commit's, RFC 3339 in UTC
	Modified bool   `json:"modified,omitempty"` // the source differs from the commit
	Go       string `json:"go"`
}

// Read reads it from the program itself.
func Read() Info {
	i := Info{Version: version, Revision: revision, Date: date, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return i
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && i.Revision == "":
			i.Revision = s.Value
		case s.Key == "vcs.time" && i.Date == "":
			i.Date = s.Value
		case s.Key == "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	return i
}

// String is it in one line, such as "v1.2.3 (1a2b3c4d5e6f, 2026-11-29)".
func (i Info) String() string {
	if i.Revision == "" {
		return i.Version
	}
	text := i.Version + " (" + i.Revision[:min(len(i.Revision), 12)]
	if t, err := time.Parse(time.RFC3339, i.Date); err == nil {
		text += ", " + t.UTC().Format(time.DateOnly)
	}
	if i.Modified {
		text += ", modified"
	}
	return text + ")"
}
