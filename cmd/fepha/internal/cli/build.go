package cli

import (
	"runtime"
	"runtime/debug"
)

// Version is the release, set by the linker in a release build.
var Version = "dev"

// Build says which program this is, for people and for the other nodes.
func Build() (v struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}) {
	v.Version, v.Go = Version, runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return v
}
