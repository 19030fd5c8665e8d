package nodebundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// FirstAdminFile is in a node's data folder until the group knows what it says.
const FirstAdminFile = "first-admin.json"

// FirstAdmin is what a node is told of the token with which the first admin is made: never the token itself.
type FirstAdmin struct {
	Sum     [sha256.Size]byte // SHA-256 of the token
	Expires time.Time
}

type firstAdminJSON struct {
	SHA256  string    `json:"sha256"`
	Expires time.Time `json:"expires"`
}

// Encode is the content of FirstAdminFile.
func (f FirstAdmin) Encode() ([]byte, error) {
	text, err := json.Marshal(firstAdminJSON{hex.EncodeToString(f.Sum[:]), f.Expires.UTC().Truncate(time.Second)})
	return append(text, '\n'), err
}

// ReadFirstAdmin reads the content of FirstAdminFile.
func ReadFirstAdmin(text []byte) (f FirstAdmin, err error) {
	var j firstAdminJSON
	if json.Unmarshal(text, &j) == nil {
		if sum, err := hex.DecodeString(j.SHA256); err == nil && len(sum) == sha256.Size && j.Expires.Unix() > 0 {
			return FirstAdmin{[sha256.Size]byte(sum), j.Expires}, nil
		}
	}
	return f, fmt.Errorf(`expected {"sha256": 64 hexadecimal digits, "expires": a time (RFC 3339)}`)
}
