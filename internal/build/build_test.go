package build

import "testing"

func TestString(t *testing.T) {
	for want, i := range map[string]Info{
		"dev":                               {Version: "dev"},
		"v1.2.3 (1a2b3c4d5e6f, 2026-11-29)": {Version: "v1.2.3", Revision: "1a2b3c4d5e6f7081", Date: "2026-11-29T23:30:00Z"},
		"dev (1a2b, 2026-11-29, modified)":  {Version: "dev", Revision: "1a2b", Date: "2026-11-30T01:00:00+08:00", Modified: true},
		"dev (1a2b)":                        {Version: "dev", Revision: "1a2b", Date: "yesterday"},
	} {
		if got := i.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if i := Read(); i.Version == "" || i.Go == "" {
		t.Errorf("%+v", i)
	}
}
