package iec104

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/internal/asdutest"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct{ octets, want string }{
		{"68 04 07 00 00 00", "U STARTDT act"},
		{"68 04 01 00 0a 00", "S r=5"},
		{"68 0e 00 00 00 00 64 01 06 00 01 00 00 00 00 14", "I s=0 r=0 C_IC_NA_1 activation CA=1: 0 QOI=20"},
		{"68 0e 04 00 02 00 2e 01 c7 03 0a 00 05 00 00 86", "I s=2 r=1 C_DC_NA_1 activation con negative test OA=3 CA=10: 5 on select QU=1"},
		{"68 0f 00 00 00 00 01 82 14 00 01 00 0a 00 00 01 f2", "I s=0 r=0 M_SP_NA_1 interrogated station CA=1 SQ: 10 on, 11 off bit1 BL SB NT IV"},
		{"68 15 00 00 00 00 1e 01 03 00 01 00 05 00 00 01 e8 03 9e 8c e5 07 1a",
			"I s=0 r=0 M_SP_TB_1 spontaneous CA=1: 5 on 2026-07-05 12:30:01.000 SU IV"},
		{"68 15 00 00 00 00 1e 01 03 00 01 00 05 00 00 01 00 00 00 00 00 00 00",
			"I s=0 r=0 M_SP_TB_1 spontaneous CA=1: 5 on no such time 2000-00-00 00:00:00.000"},
		{"68 11 00 00 00 00 02 01 03 00 01 00 05 00 00 01 e8 03 1e", "I s=0 r=0 M_SP_TA_1 spontaneous CA=1: 5 on :30:01.000"},
		{"68 11 00 00 00 00 02 01 03 00 01 00 05 00 00 01 ff ff 1e", "I s=0 r=0 M_SP_TA_1 spontaneous CA=1: 5 on no such time :30:65.535"},
		{"68 12 00 00 00 00 0f 01 25 00 01 00 05 00 00 ff ff ff ff e3", "I s=0 r=0 M_IT_NA_1 counter general CA=1: 5 -1 seq=3 CY CA IV"},
		{"68 12 00 00 00 00 0d 01 03 00 01 00 05 00 00 cd cc cc 3d 00", "I s=0 r=0 M_ME_NC_1 spontaneous CA=1: 5 0.1"},
		{"68 10 00 00 00 00 09 01 03 00 01 00 05 00 00 00 40 01", "I s=0 r=0 M_ME_NA_1 spontaneous CA=1: 5 0.5 OV"},
		{"68 0f 00 00 00 00 05 01 03 00 01 00 05 00 00 fe 00", "I s=0 r=0 M_ST_NA_1 spontaneous CA=1: 5 -2 transient"},
		{"68 0e 00 00 00 00 65 01 06 00 01 00 00 00 00 45", "I s=0 r=0 C_CI_NA_1 activation CA=1: 0 RQT=5 FRZ=1"},
		{"68 0d 00 00 00 00 66 01 05 00 01 00 05 00 00", "I s=0 r=0 C_RD_NA_1 request CA=1: 5"},
		{"68 0f 00 00 00 00 68 01 06 00 01 00 00 00 00 aa 55", "I s=0 r=0 C_TS_NA_1 activation CA=1: 0 0x55aa"},
		{"68 0e 00 00 00 00 46 01 04 00 01 00 00 00 00 81", "I s=0 r=0 M_EI_NA_1 initialized CA=1: 0 COI=1 changed"},
		{"68 10 00 00 00 00 6e 01 06 00 01 00 05 00 00 00 40 c1", "I s=0 r=0 P_ME_NA_1 activation CA=1: 5 0.5 KPA=1 LPC POP"},
		{"68 0c 00 00 00 00 c8 02 03 00 01 00 01 02", "I s=0 r=0 TypeID 200 spontaneous CA=1, 2 objects: 01 02"},

		{"68 04 07", "incomplete frame: 68 04 07"},
		{"69 04 07", "iec104: start octet is not 68 hex but 69: 69 04 07"},
		{"68 03 07", "iec104: frame length out of range: 3, want 4 to 253: 68 03 07"},
		{"68 04 17 00 00 00", "U function 17 (iec104: bad control field: 17 00 00 00, want one function)"},
		{"68 0c 00 00 00 00 01 02 03 00 01 00 01 02",
			"I s=0 r=0 iec104: number of objects does not fit the ASDU: M_SP_NA_1 with 2 objects has 2 octets of them, want 8: 01 02 03 00 01 00 01 02"},
		{"68 04 07 00 00 00 68", "U STARTDT act and 1 octets more"},
	} {
		if got := Explain(asdu.DefaultProfile, asdutest.Octets(c.octets)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.octets, got, c.want)
		}
	}
}

// Whatever is in a frame, its words are one line and name the type and every address.
func TestExplain_AnyFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(asdutest.Profiles).Draw(t, "profile")
		typ := rapid.SampledFrom(asdutest.Types).Draw(t, "type")
		sequence := rapid.Bool().Draw(t, "sequence")
		a, err := p.New(asdutest.Header(p, typ, sequence).Draw(t, "header"), asdutest.Objects(p, typ, sequence).Draw(t, "objects")...)
		if err != nil {
			t.Fatal(err)
		}
		s := Explain(p, AppendI(nil, 1, 2, a))
		if strings.ContainsAny(s, "\n\t\r") || !strings.HasPrefix(s, "I s=1 r=2 "+typ.String()+" ") ||
			strings.Count(s, ", ") != a.Len()-1 || strings.Contains(s, "iec104:") {
			t.Fatal(s)
		}
	})
}
