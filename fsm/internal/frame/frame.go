// Package frame is what a snapshot of the state is made of: frames of
//
//	kind (1)  length of the payload (4)  payload  CRC-32C of all that (4)
//
// All numbers are little endian.
package frame

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/proto"
)

// Kind says what is in a frame. Kinds keep their numbers.
type Kind uint8

// The kinds.
const (
	Head Kind = iota + 1
	Config
	Node
	Resource
	RTU
	Group
	Virtual
	Control
	PlainPoints // of builds that knew no transient bit: read, not written
	PlainEvents // of builds that knew no transient bit and no elapsed time: read, not written
	Table
	Tail
	Mailbox
	Conditions
	Access
	Points
	Events // in format 1 alone
	Journal
	Audit
	Refusal
	Export
	Check
	Version
	Upload // files of a configuration on their way
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Begin appends the start of a frame; its payload is to follow.
func Begin(b []byte, kind Kind) []byte { return append(b, byte(kind), 0, 0, 0, 0) }

// End completes the frame that begins at start: its length and checksum.
func End(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start+1:], uint32(len(b)-start-5))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// AppendMessage appends a frame with a protobuf message. What is equal is written alike.
func AppendMessage(b []byte, kind Kind, m proto.Message) []byte {
	start := len(b)
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(Begin(b, kind), m)
	if err != nil {
		panic(err) // only for text that is not UTF-8, and none such comes out of a decoded command
	}
	return End(b, start)
}

// maxSize bounds what a wrong length can make us read, in octets. The largest frame is the configuration.
const maxSize = 64 << 20

// Reader reads frames.
type Reader struct {
	Offset  int64 // octets read
	r       *bufio.Reader
	payload bytes.Buffer
}

// NewReader returns a reader of frames.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 1<<16)} }

// Start reads what stands before the first frame.
func (in *Reader) Start(b []byte) error {
	n, err := io.ReadFull(in.r, b)
	in.Offset += int64(n)
	return err
}

// Next reads a frame. The payload is good until the next call. Room is made as octets come in, not as a length claims.
func (in *Reader) Next() (Kind, []byte, error) {
	var h [5]byte
	if _, err := io.ReadFull(in.r, h[:]); err != nil {
		return 0, nil, fmt.Errorf("cut short: %w", err)
	}
	kind, size := Kind(h[0]), binary.LittleEndian.Uint32(h[1:])
	if size > maxSize {
		return kind, nil, fmt.Errorf("length %d: expected at most %d", size, maxSize)
	}
	in.payload.Reset()
	if _, err := io.CopyN(&in.payload, in.r, int64(size)); err != nil {
		return kind, nil, fmt.Errorf("cut short: %w", err)
	}
	var sum [4]byte
	if _, err := io.ReadFull(in.r, sum[:]); err != nil {
		return kind, nil, fmt.Errorf("cut short: %w", err)
	}
	payload := in.payload.Bytes()
	if crc32.Update(crc32.Checksum(h[:], castagnoli), castagnoli, payload) != binary.LittleEndian.Uint32(sum[:]) {
		return kind, nil, errors.New("checksum differs")
	}
	in.Offset += int64(len(h)) + int64(size) + int64(len(sum))
	return kind, payload, nil
}

// Ended tells whether nothing follows.
func (in *Reader) Ended() bool {
	_, err := in.r.ReadByte()
	return err == io.EOF
}

// Octet is a bool in a record.
func Octet(b bool) byte {
	if b {
		return 1
	}
	return 0
}
