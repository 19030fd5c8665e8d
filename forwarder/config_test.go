package forwarder

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/replica/replicatest"
)

func TestNewRefusesBadConfigurations(t *testing.T) {
	good := func() Uplink {
		return Uplink{Name: "occ", CommonAddress: 100, Mode: fsm.Exclusive, Groups: []Group{{Name: "a"}}, RoleIOA: 60001,
			Points: []Point{{IOA: 1, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_TB_1}}}
	}
	for _, tt := range []struct {
		name string
		bend func(c *Config, u *Uplink)
		want string // in the message; "": accepted
	}{
		{"good", func(c *Config, u *Uplink) {}, ""},
		{"no replica", func(c *Config, u *Uplink) { c.Replica = nil }, "no replica"},
		{"no name", func(c *Config, u *Uplink) { u.Name = "" }, `uplink ""`},
		{"name taken", func(c *Config, u *Uplink) { c.Uplinks = append(c.Uplinks, *u) }, `uplink "occ": the name is missing or taken`},
		{"no mode", func(c *Config, u *Uplink) { u.Mode = "" }, "expected exclusive, main-standby or dual-active"},
		{"common address 0", func(c *Config, u *Uplink) { u.CommonAddress = 0 }, "common address 0, expected 1 to 65534"},
		{"broadcast", func(c *Config, u *Uplink) { u.CommonAddress = 65535 }, "common address 65535"},
		{"k", func(c *Config, u *Uplink) { u.IEC104.K = 1 << 20 }, "k is 1048576"},
		{"timeouts", func(c *Config, u *Uplink) { u.ControlTimeout = -time.Second }, "control timeout -1s"},
		{"no group", func(c *Config, u *Uplink) { u.Groups = nil }, "no group"},
		{"group twice", func(c *Config, u *Uplink) { u.Groups = append(u.Groups, u.Groups[0]) }, `group "a": the name is missing or taken`},
		{"ioa 0", func(c *Config, u *Uplink) { u.Points[0].IOA = 0 }, "ioa 0: expected 1 to 16777215"},
		{"ioa too large", func(c *Config, u *Uplink) {
			u.IEC104.Profile = asdu.Profile{CauseSize: 2, CommonAddressSize: 2, ObjectAddressSize: 1}
			u.Points[0].IOA = 256
		}, "ioa 256: expected 1 to 255"},
		{"role_ioa too large", func(c *Config, u *Uplink) { u.RoleIOA = 1 << 24 }, "role_ioa, expected at most 16777215"},
		{"role_ioa taken", func(c *Config, u *Uplink) { u.RoleIOA = 1 }, "ioa 1: the address is taken"},
		{"ioa twice", func(c *Config, u *Uplink) {
			u.Points = append(u.Points, Point{IOA: 1, RTU: 1, Kind: fsm.DI, Point: 2, Type: asdu.M_SP_NA_1})
		}, "ioa 1: the address is taken"},
		{"ioa of a state and its control", func(c *Config, u *Uplink) {
			u.Points = append(u.Points, Point{IOA: 1, RTU: 1, Kind: fsm.DO, Point: 1, Type: asdu.C_SC_NA_1})
		}, ""},
		{"ioa of two controls", func(c *Config, u *Uplink) {
			u.Points = append(u.Points, Point{IOA: 1, RTU: 1, Kind: fsm.DO, Point: 1, Type: asdu.C_SC_NA_1},
				Point{IOA: 1, RTU: 1, Kind: fsm.AO, Point: 1, Type: asdu.C_SE_NC_1})
		}, "ioa 1: the address is taken"},
		{"point twice", func(c *Config, u *Uplink) {
			u.Points = append(u.Points, Point{IOA: 2, RTU: 1, Kind: fsm.DI, Point: 1, Type: asdu.M_SP_NA_1})
		}, "ioa 2: point 1/di/1 has an address already"},
		{"kind", func(c *Config, u *Uplink) { u.Points[0].Kind = 0 }, "expected di, ai, counter, bitstring, do or ao"},
		{"type of another kind", func(c *Config, u *Uplink) { u.Points[0].Type = asdu.M_ME_NC_1 }, "a point of kind di can't be M_ME_NC_1"},
		{"type with CP24", func(c *Config, u *Uplink) { u.Points[0].Type = asdu.M_SP_TA_1 }, "expected M_SP_TB_1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := good()
			c := &Config{Replica: new(replicatest.Node)}
			tt.bend(c, &u)
			c.Uplinks = append(c.Uplinks, u)
			_, err := New(*c)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v, want none", err)
			case tt.want != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v, want ErrConfig with %q", err, tt.want)
			}
		})
	}
	u := good()
	u.CommonAddress, u.Groups, u.Points[0].IOA = 0, nil, 0
	_, err := New(Config{Replica: new(replicatest.Node), Uplinks: []Uplink{u}})
	for _, want := range []string{"common address", "no group", "ioa 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q: not everything is reported at once", err, want)
		}
	}
}
