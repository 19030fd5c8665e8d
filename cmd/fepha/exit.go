package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/node"
)

// The exit codes of every command.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2  // bad arguments or a bad configuration; Go's own crashes end so too
	exitNoLeader = 3  // the station has no leader just now; try again
	exitConfig   = 78 // a node's configuration is wrong, so starting it again is no use (EX_CONFIG of sysexits.h)
)

// An exitError ends the program with its code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errTold ends the program without another word: what there is to say was printed.
var errTold = errors.New("told already")

// usagef is an error that ends the program with exitUsage.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*node.ConfigError](err); ok {
		return exitConfig
	}
	return exitFailed
}

// args wraps cobra's checks of positional arguments so that a wrong number is
// a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usagef("%v: see '%s --help'", err, cmd.CommandPath())
		}
		return nil
	}
}
