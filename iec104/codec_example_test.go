package iec104_test

import (
	"fmt"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

func ExampleParseFrame() {
	received := []byte{
		0x68, 0x04, 0x43, 0, 0, 0, // TESTFR act
		0x68, 0x0e, 0x02, 0, 0x04, 0, 0x01, 0x01, 0x03, 0, 0x01, 0, 0xe9, 0x03, 0, 0x01,
		0x68, 0x04, 0x01, // the rest is still on its way
	}
	for {
		f, n, err := iec104.ParseFrame(received)
		if err != nil || n == 0 {
			fmt.Println(len(received), "octets left,", err)
			return
		}
		fmt.Println(iec104.Explain(asdu.DefaultProfile, received[:n]))
		if f.Format == iec104.FormatI {
			a, err := asdu.DefaultProfile.Parse(f.ASDU)
			if err != nil {
				fmt.Println(err)
				return
			}
			for o := range a.Objects() {
				fmt.Println(a.Type, o.Address, o.Value)
			}
		}
		received = received[n:]
	}
	// Output:
	// U TESTFR act
	// I s=1 r=2 M_SP_NA_1 spontaneous CA=1: 1001 on
	// M_SP_NA_1 1001 1
	// 3 octets left, <nil>
}
