package export

import (
	"context"

	"github.com/fepha/fepha/fsm"
)

// Start is where a target is taken up.
type Start struct {
	Node  string // this node's id
	Epoch uint64 // of the export
	After uint64 // the records up to this one are in the target
	High  uint64 // the newest record that ever was; above After while records are brought again

	// Spans are the epochs that are remembered, oldest first: what an owner has written beyond where its successor began
	// is the successor's.
	Spans []fsm.ExportSpan
}

// Cutoff is the newest record that the owner in this epoch may count as its own: a successor began after it. Without a
// successor it's what the target is known to hold.
func (s *Start) Cutoff(epoch uint64) uint64 {
	for _, span := range s.Spans {
		if span.Epoch > epoch {
			return span.After
		}
	}
	return s.High
}

// Driver is how one kind of target is reached, with its address and keys. Its methods may be called from any goroutine.
type Driver interface {
	// Probe tells whether the target can be reached from this node now. The other FEP asks that too, and gets the export
	// if the owner can't reach the target and it can.
	Probe(ctx context.Context) error

	// Open takes up the target. Errors are sentences for people, without secrets.
	Open(ctx context.Context, start Start) (Target, error)
}

// Settler is a Driver whose target is on the nodes themselves: what a former owner left is put right as soon as another
// has taken over.
type Settler interface {
	Settle(start Start) error
}

// Target takes records. One goroutine calls it.
type Target interface {
	// Write brings records, in ascending order, into the target. It may return before the target holds them; Delivered
	// tells. After an error the target is closed, and opened anew after what was delivered.
	Write(ctx context.Context, records []Record) error

	// Delivered is the newest record that the target holds for good, with all before it. Right after Open it's where to
	// go on: Start.After, or before that what may have been lost since.
	Delivered() uint64

	// Committed says that the cursor stands at this record: no other owner will ever write it.
	Committed(seq uint64) error

	// Close lets go of the target.
	Close() error
}

// ValueTarget is a Target that takes values beside records.
type ValueTarget interface {
	Target
	WriteValues(ctx context.Context, values []Value) error
}
