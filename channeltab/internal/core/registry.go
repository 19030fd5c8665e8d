package core

import (
	"context"

	"github.com/fepha/fepha/fsm/chantable"
)

// Registry is the replicated channel table as one node sees it.
type Registry interface {
	// Propose commits a command. It returns one result for each change once the command has been applied on this
	// node. With an error it is not known whether the command has been or will be applied: each change is decided on
	// the table as it then is, so proposing it again does no harm.
	Propose(ctx context.Context, c chantable.Command) ([]chantable.Result, error)

	// Since returns what this node has applied after a version of the table with that identity; see Table.Since.
	Since(table, version uint64) chantable.Page

	// Leader tells who leads. It may say that this node does only after everything that earlier leaders committed
	// has been applied here. The term is another one each time that leadership is won.
	Leader() Leader

	// Changed receives after the table or the leadership has changed; several changes may be told once. One
	// receiver per Registry.
	Changed() <-chan struct{}
}

// Leader says who leads the group.
type Leader struct {
	Node string // id of the leading node; empty if none is known
	Self bool   // it is this node
	Term uint64
}
