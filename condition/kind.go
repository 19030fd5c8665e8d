package condition

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a condition is.
type Severity uint8

// The severities, with the numbers that they have in the log.
const (
	Warning Severity = 1 // something costs redundancy or data's worth already, or will become an alarm
	Alarm   Severity = 2 // data, controls or the station's ability to survive a fault are lost
)

// String gives warning or alarm.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Alarm:
		return "alarm"
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// Scope says whose word counts about a condition.
type Scope uint8

// The scopes, with the numbers that they have in the log.
const (
	Node   Scope = 0 // each node's own
	Owner  Scope = 1 // the owner's of the resource: an RTU, a group of an uplink
	Leader Scope = 2 // the leader's, who judges for all
	Local  Scope = 3 // this node's alone: it can't be committed, since it is about the commit
)

// Words is a sentence in both languages. {name} stands for a parameter, {count} for how often it was seen.
type Words struct{ EN, ZH string }

// A Kind is one way in which something can be wrong.
type Kind struct {
	Name     string   // such as common_address; the last part of the condition's id
	Resource string   // what it is about, as in rtu/N, uplink/NAME/GROUP, node/ID, station, export/NAME
	Severity Severity // unless the report says otherwise
	Scope    Scope
	Params   []string // what the report's values are, in order
	Text     Words    // what is wrong
	Advice   Words    // what to do

	// Hold is how long it holds after it was last seen, of a kind that nothing ends: what a device sent once stays true for a
	// while. 0: until it is cleared.
	Hold time.Duration
}

var kinds []*Kind

// define adds a kind to the catalogue.
func define(k Kind) *Kind {
	kinds = append(kinds, &k)
	return &k
}

// Kinds returns the whole catalogue, by name.
func Kinds() []*Kind {
	all := slices.Clone(kinds)
	slices.SortFunc(all, func(a, b *Kind) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Find returns the kind with this name.
func Find(name string) (*Kind, bool) {
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.Name == name })
	if i < 0 {
		return nil, false
	}
	return kinds[i], true
}

// OfID returns the kind of the condition with this id, such as rtu.1.common_address.
func OfID(id string) (*Kind, bool) {
	i := strings.LastIndexByte(id, '.')
	if i <= 0 {
		return nil, false
	}
	return Find(id[i+1:])
}

// ID is the id of the condition of this kind about a resource, as in the replicated state.
func (k *Kind) ID(resource string) string {
	return strings.ReplaceAll(resource, "/", ".") + "." + k.Name
}

// Docs is where the documentation tells of a kind.
func Docs(kind string) string { return "docs/OPERATIONS.md#" + kind }
