package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/node"
)

// The exit codes of every command.
const (
	ExitDone     = 0
	ExitFailed   = 1
	ExitUsage    = 2  // bad arguments or a bad configuration; Go's own crashes end so too
	ExitNoLeader = 3  // the station has no leader just now; try again
	ExitConfig   = 78 // a node's configuration is wrong, so starting it again is no use (EX_CONFIG of sysexits.h)
)

// exitError ends the program with its code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Exit is an error that ends the program with a code.
func Exit(code int, err error) error { return &exitError{code, err} }

// ErrTold ends the program without another word: what there is to say was printed.
var ErrTold = errors.New("told already")

// Usagef is an error that ends the program with ExitUsage.
func Usagef(format string, args ...any) error {
	return Exit(ExitUsage, fmt.Errorf(format, args...))
}

// ExitCode is what a program that ends with err ends with.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*node.ConfigError](err); ok {
		return ExitConfig
	}
	return ExitFailed
}

// Args wraps cobra's checks of positional arguments so that a wrong number is
// a usage error.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return Usagef("%v: see '%s --help'", err, cmd.CommandPath())
		}
		return nil
	}
}
