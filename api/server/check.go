package server

import (
	"fmt"
	"log/slog"
)

// Check tells whether the files that s names can be used, before a server runs. Its error wraps ErrSecurity.
func (s *Security) Check() error {
	if s == nil {
		return nil
	}
	silent := slog.New(slog.DiscardHandler)
	if _, err := s.certificates(silent); err != nil {
		return fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	if _, err := s.tokens(silent); err != nil {
		return fmt.Errorf("%w: %w", ErrSecurity, err)
	}
	return nil
}
