package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// exit ends the process; a variable so that tests can see it.
var exit = os.Exit

// errUnasked: a part has ended without an error, but wasn't asked to.
var errUnasked = errors.New("it was not asked to")

// parts are the running parts of a node. The end of one that was not asked to
// end is the end of the node.
type parts struct {
	fail    context.CancelCauseFunc
	ctx     context.Context
	cancel  context.CancelFunc
	closers []func() error
	wg      sync.WaitGroup
}

func newParts(fail context.CancelCauseFunc) *parts {
	p := &parts{fail: fail}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// run starts a part. It has to end when its context does, or when closer, if
// there is one, was called.
func (p *parts) run(name string, run func(context.Context) error, closer func() error) {
	if closer != nil {
		p.closers = append(p.closers, closer)
	}
	p.wg.Go(func() {
		err := run(p.ctx)
		if p.ctx.Err() == nil {
			p.fail(fmt.Errorf("%s ended: %w", name, cmp.Or(err, errUnasked)))
		}
	})
}

// stop ends all parts and waits for them.
func (p *parts) stop() {
	p.cancel()
	for _, c := range p.closers {
		_ = c()
	}
	p.wg.Wait()
}
