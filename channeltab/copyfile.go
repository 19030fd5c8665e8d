package channeltab

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/atomicfile"
)

// copyMagic begins a saved copy; the digit is the version of the format.
const copyMagic = "fnpcopy1"

// saved is what a station keeps in its file: who it is, and its copy of the table.
//
// The file is copyMagic, then id, instance and epoch of 8 octets each and cn of 2, big-endian, the copy in the
// encoding of chantable, and the SHA-256 of all that.
type saved struct {
	id       chantable.ID
	instance uint64
	epoch    uint64
	cn       chantable.CN
	copy     *chantable.Copy
}

const savedHead = len(copyMagic) + 8 + 8 + 8 + 2

func (s *saved) encode() []byte {
	b := []byte(copyMagic)
	b = binary.BigEndian.AppendUint64(b, uint64(s.id))
	b = binary.BigEndian.AppendUint64(b, s.instance)
	b = binary.BigEndian.AppendUint64(b, s.epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(s.cn))
	b, _ = s.copy.AppendBinary(b) // never fails
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func decodeSaved(b []byte) (*saved, error) {
	if len(b) < savedHead+sha256.Size || string(b[:len(copyMagic)]) != copyMagic {
		return nil, fmt.Errorf("%w: %d octets that do not begin with %q", ErrCopyFile, len(b), copyMagic)
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) {
		return nil, fmt.Errorf("%w: its check sum does not fit", ErrCopyFile)
	}
	field := body[len(copyMagic):]
	s := &saved{
		id:       chantable.ID(binary.BigEndian.Uint64(field)),
		instance: binary.BigEndian.Uint64(field[8:]),
		epoch:    binary.BigEndian.Uint64(field[16:]),
		cn:       chantable.CN(binary.BigEndian.Uint16(field[24:])),
		copy:     chantable.NewCopy(),
	}
	if err := s.copy.UnmarshalBinary(body[savedHead:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCopyFile, err)
	}
	return s, nil
}

// load reads a station's file; nil without an error if there is none. The error wraps ErrCopyFile if the file is
// damaged or another station's.
func load(path string, id chantable.ID) (*saved, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("channeltab: saved copy: %w", err)
	}
	s, err := decodeSaved(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.id != id {
		return nil, fmt.Errorf("%s: %w: it is station %d's, not %d's", path, ErrCopyFile, s.id, id)
	}
	return s, nil
}

// store keeps a copy's octets at path: after a crash there is the former copy or this one.
func store(path string, b []byte) error {
	if err := atomicfile.Write(path, b, 0o600); err != nil {
		return fmt.Errorf("channeltab: save copy: %w", err)
	}
	return nil
}
