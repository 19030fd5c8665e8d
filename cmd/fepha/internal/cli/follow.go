package cli

import (
	"context"
	"errors"
)

// ErrEnough ends the following of what comes.
var ErrEnough = errors.New("enough")

// Followed is how following ended: an interruption is no error.
func Followed(err error) error {
	if errors.Is(err, ErrEnough) || errors.Is(err, context.Canceled) {
		return nil
	}
	return ClientError(err)
}
