package frame

import (
	"hash/crc32"
	"testing"
)

// The checksum is CRC-32C (RFC 3720, B.4).
func TestChecksum(t *testing.T) {
	if sum := crc32.Checksum([]byte("123456789"), castagnoli); sum != 0xe3069283 {
		t.Errorf("%#x", sum)
	}
}
