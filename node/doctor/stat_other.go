//go:build !unix

package doctor

import "errors"

func stat(string) (fileFacts, error) { return fileFacts{}, errors.ErrUnsupported }
