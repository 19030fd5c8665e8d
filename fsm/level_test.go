package fsm

import (
	"testing"

	"github.com/fepha/fepha/fsm/fsmpb"
)

func TestLevelOf(t *testing.T) {
	for _, c := range []struct {
		name string
		op   *fsmpb.Command
		want uint32
	}{
		{"nothing", &fsmpb.Command{}, 0},
		{"events", &fsmpb.Command{Op: &fsmpb.Command_Events{}}, 0},
		{"a configuration", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{Digest: "x"}}}, 0},
		{"one with files", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{Files: []byte{1}}}}, 1},
		{"a part of files", &fsmpb.Command{Op: &fsmpb.Command_ConfigPart{ConfigPart: &fsmpb.ConfigPart{}}}, 1},
		{"the level itself, which older builds stop at", &fsmpb.Command{Op: &fsmpb.Command_FeatureLevel{}}, 0},
		{"one with RTUs", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{Rtus: []*fsmpb.Configure_RTU{{Number: 1}, {Number: 2}}}}}, 0},
		{"one with RTUs that share a link", &fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: &fsmpb.Configure{Rtus: []*fsmpb.Configure_RTU{{Number: 1}, {Number: 2, Shares: 1}}}}}, 1},
	} {
		if got := LevelOf(c.op); got != c.want {
			t.Errorf("%s: level %d, want %d", c.name, got, c.want)
		}
	}
}

// No command or field needs a level that this build doesn't know of itself.
func TestLevelsAreKnown(t *testing.T) {
	most := uint32(0)
	for _, levels := range opsFields {
		for _, l := range levels {
			most = max(most, l.level)
		}
	}
	for _, l := range opLevels {
		most = max(most, l.level)
	}
	if most != Level {
		t.Errorf("fsm.proto has commands of level %d, and Level is %d", most, Level)
	}
}
