package acquisition

import (
	"fmt"
	"strings"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104"
)

// strayLimit is how many strays one batch has at most; more are only counted. A device that sends nothing else costs the log
// no more than one that sends events.
const strayLimit = 16

// addMalformed keeps an ASDU that can't be parsed.
func (in *intake) addMalformed(asdu []byte, came arrival, err error) {
	reason := strings.ReplaceAll(err.Error(), "iec104: ", "")
	if len(asdu) > 2 {
		reason = fmt.Sprintf("%v, %v: %s", iec104.TypeID(asdu[0]), iec104.CauseOfTransmission(asdu[2]&0x3f), reason)
	}
	in.faults.note(malformed, 1, "%s: % x", reason, asdu)
	in.stray(asdu, came, reason)
}

// noData tells whether an ASDU of the monitoring direction says by its cause or P/N that it's no data: a refusal, or a
// mistake (101, clause 7.2.3).
func noData(a iec104.ASDU) bool {
	return a.Negative || a.Cause == 0 || a.Cause >= iec104.UnknownType
}

// addNoData keeps an ASDU for which noData is true.
func (in *intake) addNoData(a iec104.ASDU, came arrival) {
	reason := fmt.Sprintf("%v, %v", a.Type, a.Cause)
	if a.Negative {
		reason += ", P/N = 1"
	}
	reason += ": no cause of data"
	asdu := a.Append(nil)
	in.faults.note(badCause, 1, "%s: % x", reason, asdu)
	in.stray(asdu, came, reason)
}

func (in *intake) stray(asdu []byte, came arrival, reason string) {
	if len(in.strays) == strayLimit {
		in.omitted++
		return
	}
	in.strays = append(in.strays, &fsmpb.Stray{TimeMs: came.ms, Reason: reason, Asdu: append([]byte(nil), asdu...)})
}

// takeStrays returns the strays that wait, and how many came beyond them.
func (in *intake) takeStrays() (strays []*fsmpb.Stray, omitted uint64) {
	strays, omitted = in.strays, in.omitted
	in.strays, in.omitted = nil, 0
	return strays, omitted
}

// empty tells whether nothing waits.
func (in *intake) empty() bool { return len(in.pending) == 0 && len(in.strays) == 0 }
