package acquisition

import (
	"fmt"
	"strings"

	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
)

// strayLimit is how many strays one batch has at most; more are only counted. A device that sends nothing else costs the log
// no more than one that sends events.
const strayLimit = 16

// addMalformed keeps an ASDU that can't be parsed.
func (in *intake) addMalformed(octets []byte, came arrival, err error) {
	reason := strings.ReplaceAll(err.Error(), "iec104: ", "")
	if len(octets) > 2 {
		reason = fmt.Sprintf("%v, %v: %s", asdu.TypeID(octets[0]), asdu.CauseOfTransmission(octets[2]&0x3f), reason)
	}
	in.faults.note(malformed, 1, "%s: % x", reason, octets)
	in.findings.Saw(condition.Unreadable, 1, reason)
	in.stray(octets, came, reason)
}

// noData tells whether an ASDU of the monitoring direction says by its cause or P/N that it's no data: a refusal, or a
// mistake (101, clause 7.2.3).
func noData(a asdu.ASDU) bool {
	return a.Negative || a.Cause == 0 || a.Cause >= asdu.UnknownType
}

// addNoData keeps an ASDU for which noData is true.
func (in *intake) addNoData(a asdu.ASDU, came arrival) {
	reason := fmt.Sprintf("%v, %v", a.Type, a.Cause)
	if a.Negative {
		reason += ", P/N = 1"
	}
	reason += ": no cause of data"
	octets := a.Append(nil)
	in.faults.note(badCause, 1, "%s: % x", reason, octets)
	in.findings.Saw(condition.Unreadable, 1, reason)
	in.stray(octets, came, reason)
}

// reasons are why an ASDU strays, in few words.
var reasons = map[*condition.Kind]string{
	condition.UnknownType: "type isn't taken", condition.UnknownAddress: "no point has the object's address",
	condition.OtherType: "type is none of the point", condition.TestData: "marked as a test",
}

// misfit is why an ASDU is not taken over, or some of its objects: that of the first of them, and how many it concerns.
type misfit struct {
	kind    *condition.Kind
	objects int
	example string
}

// add counts one object more.
func (m *misfit) add(kind *condition.Kind, format string, args ...any) {
	if m.objects++; m.objects == 1 {
		m.kind, m.example = kind, fmt.Sprintf(format, args...)
	}
}

// strayed keeps an ASDU that was not taken over, or not all of it, and reports why.
func (in *intake) strayed(a asdu.ASDU, came arrival, why misfit) {
	in.findings.Saw(why.kind, why.objects, why.example)
	in.stray(a.Append(nil), came, reasons[why.kind]+": "+why.example)
}

// otherStation keeps an ASDU with another common address than the RTU's.
func (in *intake) otherStation(a asdu.ASDU, came arrival) {
	in.findings.Saw(condition.CommonAddress, 1, a.CommonAddress, in.configured)
	in.stray(a.Append(nil), came, fmt.Sprintf("common address %d, %s is configured", a.CommonAddress, in.configured))
}

func (in *intake) stray(octets []byte, came arrival, reason string) {
	if len(in.strays) == strayLimit {
		in.omitted++
		return
	}
	in.strays = append(in.strays, &fsmpb.Stray{TimeMs: came.ms, Reason: reason, Asdu: append([]byte(nil), octets...)})
}

// takeStrays returns the strays that wait, and how many came beyond them.
func (in *intake) takeStrays() (strays []*fsmpb.Stray, omitted uint64) {
	strays, omitted = in.strays, in.omitted
	in.strays, in.omitted = nil, 0
	return strays, omitted
}

// empty tells whether nothing waits.
func (in *intake) empty() bool { return len(in.pending) == 0 && len(in.strays) == 0 }
