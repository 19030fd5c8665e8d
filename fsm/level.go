package fsm

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/fsm/internal/command"
)

// A feature level says which commands all nodes understand. The leader raises the state's once every member runs a program
// that knows a higher one; before that what belongs to it isn't proposed, and a node may go back to its former program. After
// that what an older program would misread may be in the log and in snapshots, and it refuses to start with them.

// Level is the newest feature level that this build understands. A new command or field is of the next one (fsm.proto, since);
// all that a release brings is of the same.
const Level = 1

// Level is the feature level of the state.
func (s *State) Level() uint32 { return s.level }

// raiseLevel raises the feature level. It never falls. One that this build doesn't know ends the node before it comes here.
func (s *State) raiseLevel(op *fsmpb.FeatureLevel) *fsmpb.Result {
	if op.Level > Level {
		return command.Refuse(fsmpb.Result_INVALID, "feature level %d: this build knows 0 to %d", op.Level, Level)
	}
	if op.Level <= s.level {
		return command.Already()
	}
	s.level = op.Level
	s.rev.Config++
	return command.Done()
}

// sinceLevel are the fields of a message of the log that need a feature level, or have such fields in their messages.
type sinceLevel []sinceField

type sinceField struct {
	field  protoreflect.FieldDescriptor
	level  uint32
	within sinceLevel
}

// commandName is of the message whose fields are the commands; what is within those is asked for by command.
var commandName = (&fsmpb.Command{}).ProtoReflect().Descriptor().FullName()

var (
	opField   = (&fsmpb.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("op")
	opLevels  = levelsOf((&fsmpb.Command{}).ProtoReflect().Descriptor())
	opsFields = fieldLevels()
)

// fieldLevels has, by command, the fields of its message that need a level.
func fieldLevels() map[protoreflect.FieldNumber]sinceLevel {
	levels := map[protoreflect.FieldNumber]sinceLevel{}
	for i := range opField.Fields().Len() {
		op := opField.Fields().Get(i)
		if of := levelsOf(op.Message()); of != nil {
			levels[op.Number()] = of
		}
	}
	return levels
}

func levelsOf(m protoreflect.MessageDescriptor) (levels sinceLevel) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		x := sinceField{field: f, level: proto.GetExtension(f.Options(), fsmpb.E_Since).(uint32)}
		if inner := f.Message(); inner != nil && m.FullName() != commandName {
			x.within = levelsOf(inner)
		}
		if x.level > 0 || x.within != nil {
			levels = append(levels, x)
		}
	}
	return levels
}

// need is the highest level of the fields that are there.
func (l sinceLevel) need(m protoreflect.Message) (level uint32) {
	for _, f := range l {
		switch {
		case !m.Has(f.field):
		case f.within == nil:
			level = max(level, f.level)
		case f.field.IsList():
			level = max(level, f.level)
			for i, list := 0, m.Get(f.field).List(); i < list.Len(); i++ {
				level = max(level, f.within.need(list.Get(i).Message()))
			}
		default:
			level = max(level, f.level, f.within.need(m.Get(f.field).Message()))
		}
	}
	return level
}

// LevelOf is the feature level that a command needs: that of its kind, and of the fields of its message that are set.
func LevelOf(c *fsmpb.Command) uint32 {
	m := c.ProtoReflect()
	level := opLevels.need(m)
	if op := m.WhichOneof(opField); op != nil {
		if fields := opsFields[op.Number()]; fields != nil {
			level = max(level, fields.need(m.Get(op).Message()))
		}
	}
	return level
}

// RaisedTo is the feature level that an entry raises the state to, 0 if to none.
func RaisedTo(e *fsmpb.Entry) (level uint32) {
	for _, c := range e.GetCommands() {
		level = max(level, c.GetFeatureLevel().GetLevel())
	}
	return level
}
