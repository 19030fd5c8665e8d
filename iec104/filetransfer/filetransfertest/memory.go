// Package filetransfertest has what tests of file transfers share.
package filetransfertest

import "bytes"

// Memory is a filetransfer.Sink: a file in memory.
type Memory struct{ bytes.Buffer }

// Truncate keeps the first octets.
func (m *Memory) Truncate(size int64) error {
	m.Buffer.Truncate(int(size))
	return nil
}
