package forwarder

import "github.com/fepha/fepha/replica"

// Node is what the forwarder needs of the replicated state.
type Node = replica.Owner

type (
	Proposal = replica.Proposal
	Tenure   = replica.Tenure
)
