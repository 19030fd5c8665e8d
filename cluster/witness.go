package cluster

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// campaignGuard keeps a witness from campaigning before the FEPs have had their chance. It must campaign at last: if it
// alone holds a committed entry, no FEP can win (3 of 160 trials without a leader for 30 s). If it wins, it leads until
// a FEP has caught up (placement.go).
type campaignGuard struct {
	heartbeat time.Duration // the FEPs' HeartbeatTimeout

	mu    sync.Mutex
	limit time.Duration // 0: to be drawn for this silence
}

// mayCampaign says why not yet. The limit is drawn anew for each silence, from 2 to 4 heartbeat timeouts.
func (g *campaignGuard) mayCampaign(silence time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if silence < 2*g.heartbeat {
		g.limit = 0
	} else if g.limit == 0 {
		g.limit = 2*g.heartbeat + rand.N(2*g.heartbeat)
	}
	if g.limit == 0 || silence < g.limit {
		return fmt.Errorf("the witness leaves the first %v of silence to the FEPs; it's been %v", 2*g.heartbeat, silence)
	}
	return nil
}
