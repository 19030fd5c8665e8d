package configs

import "testing"

func TestAnyClientMayOperateIsAWarning(t *testing.T) {
	const anyone = "10.10.0.0/16]}, {name: b, clients: [10.20.0.0/16]}]"
	for _, test := range []struct{ controls, want string }{
		{"", ""},
		{"\n    controls: true", "station.yaml:24:34: uplinks[0].groups[0].clients[0]: 0.0.0.0/0 lets any address operate switches: expected the control centre's networks, or tls for the uplink"},
		{"\n    controls: true\n    tls: {ca: a.pem, cert: b.pem, key: c.pem}", ""},
	} {
		s := mustLoad(t, station(t, anyone, "0.0.0.0/0]}]"+test.controls), "station.yaml")
		if got := s.Warnings.Error(); got != test.want {
			t.Errorf("with %q: %s, want %s", test.controls, got, test.want)
		}
	}
}
