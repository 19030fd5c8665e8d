// Package carrier tells who has a connection over an interface that it has lost its carrier: its cable was pulled, the switch
// at the other end is off, or somebody took the interface down or away. Nobody else does: TCP goes on trying for a quarter of
// an hour, and the protocol's timers take half a minute.
//
// It knows interfaces by netlink, so on Linux alone; elsewhere it never tells anything.
package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ErrLost: an interface has lost its carrier. What wraps it names the interface.
var ErrLost = errors.New("no carrier")

// Watcher watches the interfaces of this host while Run does.
type Watcher struct {
	log *slog.Logger

	mu      sync.Mutex       // guards what follows
	up      map[int]string   // names of the interfaces that have a carrier, by index
	watches map[int][]*watch // by index of the interface
}

// watch is who wants to be told.
type watch struct{ lost func(error) }

// iface is an interface as the kernel tells of it.
type iface struct {
	index int
	name  string
	up    bool // it is up, and has a carrier
}

// New makes a watcher. log is told of carriers that are lost and back.
func New(log *slog.Logger) *Watcher {
	return &Watcher{log: log, up: map[int]string{}, watches: map[int][]*watch{}}
}

// OnLoss has lost called when the interface that has a local address now loses its carrier; not if it has none already, since
// then the packets take another way. lost must not wait: others are told after it. stop takes that back; lost may be under way
// then. An address that no interface has is never lost.
func (w *Watcher) OnLoss(local netip.Addr, lost func(error)) (stop func()) {
	index := indexOf(local)
	if index == 0 {
		return func() {}
	}
	entry := &watch{lost}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watches[index] = append(w.watches[index], entry)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.watches[index] = slices.DeleteFunc(w.watches[index], func(o *watch) bool { return o == entry })
		if len(w.watches[index]) == 0 {
			delete(w.watches, index)
		}
	}
}

// again is how long is waited before what has failed is tried again.
const again = time.Second

// Run watches until ctx ends. What keeps it from that is logged, and tried again.
func (w *Watcher) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := w.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		if text := err.Error(); text != said {
			said = text
			w.log.Error("the interfaces' carriers can't be watched, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return nil
}

// replace takes in all interfaces that there are.
func (w *Watcher) replace(all []iface) {
	there := map[int]bool{}
	for _, i := range all {
		there[i.index] = true
		w.take(i)
	}
	w.mu.Lock()
	var gone []iface
	for index, name := range w.up {
		if !there[index] {
			gone = append(gone, iface{index: index, name: name})
		}
	}
	w.mu.Unlock()
	for _, i := range gone {
		w.take(i)
	}
}

// take takes in how an interface is now, and tells who wants to know if it has lost its carrier. One that is taken away is down.
func (w *Watcher) take(i iface) {
	w.mu.Lock()
	_, was := w.up[i.index]
	if i.up {
		w.up[i.index] = i.name
	} else {
		delete(w.up, i.index)
	}
	var tell []*watch
	if was && !i.up {
		tell = append(tell, w.watches[i.index]...)
	}
	w.mu.Unlock()
	if was == i.up {
		return
	}
	w.log.Info("interface", "name", i.name, "carrier", i.up, "connections", len(tell))
	for _, entry := range tell {
		entry.lost(fmt.Errorf("%w at interface %s", ErrLost, i.name))
	}
}
