package configs

import (
	"path/filepath"
	"testing"
)

// FuzzBundle unpacks and loads whatever may be posted as a configuration.
func FuzzBundle(f *testing.F) {
	b, _, err := ReadBundle(writeStation(f, f.TempDir(), nil))
	if err != nil {
		f.Fatal(err)
	}
	octets, err := b.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(octets)
	f.Fuzz(func(t *testing.T, octets []byte) {
		b, err := DecodeBundle(octets)
		if err != nil {
			return
		}
		_, _ = b.Load(filepath.Join(t.TempDir(), "station.yaml"))
	})
}
