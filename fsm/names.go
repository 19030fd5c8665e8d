package fsm

import (
	"github.com/fepha/fepha/fsm/internal/access"
	"github.com/fepha/fepha/fsm/internal/audit"
	"github.com/fepha/fepha/fsm/internal/condition"
	"github.com/fepha/fepha/fsm/internal/control"
	"github.com/fepha/fepha/fsm/internal/exports"
	"github.com/fepha/fepha/fsm/internal/journal"
	"github.com/fepha/fepha/fsm/internal/points"
	"github.com/fepha/fepha/fsm/internal/resource"
	"github.com/fepha/fepha/fsm/internal/versions"
)

// The names of the parts below that users of the state need. The rules of each are in its package.

// Points and events.
type (
	Kind     = points.Kind
	PointKey = points.Key
	Point    = points.Point
	Event    = journal.Event
)

// The kinds of points.
const (
	KindNone = points.KindNone
	DI       = points.DI
	AI       = points.AI
	Counter  = points.Counter
	DO       = points.DO
	AO       = points.AO

	Bitstring = points.Bitstring
)

// Bits of the quality octet (IEC 60870-5-101, 7.2.6.1 and 7.2.6.3) that the state itself sets.
const (
	QualityBlocked     = points.QualityBlocked
	QualitySubstituted = points.QualitySubstituted
	QualityNotTopical  = points.QualityNotTopical
	QualityInvalid     = points.QualityInvalid
)

// ParseKind reads di, ai, counter, do, ao or bitstring.
func ParseKind(word string) (Kind, error) { return points.ParseKind(word) }

// ParseQualifier reads a qualifier as people write it, short, long, persistent or 0 to 31 for a DO and 0 to 127 for an AO,
// and gives its bits at their place in the octet; 0 for "".
func ParseQualifier(kind Kind, text string) (octet uint8, err error) {
	return points.ParseQualifier(kind, text)
}

// QualifierNumber is QU or QL of an octet.
func QualifierNumber(kind Kind, octet uint8) uint8 { return points.QualifierNumber(kind, octet) }

// What one node at a time may own.
type (
	Resource     = resource.Resource
	ResourceKind = resource.Kind
	Phase        = resource.Phase
	Timings      = resource.Timings
)

// The kinds of resources, and the phases of an ownership.
const (
	ResourceRTU    = resource.KindRTU
	ResourceUplink = resource.KindUplink
	ResourceFNP    = resource.KindFNP
	ResourceExport = resource.KindExport

	Unowned   = resource.Unowned
	Owned     = resource.Owned
	Releasing = resource.Releasing
)

// RTUResource is the resource id of an RTU, such as rtu/1.
func RTUResource(number uint32) string { return resource.RTU(number) }

// UplinkResource is the resource id of a group of an uplink, such as uplink/occ/main.
func UplinkResource(uplink, group string) string { return resource.Uplink(uplink, group) }

// FNPResource is the resource id of the station's FNP endpoint.
func FNPResource() string { return resource.FNP() }

// ParseRTUResource is the inverse of [RTUResource].
func ParseRTUResource(id string) (number uint32, ok bool) { return resource.ParseRTU(id) }

// Commands to devices: package internal/control.
type (
	Control      = control.Control
	Stage        = control.Stage
	ControlPhase = control.Phase
)

// The stages, and the phases of a command (IEC 60870-5-101, 6.8).
const (
	Submitted = control.Submitted
	Executing = control.Executing
	Confirmed = control.Confirmed
	Done      = control.Done

	Direct  = control.Direct
	Select  = control.Select
	Execute = control.Execute
	Cancel  = control.Cancel
)

// Exports: package internal/exports.
type (
	Export      = exports.Export
	ExportReach = exports.Reach
	ExportSpan  = exports.Span
)

// ExportResource is the resource id of an export, such as export/history.
func ExportResource(name string) string { return exports.Resource(name) }

// What is wrong: package internal/condition.
type (
	Condition       = condition.Condition
	ConditionReport = condition.Report
	GoneCondition   = condition.Gone
	ConditionChange = condition.Change
	ConditionNote   = condition.Note
	Severity        = condition.Severity
	Scope           = condition.Scope
)

// Severities of conditions, whose word counts about them, and what can happen to them.
const (
	SeverityWarning = condition.Warning
	SeverityAlarm   = condition.Alarm

	ScopeNode   = condition.ScopeNode
	ScopeOwner  = condition.ScopeOwner
	ScopeLeader = condition.ScopeLeader

	ConditionCame         = condition.Came
	ConditionGone         = condition.HasGone
	ConditionChanged      = condition.Changed
	ConditionAcknowledged = condition.Acknowledged
)

// ConditionID is the id of a condition, such as rtu.1.common_address of kind common_address about rtu/1.
func ConditionID(kind, resource string) string { return condition.ID(kind, resource) }

// What was done and by whom: package internal/audit.
type (
	AuditEntry = audit.Entry
	AuditChain = audit.Chain
	AuditHash  = audit.Hash
	Note       = audit.Note
	NoteKind   = audit.NoteKind
)

// The kinds of entries of the audit.
const (
	NoteOwner       = audit.NoteOwner
	NoteMoving      = audit.NoteMoving
	NoteActivated   = audit.NoteActivated
	NotePin         = audit.NotePin
	NoteNode        = audit.NoteNode
	NoteOnline      = audit.NoteOnline
	NoteControl     = audit.NoteControl
	NoteOverflow    = audit.NoteOverflow
	NoteConfig      = audit.NoteConfig
	NoteCondition   = audit.NoteCondition
	NoteAccess      = audit.NoteAccess
	NoteRefused     = audit.NoteRefused
	NoteAction      = audit.NoteAction
	NoteStopping    = audit.NoteStopping
	NoteMaintenance = audit.NoteMaintenance
	NoteOverride    = audit.NoteOverride
)

// ParseNoteKind reads what a kind's String gives.
func ParseNoteKind(text string) (NoteKind, bool) { return audit.ParseNoteKind(text) }

// ChainAudit is the hash of an entry with this content that follows the one with this hash.
func ChainAudit(before AuditHash, content []byte) AuditHash { return audit.HashOf(before, content) }

// Who may use the station: package internal/access.
type (
	Role       = access.Role
	User       = access.User
	Token      = access.Token
	Session    = access.Session
	Revoked    = access.Revoked
	FirstAdmin = access.FirstAdmin
)

// The roles.
const (
	NoRole   = access.NoRole
	Viewer   = access.Viewer
	Operator = access.Operator
	Engineer = access.Engineer
	Admin    = access.Admin
)

// ConfigVersion is a configuration as files: package internal/versions.
type ConfigVersion = versions.Version

// MaxConfigFiles is how many octets the packed files of a configuration may have.
const MaxConfigFiles = versions.MaxFiles

// SessionIdleMs is after how long without a use a session is over, ms.
const SessionIdleMs = access.SessionIdleMs

// ParseRole reads viewer, operator, engineer or admin.
func ParseRole(name string) (Role, error) { return access.ParseRole(name) }

// CheckCaller refuses names that a user or a token can't have. They stand in logs, on pages and in terminals.
func CheckCaller(name string) error { return access.CheckCaller(name) }
