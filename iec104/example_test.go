package iec104_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/iec104/asdu"
)

// A device: it answers interrogations and commands, and reports its events.
func ExampleServer() {
	var breaker atomic.Uint32 // open
	events := iec104.NewQueue(1000)
	station := &iec104.Station{
		CommonAddresses: []asdu.CommonAddress{1},
		Read: func(asdu.CommonAddress, asdu.InformationObjectAddress) (asdu.TypeID, asdu.Object, bool) {
			return asdu.M_SP_TB_1, asdu.Object{Value: float64(breaker.Load())}, true
		},
		Interrogation: func(asdu.CommonAddress, uint8) (iter.Seq[asdu.InformationObjectAddress], bool) {
			return slices.Values([]asdu.InformationObjectAddress{1001}), true
		},
		Command: func(c *iec104.Call) {
			_ = c.Confirm()
			breaker.Store(uint32(c.Object.Value))
			state := asdu.Object{Address: 1001, Value: c.Object.Value, Time: asdu.NewCP56Time2a(time.Now(), time.UTC)}
			_ = c.Return(asdu.M_SP_TB_1, state)
			_ = c.Terminate()
		},
	}
	server, err := iec104.NewServer(iec104.ServerConfig{Groups: []iec104.Group{
		{Name: "centre", Source: events.Source, Handle: station.Handle, Started: station.Started},
	}})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // a device has port 2404
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()

	controlCentre(listener.Addr().String())
	// Output:
	// M_EI_NA_1 initialized
	// C_IC_NA_1 activation con
	// M_SP_NA_1 interrogated station 1001=0
	// C_IC_NA_1 activation termination
	// C_SC_NA_1 activation con 1001=1
	// C_SC_NA_1 activation con 1001=1
	// M_SP_TB_1 return remote 1001=1
	// C_SC_NA_1 activation termination 1001=1
}

// A control centre: it asks for all values and closes a breaker.
func controlCentre(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := iec104.Dial(ctx, iec104.ClientConfig{
		Address: address,
		Handle: func(_ *iec104.Client, a asdu.ASDU, _ uint64) {
			fmt.Print(a.Type, " ", a.Cause)
			for o := range a.Objects() {
				if o.Address != 0 {
					fmt.Printf(" %d=%v", o.Address, o.Value)
				}
			}
			fmt.Println()
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.StartDT(ctx); err != nil {
		log.Fatal(err)
	}
	if err := client.Interrogate(ctx, 1, asdu.QOIStation); err != nil {
		log.Fatal(err)
	}
	if err := client.Command(ctx, iec104.Command{
		CommonAddress: 1, Type: asdu.C_SC_NA_1, Object: asdu.Object{Address: 1001, Value: 1},
		SelectFirst: true, AwaitTermination: true,
	}); err != nil {
		log.Fatal(err)
	}
}
