// Package command is what all parts of the state share in applying a command: who proposed it and when, and the results.
package command

import (
	"fmt"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
)

// Stamp is when and by whom a command was proposed.
type Stamp struct {
	Ms   int64  // ms since 1970-01-01 UTC, by the clock of Node
	CP56 uint64 // the same instant: octets of the CP56Time2a, first octet in the lowest byte
	Node string
}

// Done answers a command that has had its effect.
func Done() *fsmpb.Result { return &fsmpb.Result{} }

// Already answers a command whose effect is there.
func Already() *fsmpb.Result { return &fsmpb.Result{Code: fsmpb.Result_DUPLICATE} }

// Refuse answers a command that has changed nothing.
func Refuse(code fsmpb.Result_Code, format string, args ...any) *fsmpb.Result {
	return &fsmpb.Result{Code: code, Message: fmt.Sprintf(format, args...)}
}

// MaxText is how long a text that is kept may be, in octets.
const MaxText = 200

// Clip bounds a text that is kept: reasons come from operators and devices' error messages.
func Clip(text string) string {
	if len(text) <= MaxText {
		return text
	}
	return strings.ToValidUTF8(text[:MaxText], "") // the cut may go through a character
}
