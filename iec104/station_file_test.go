package iec104

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/iec104/filetransfer"
)

// cabinet has one file of ten octets in station 1.
type cabinet struct{ open, closed int }

func (c *cabinet) Directory(ca asdu.CommonAddress) ([]asdu.DirectoryEntry, bool) {
	return []asdu.DirectoryEntry{{Address: 30001, Name: 2, Length: 10}}, ca == 1
}

func (c *cabinet) Open(_ asdu.CommonAddress, k filetransfer.Key) (filetransfer.File, bool) {
	if k != (filetransfer.Key{Address: 30001, Name: 2}) {
		return filetransfer.File{}, false
	}
	c.open++
	return filetransfer.File{Content: bytes.NewReader(make([]byte, 10)), Length: 10, Close: func() { c.closed++ }}, true
}

// The types of file transfer are answered where files are offered: 122, 124 and 127. What would write or delete isn't done.
func TestFiles(t *testing.T) {
	shelf := &cabinet{}
	withStation(t, func(st *Station) { st.Files = shelf }, func(a asking) {
		for _, c := range []struct {
			what string
			h    asdu.Header
			f    asdu.File
			want string
		}{
			{"directory", asdu.Header{Type: asdu.F_SC_NA_1, Cause: asdu.Request}, asdu.File{}, "126:5"},
			{"directory from an address on", asdu.Header{Type: asdu.F_SC_NA_1, Cause: asdu.Request}, asdu.File{Address: 30002}, "122:47-"},
			{"select", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "120:13"},
			{"call", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.CallFile}, "121:13"},
			{"call section", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 2, Section: 1, Qualifier: asdu.CallSection}, "125:13 123:13"},
			{"take section", asdu.Header{Type: asdu.F_AF_NA_1}, asdu.File{Address: 30001, Name: 2, Section: 1, Qualifier: asdu.SectionTaken}, "123:13"},
			{"take file", asdu.Header{Type: asdu.F_AF_NA_1}, asdu.File{Address: 30001, Name: 2, Section: 1, Qualifier: asdu.FileTaken}, ""},
			{"delete", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.DeleteFile}, "122:13-"},
			{"another name", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 3, Qualifier: asdu.SelectFile}, "122:47-"},
			{"another cause", asdu.Header{Type: asdu.F_SC_NA_1, Cause: asdu.Activation}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "122:45-"},
			{"a test", asdu.Header{Type: asdu.F_SC_NA_1, Test: true}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "122:13-"},
			{"another station", asdu.Header{Type: asdu.F_SC_NA_1, CommonAddress: 3}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "122:46-"},
			{"a station without files", asdu.Header{Type: asdu.F_SC_NA_1, CommonAddress: 2}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "122:44-"},
			{"a file to be written", asdu.Header{Type: asdu.F_FR_NA_1}, asdu.File{Address: 30001, Name: 2, Length: 10}, "120:44-"},
			{"its section", asdu.Header{Type: asdu.F_SR_NA_1}, asdu.File{Address: 30001, Name: 2, Length: 10}, "121:44-"},
			{"its segment", asdu.Header{Type: asdu.F_SG_NA_1}, asdu.File{Address: 30001, Name: 2, Segment: []byte{1}}, "125:44-"},
			{"its end", asdu.Header{Type: asdu.F_LS_NA_1}, asdu.File{Address: 30001, Name: 2}, "123:44-"},
			{"query log", asdu.Header{Type: asdu.F_SC_NB_1, Cause: asdu.Request}, asdu.File{Address: 30001, Name: 2, To: asdu.CP56Time2a{0, 0, 0, 0, 1, 1, 26}}, "120:13"},
			{"select again", asdu.Header{Type: asdu.F_SC_NA_1}, asdu.File{Address: 30001, Name: 2, Qualifier: asdu.SelectFile}, "120:13"},
		} {
			if c.h.Cause == 0 {
				c.h.Cause = asdu.FileTransfer
			}
			if c.h.CommonAddress == 0 {
				c.h.CommonAddress = 1
			}
			unit, err := asdu.DefaultProfile.NewFile(c.h, c.f)
			if err == nil {
				err = a.Send(a.t.Context(), unit)
			}
			if err != nil {
				a.t.Fatal(err)
			}
			var got []string
			for _, unit := range a.take() {
				s := fmt.Sprintf("%d:%d", unit.Type, unit.Cause)
				if unit.Negative {
					s += "-"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != c.want {
				a.t.Errorf("%s: got %q, want %q", c.what, s, c.want)
			}
		}
		// A file that can't be decoded.
		unit, err := asdu.DefaultProfile.NewRaw(asdu.Header{Type: asdu.F_SC_NA_1, Cause: asdu.FileTransfer, CommonAddress: 1}, 2, []byte{1, 2, 3})
		if err == nil {
			err = a.Send(a.t.Context(), unit)
		}
		if got := a.take(); err != nil || len(got) != 1 || got[0].Cause != asdu.UnknownObjectAddress {
			a.t.Errorf("%v, %v", got, err)
		}
	})
	if shelf.open != 3 || shelf.closed != 3 {
		t.Errorf("opened %d times, closed %d times", shelf.open, shelf.closed)
	}
}
