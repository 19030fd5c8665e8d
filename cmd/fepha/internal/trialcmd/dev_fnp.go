package trialcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/fepha/internal/fnpcmd"
	"github.com/fepha/fepha/cmd/internal/rig"
)

// The stations of dev's FNP network: each tells the pair's endpoint now and then how it is.
var devStations = []struct {
	id   int
	name string
}{{1001, "smoke detectors"}, {1002, "ventilation"}}

const devReportEvery = 10 * time.Second

// runDevFNP starts the stations; they run until the station is closed.
func runDevFNP(s *rig.Station, out io.Writer) error {
	for _, d := range devStations {
		file, err := s.FNPStationFile(d.id, d.name, "")
		if err != nil {
			return err
		}
		cfg, err := fnpcmd.StationConfig(file)
		if err != nil {
			return err
		}
		station, err := channeltab.OpenStation(cfg)
		if err != nil {
			return err
		}
		s.Simulate(func(ctx context.Context) {
			var reading sync.WaitGroup
			defer reading.Wait()
			defer station.Close()
			reading.Go(func() { read(ctx, station) })
			report(ctx, station, d.name)
		})
	}
	_, err := fmt.Fprintf(out, "FNP network      centre %d, the pair's endpoint %d, stations %d and %d: fepha fnp table, show, messages, send --to %d hello\n",
		rig.FNPCentre, rig.FNPEndpoint, devStations[0].id, devStations[1].id, devStations[0].id)
	return err
}

// read takes what comes, as an application does.
func read(ctx context.Context, s *channeltab.Station) {
	for {
		if _, err := s.Receive(ctx); err != nil {
			return
		}
	}
}

// report sends one message after the other to the endpoint. Nobody minds one that fails while that moves.
func report(ctx context.Context, s *channeltab.Station, name string) {
	for n := 1; ; n++ {
		wait := devReportEvery
		err := s.SendDataByID(ctx, rig.FNPEndpoint, fmt.Appendf(nil, "%s: all quiet, report %d", name, n), channeltab.InOrder)
		if errors.Is(err, channeltab.ErrUnknownID) {
			n, wait = n-1, time.Second // the copy has not come yet
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
