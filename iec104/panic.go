package iec104

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// ErrPanic: something panicked on what came over this link, here or in the application. It costs this link alone; its message has
// the panic's value.
var ErrPanic = errors.New("iec104: panic")

// caught is to be deferred where a link's goroutine begins, and around the calls into the application during which mu is given up:
// a panic there closes the link, not the process. mu is not held.
func (c *conn) caught() {
	if v := recover(); v != nil {
		c.panicked(v)
	}
}

func (c *conn) panicked(v any) {
	c.fail(fmt.Errorf("%w: %v", ErrPanic, v))
	tellPanic(c.cfg, c.log, v)
}

func tellPanic(cfg Config, log *slog.Logger, v any) {
	stack := debug.Stack()
	if cfg.Panicked != nil {
		cfg.Panicked(v, stack)
		return
	}
	log.Error("panic: the link is closed", "value", v, "stack", string(stack))
}
