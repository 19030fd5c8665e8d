package acquisition

import "github.com/fepha/fepha/replica"

// Cluster is what acquisition needs of the replicated state.
type Cluster = replica.Owner

type (
	Proposal = replica.Proposal
	Tenure   = replica.Tenure
)
