package nodebundle

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/klauspost/compress/zstd"
)

// ErrBundle is wrapped by what's wrong with a file that should be a bundle.
var ErrBundle = errors.New("no bundle of a node")

// Bounds of a bundle.
const (
	MaxPacked = 64 << 20  // octets
	maxSize   = 256 << 20 // octets, unpacked
	maxRatio  = 100       // how many times its packed size it may unpack to, beyond the first MiB
	maxFiles  = 4096
	maxName   = 200 // octets of a file's name
	maxHeader = 4 << 10
)

const (
	format     = 1
	headerName = "bundle.json"

	// Etc and Data begin the names of what goes into the folder of the configuration, and into the node's data folder.
	Etc  = "etc/"
	Data = "data/"
)

// Extension is that of a bundle's file: fep1.tar.zst.
const Extension = ".tar.zst"

// Header says whose a bundle is.
type Header struct {
	Format  int    `json:"format"`
	Station uint16 `json:"station"` // its number
	Name    string `json:"name"`    // the station's
	Node    string `json:"node"`    // its id in station.yaml
}

// Bundle is what a machine needs to be a node.
type Bundle struct {
	Header
	Files map[string][]byte // by name, with slashes, beginning with Etc or Data
}

// Encode packs the bundle. Equal bundles give equal octets.
func (b *Bundle) Encode() ([]byte, error) {
	header := b.Header
	header.Format = format
	first, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zip, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	archive := tar.NewWriter(zip)
	add := func(name string, data []byte) error {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: int64(Mode(name)), Size: int64(len(data)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := archive.Write(data)
		return err
	}
	if err := add(headerName, first); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(b.Files)) {
		if err := checkName(name); err != nil {
			return nil, err
		}
		if err := add(name, b.Files[name]); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	if out.Len() > MaxPacked {
		return nil, fmt.Errorf("the bundle has %d octets: expected at most %d", out.Len(), MaxPacked)
	}
	return out.Bytes(), nil
}

// Mode is that of a file of the bundle where it's put: keys and the like are for their owner alone.
func Mode(name string) fs.FileMode {
	switch {
	case strings.HasPrefix(name, Data), strings.HasSuffix(name, "-key.pem"):
		return 0o600
	}
	return 0o644
}

// checkName refuses what would lie elsewhere than below the two folders, and what isn't of a node's configuration.
func checkName(name string) error {
	rest, etc := strings.CutPrefix(name, Etc)
	if !etc {
		if name == Data+FirstAdminFile {
			return nil
		}
		return fmt.Errorf("%w: %.200q: expected %s…, or %s", ErrBundle, name, Etc, Data+FirstAdminFile)
	}
	extension := path.Ext(rest)
	switch {
	case len(name) > maxName || !fs.ValidPath(name) || rest == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '\\' }):
		return fmt.Errorf("%w: %.200q: expected the name of a file below %s", ErrBundle, name, Etc)
	case rest == "station.yaml", extension == ".csv", path.Dir(rest) == "tls" && extension == ".pem":
		return nil
	}
	return fmt.Errorf("%w: %.200q: expected station.yaml, tables (.csv) and certificates (tls/….pem)", ErrBundle, name)
}

// Decode unpacks a bundle. Errors wrap ErrBundle.
func Decode(data []byte) (*Bundle, error) {
	fail := func(format string, args ...any) (*Bundle, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{ErrBundle}, args...)...)
	}
	if len(data) > MaxPacked {
		return fail("it has %d octets: expected at most %d", len(data), MaxPacked)
	}
	most := min(int64(maxSize), maxRatio*int64(len(data))+1<<20)
	zip, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(maxSize)), zstd.WithDecoderMaxWindow(16<<20))
	if err != nil {
		return fail("%w", err)
	}
	defer zip.Close()
	b := &Bundle{Files: map[string][]byte{}}
	left := most
	archive := tar.NewReader(zip)
	for n := 0; ; n++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail("%w", err)
		}
		if h.Typeflag != tar.TypeReg {
			return fail("%.200q is no regular file", h.Name)
		}
		if left -= h.Size; left < 0 || n > maxFiles || n == 0 && h.Size > maxHeader {
			return fail("%.200q: more than %d octets unpacked from %d, or more than %d files", h.Name, most, len(data), maxFiles)
		}
		content := make([]byte, h.Size) // which is within bounds, and read without growing
		if _, err := io.ReadFull(archive, content); err != nil {
			return fail("%.200q: %w", h.Name, err)
		}
		if n == 0 {
			if h.Name != headerName || json.Unmarshal(content, &b.Header) != nil {
				return fail("it begins with %.200q: expected %s, as `fepha station init` writes it", h.Name, headerName)
			}
			if b.Format != format {
				return fail("it is of format %d, and this program knows format %d: install the version that made it, or a newer one", b.Format, format)
			}
			continue
		}
		if err := checkName(h.Name); err != nil {
			return nil, err
		}
		if b.Files[h.Name] != nil {
			return fail("%q is there twice", h.Name)
		}
		b.Files[h.Name] = content
	}
	if b.Files[Etc+"station.yaml"] == nil {
		return fail("it has no %sstation.yaml", Etc)
	}
	return b, nil
}
