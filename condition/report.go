package condition

import (
	"fmt"
	"time"
)

// Report says that something is wrong now.
type Report struct {
	Kind     *Kind
	Resource string   // id, such as rtu/1
	Severity Severity // 0: the kind's
	Values   []string // of the kind's parameters, in order; see [Values]
	Count    uint64   // how often it was seen since it came; 0: it isn't counted
}

// ID is the condition's.
func (r Report) ID() string { return r.Kind.ID(r.Resource) }

// Values makes the values of a report.
func Values(of ...any) []string {
	values := make([]string, len(of))
	for i, v := range of {
		values[i] = fmt.Sprint(v)
	}
	return values
}

// Holding is a report that holds, and since when this node knows.
type Holding struct {
	Report
	Since time.Time
}

// Reporter takes a node's conditions. Both calls return at once, may come from any goroutine, and may be repeated at will:
// what has not changed costs nothing.
type Reporter interface {
	// Set says that a condition holds, with these values from now on.
	Set(Report)

	// Clear says that it doesn't hold, whether it was set or not: also what a former owner or leader has reported ends.
	Clear(k *Kind, resource string)
}

// Nobody is a Reporter that nobody listens to.
var Nobody Reporter = nobody{}

type nobody struct{}

func (nobody) Set(Report)          {}
func (nobody) Clear(*Kind, string) {}
