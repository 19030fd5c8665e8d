package forwarder

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// operator submits the clients' controls, each under an id that no other process uses.
type operator struct {
	*replica.Operator
	prefix string
	last   atomic.Uint64 // number of the newest id
}

func newOperator(r replica.Replica, started time.Time) *operator {
	return &operator{
		Operator: replica.NewOperator(r),
		prefix:   fmt.Sprintf("uplink-%s-%s-", r.ID(), strconv.FormatInt(started.UnixNano(), 36)),
	}
}

// submit submits a control under a new id, which it tells to before, if that isn't nil.
func (o *operator) submit(c *fsmpb.ControlSubmit, before func(id string)) *replica.Operation {
	c.Id, c.Alone = o.prefix+strconv.FormatUint(o.last.Add(1), 10), true
	if before != nil {
		before(c.Id)
	}
	return o.SubmitAsync(c)
}
