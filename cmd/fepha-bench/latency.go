package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/cmd/internal/rig"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/iec104/asdu"
	"github.com/fepha/fepha/sim"
)

type latencyFlags struct {
	stationFlags
	rounds   int
	duration time.Duration
	json     bool
}

func newLatencyCommand() *cobra.Command {
	var f latencyFlags
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "Measure how long an event takes from the device to the control centre, beside a bare raft group",
		Long: `Measure how long an event takes from the device to the control centre, through a
station of three processes with their data on disk, and beside it how long a bare
hashicorp/raft group of three nodes takes to apply an entry of the same size: over
TCP, with the same log store and fsync, on the same disk. The two take turns.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLatency(cmd.Context(), f, cmd.OutOrStdout()) },
	}
	f.register(cmd)
	f.registerRate(cmd, 1000)
	fl := cmd.Flags()
	fl.IntVar(&f.rounds, "rounds", 4, "how often each has its turn")
	fl.DurationVar(&f.duration, "for", 5*time.Second, "how long a turn is")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// latencyReport is what the turns came to; all times in milliseconds.
type latencyReport struct {
	Rate       float64 `json:"events_per_s"`
	Events     int     `json:"events"`
	Entries    int     `json:"bare_entries"`
	EntrySize  int     `json:"entry_octets"`
	Cores      int     `json:"cores"`
	P50Ms      float64 `json:"p50_ms"` // device to control centre
	P99Ms      float64 `json:"p99_ms"`
	BareP50Ms  float64 `json:"bare_p50_ms"`
	BareP99Ms  float64 `json:"bare_p99_ms"`
	RatioP50   float64 `json:"ratio_p50"`
	RatioP99   float64 `json:"ratio_p99"`
	Lost       int     `json:"lost"`
	RTUOwner   string  `json:"rtu_owner"`
	UplinkNode string  `json:"uplink_owner"`
	Leader     string  `json:"leader"`
}

func runLatency(ctx context.Context, f latencyFlags, out io.Writer) (err error) {
	entry, err := eventEntry()
	if err != nil {
		return err
	}
	watch := stopwatch{begun: map[sim.Key]time.Time{}}
	rate := f.rate
	f.rate = 0 // the station's device is quiet but for what is measured
	f.options = func(o *rig.Options) { o.OnEvent = func(k sim.Key, _ bool) { watch.stop(k) } }
	r := latencyReport{Rate: rate, EntrySize: len(entry), Cores: runtime.GOMAXPROCS(0)}
	var bare []time.Duration
	err = f.with(ctx, needs{}, func(s *rig.Station) error {
		dir, err := os.MkdirTemp(s.Dir(), "bare-")
		if err != nil {
			return err
		}
		group, err := newBareRaft(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, group.Close()) }()
		for range f.rounds {
			if err := watch.emit(ctx, s, rate, f.duration); err != nil {
				return err
			}
			took, err := group.measure(ctx, entry, rate, f.duration)
			if err != nil {
				return err
			}
			bare = append(bare, took...)
		}
		r.Lost = len(s.Settle(ctx))
		st, err := s.Status(ctx)
		if err != nil {
			return err
		}
		r.RTUOwner, r.UplinkNode, r.Leader = st.RTUs[0].Owner, st.Uplinks[0].Owner, st.Leader
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(watch.took)
	slices.Sort(bare)
	r.Events, r.Entries = len(watch.took), len(bare)
	r.P50Ms, r.P99Ms = ms(percentile(watch.took, 50)), ms(percentile(watch.took, 99))
	r.BareP50Ms, r.BareP99Ms = ms(percentile(bare, 50)), ms(percentile(bare, 99))
	r.RatioP50, r.RatioP99 = r.P50Ms/r.BareP50Ms, r.P99Ms/r.BareP99Ms
	if f.json {
		err = json.NewEncoder(out).Encode(r)
	} else {
		_, err = fmt.Fprintf(out, "%.0f events/s, %d events, %d cores: device to control centre p50 %.2f ms, p99 %.2f ms; bare raft, %d octets: p50 %.2f ms, p99 %.2f ms; ratio p50 %.2f, p99 %.2f; %d lost (RTU on %s, uplink on %s, leader %s)\n",
			r.Rate, r.Events, r.Cores, r.P50Ms, r.P99Ms, r.EntrySize, r.BareP50Ms, r.BareP99Ms, r.RatioP50, r.RatioP99, r.Lost, r.RTUOwner, r.UplinkNode, r.Leader)
	}
	if err == nil && r.Lost > 0 {
		err = fmt.Errorf("%d events lost", r.Lost)
	}
	return err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// eventEntry is a log entry with one event, as a station commits it.
func eventEntry() ([]byte, error) {
	now := time.Now()
	packed := asdu.NewCP56Time2a(now, time.UTC).Uint64()
	return proto.Marshal(&fsmpb.Entry{Commands: []*fsmpb.Command{{
		AtMs: now.UnixMilli(), AtCp56: packed, Node: "fep1",
		Op: &fsmpb.Command_Events{Events: &fsmpb.Events{Rtu: 1, Epoch: 1, Batch: 1000, Items: []*fsmpb.Item{{
			Kind: fsmpb.Kind_DI, Point: 1, Type: uint32(asdu.M_SP_TB_1), Value: 1, Time: packed, TimeMs: now.UnixMilli(),
		}}}},
	}}})
}

// paced calls do rate times a second, evenly, for a while.
func paced(ctx context.Context, rate float64, duration time.Duration, do func() error) error {
	for i, began := 0, time.Now(); ; i++ {
		at := began.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if at.Sub(began) >= duration {
			return nil
		}
		if err := rig.Pause(ctx, time.Until(at)); err != nil {
			return err
		}
		if err := do(); err != nil {
			return err
		}
	}
}

// stopwatch measures events from the device's queue to the control centre's hands.
type stopwatch struct {
	mu    sync.Mutex
	begun map[sim.Key]time.Time
	took  []time.Duration
}

// emit has the station's device emit.
func (w *stopwatch) emit(ctx context.Context, s *rig.Station, rate float64, duration time.Duration) error {
	points, i := device().Points, 0
	return paced(ctx, rate, duration, func() error {
		ioa := points[i%len(points)].Address
		i++
		change := []asdu.Object{{Address: ioa, Value: 1 - s.Devices[0].Value(ioa)}}
		w.mu.Lock() // so that the event isn't there before it is known
		defer w.mu.Unlock()
		now := time.Now()
		if err := s.Devices[0].Change(asdu.M_SP_TB_1, now, change...); err != nil {
			return err
		}
		w.begun[s.UplinkKey(0, sim.Key{Address: ioa, Time: change[0].Time, Value: change[0].Value})] = now
		return nil
	})
}

func (w *stopwatch) stop(k sim.Key) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if began, ok := w.begun[k]; ok {
		w.took = append(w.took, now.Sub(began))
		delete(w.begun, k)
	}
}

// measure has the group apply entries.
func (b *bareRaft) measure(ctx context.Context, entry []byte, rate float64, duration time.Duration) (took []time.Duration, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	err = paced(ctx, rate, duration, func() error {
		began := time.Now()
		f := b.leader.Apply(entry, 10*time.Second)
		wg.Go(func() {
			err := f.Error()
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if took = append(took, now.Sub(began)); err != nil {
				failed = err
			}
		})
		return nil
	})
	wg.Wait()
	return took, errors.Join(err, failed)
}
