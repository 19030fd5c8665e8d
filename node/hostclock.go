package node

import (
	"fmt"
	"time"
)

// systemClock sets this host's clock; a variable so that no test does.
var systemClock = setSystemClock

// setHostClock sets this host's clock to what a control centre says, where
// set_clock of an uplink has it so. The leases don't mind: they go by the
// monotonic clock.
func setHostClock(t time.Time) error {
	if err := systemClock(t); err != nil {
		return fmt.Errorf("set_clock: setting the host's clock, which needs CAP_SYS_TIME: %w", err)
	}
	return nil
}
