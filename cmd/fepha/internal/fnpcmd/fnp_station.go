package fnpcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/channeltab"
	"github.com/fepha/fepha/cmd/fepha/internal/cli"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/fsm/chantable"
	"github.com/fepha/fepha/internal/plain"
	"github.com/fepha/fepha/node"
)

func newFNPStationCommand() *cobra.Command {
	var config, level string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "station",
		Short: "Run a station of the FNP network",
		Long: `Run a station of the FNP network: it registers at the centre, keeps its copy of
the table, prints what it receives, and leaves at its end. It obeys lines of the
standard input, one after the other:

  send ID TEXT      send a text to a station, and wait for the acknowledgement
  send-cn N TEXT    the same by channel number
  file ID FILE      send what is in a file
  in-order ID TEXT  send a text after what was sent in order before
  table             print the copy of the table
  status            print how the station stands
  leave             leave, and end

With --json each line that it prints is an object with "event". It ends with
leave, SIGINT or SIGTERM; the standard input may end before.`,
		Example: `  fepha fnp station --config pump.yaml

  # pump.yaml
  id: 1001
  name: pump
  listen: "10.91.3.1:7401"
  centres: ["10.91.2.66:7400", "10.91.2.67:7400", "10.91.2.68:7400"]
  multicast: "239.1.2.3:7409"    # without it, the table comes by unicast
  key_file: fnp.key
  copy_file: pump.copy           # where the copy of the table is kept`,
		Args: cli.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if config == "" {
				return cli.Usagef("--config is needed: see 'fepha fnp station --help'")
			}
			from, err := cli.LogLevel(level)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: from}))
			return runFNPStation(cmd.Context(), config, asJSON, log, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&config, "config", "", "the station's file (needed)")
	fl.StringVar(&level, "log-level", "warn", "debug, info, warn or error")
	fl.BoolVar(&asJSON, "json", false, "print JSON, a line each")
	return cmd
}

// leaveTimeout is how long a station waits for the centre's answer to its leave.
const leaveTimeout = 5 * time.Second

func runFNPStation(ctx context.Context, config string, asJSON bool, log *slog.Logger, in io.Reader, out io.Writer) (err error) {
	cfg, err := StationConfig(config)
	if err != nil {
		return err
	}
	cfg.Log = log
	s, err := channeltab.OpenStation(cfg)
	if errors.Is(err, channeltab.ErrConfig) {
		return cli.Exit(cli.ExitUsage, err)
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	run := &fnpStation{station: s, id: uint64(cfg.ID), json: asJSON, out: out}
	run.print(StationEvent{Event: "started", Station: run.id, Address: s.Status().Address.String()}, "station %d at %s", cfg.ID, s.Status().Address)

	receiving, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { run.receive(receiving) })
	running.Go(func() { run.follow(receiving) })
	defer running.Wait()
	defer stop()

	lines := cli.ScanLines(in)
	for {
		select {
		case <-ctx.Done():
			return run.leave()
		case line, ok := <-lines:
			if !ok {
				lines = nil // it goes on without
				continue
			}
			if strings.TrimSpace(line) == "leave" {
				return run.leave()
			}
			run.obey(ctx, line)
		}
	}
}

// StationConfig reads a station's file and its keys; what is wrong with them is a usage error.
func StationConfig(path string) (cfg channeltab.StationConfig, err error) {
	c, err := configs.LoadFNPStation(path)
	if err != nil {
		return cfg, cli.Exit(cli.ExitUsage, err)
	}
	keys := channeltab.OpenKeys()
	if !c.KeyFile.IsZero() {
		if keys, err = channeltab.ReadKeys(c.KeyFile.Path); err != nil {
			return cfg, cli.Exit(cli.ExitUsage, fmt.Errorf("key_file: %w", err))
		}
	}
	cfg = channeltab.StationConfig{
		ID: chantable.ID(c.ID), Name: c.Name, Listen: c.Listen, Centres: c.Centres,
		Keys: keys, CopyFile: c.CopyFile.Path,
	}
	if c.Multicast != nil {
		cfg.Multicast = channeltab.MulticastConfig{Group: *c.Multicast, Interface: c.Interface}
	}
	if c.Advertise != nil {
		cfg.Advertise = *c.Advertise
	}
	return cfg, nil
}

// fnpStation is a station at a terminal, or driven by a program.
type fnpStation struct {
	station *channeltab.Station
	id      uint64
	json    bool

	mu  sync.Mutex // guards out
	out io.Writer
}

// StationEvent is what a station prints with --json; what does not belong to the event is left out.
type StationEvent struct {
	Event    string         `json:"event"` // started, state, received, acknowledged, failed, table, status, left
	Station  uint64         `json:"station"`
	TimeMs   int64          `json:"time_ms"`
	Address  string         `json:"address,omitempty"`
	State    string         `json:"state,omitempty"`
	Outcome  string         `json:"outcome,omitempty"`
	CN       uint16         `json:"cn,omitempty"`
	Centre   string         `json:"centre,omitempty"`
	From     uint64         `json:"from,omitempty"`
	To       uint64         `json:"to,omitempty"`
	Octets   int            `json:"octets,omitempty"`
	Data     []byte         `json:"data,omitempty"`
	InOrder  bool           `json:"in_order,omitempty"`
	Ms       int64          `json:"ms,omitempty"`
	Code     string         `json:"code,omitempty"` // of failed: not_found, peer_off, in_doubt, invalid, overloaded
	Error    string         `json:"error,omitempty"`
	Version  uint64         `json:"version,omitempty"`
	Complete bool           `json:"complete,omitempty"`
	Stations []api.FNPEntry `json:"stations,omitempty"`
}

// print prints an event as JSON or in words.
func (f *fnpStation) print(e StationEvent, words string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.json {
		fmt.Fprintf(f.out, words+"\n", args...)
		return
	}
	e.Station, e.TimeMs = f.id, time.Now().UnixMilli()
	_ = json.NewEncoder(plain.JSONWriter(f.out)).Encode(e)
}

// receive prints what comes.
func (f *fnpStation) receive(ctx context.Context) {
	for {
		m, err := f.station.Receive(ctx)
		if err != nil {
			return
		}
		f.print(StationEvent{Event: "received", From: uint64(m.From), CN: uint16(m.CN), Octets: len(m.Payload), Data: m.Payload, InOrder: m.Stream == channeltab.InOrder},
			"from %d: %s", m.From, readable(m.Payload))
	}
}

// follow prints how the station stands whenever that has changed.
func (f *fnpStation) follow(ctx context.Context) {
	var said channeltab.Status
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		now := f.station.Status()
		if now.State != said.State || now.Outcome != said.Outcome || now.CN != said.CN || said.Address != now.Address {
			said = now
			f.status("state", now)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (f *fnpStation) status(event string, st channeltab.Status) {
	e := StationEvent{
		Event: event, Address: st.Address.String(), State: st.State.String(), CN: uint16(st.CN), Version: st.Version, Complete: st.Complete,
	}
	if st.Outcome != 0 {
		e.Outcome = st.Outcome.String()
	}
	if st.Centre.IsValid() {
		e.Centre = st.Centre.String()
	}
	f.print(e, "%s (%s) on channel %d, centre %s, table version %d, complete %t", st.State, cli.Dash(e.Outcome), st.CN, cli.Dash(e.Centre), st.Version, st.Complete)
}

// obey does what a line asks for.
func (f *fnpStation) obey(ctx context.Context, line string) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	number, text, _ := strings.Cut(rest, " ")
	n, numberErr := strconv.ParseUint(number, 10, 53)
	var err error
	switch verb {
	case "":
		return
	case "table":
		f.table()
		return
	case "status":
		f.status("status", f.station.Status())
		return
	case "send", "send-cn", "in-order", "file":
		if numberErr != nil || n == 0 || verb == "send-cn" && n > uint64(chantable.MaxCN) {
			err = &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("%s %q: expected a number", verb, number)}
			break
		}
		err = f.send(ctx, verb, n, text)
	default:
		err = &api.Error{Code: api.CodeInvalid, Message: fmt.Sprintf("%q: expected send, send-cn, in-order, file, table, status or leave", verb)}
	}
	if err != nil {
		e := StationEvent{Event: "failed", To: n, Error: err.Error()}
		if coded, ok := errors.AsType[*api.Error](node.FNPError(err)); ok {
			e.Code = string(coded.Code)
		}
		f.print(e, "failed: %v", err)
	}
}

func (f *fnpStation) send(ctx context.Context, verb string, n uint64, text string) error {
	payload, stream := []byte(text), channeltab.AnyOrder
	switch verb {
	case "file":
		b, err := os.ReadFile(text)
		if err != nil {
			return err
		}
		payload = b
	case "in-order":
		stream = channeltab.InOrder
	}
	begun := time.Now()
	var err error
	if verb == "send-cn" {
		err = f.station.SendData(ctx, chantable.CN(n), payload, stream)
	} else {
		err = f.station.SendDataByID(ctx, chantable.ID(n), payload, stream)
	}
	if err == nil {
		took := time.Since(begun).Milliseconds()
		f.print(StationEvent{Event: "acknowledged", To: n, Octets: len(payload), Ms: took}, "acknowledged by %s after %d ms", receiver(verb, n), took)
	}
	return err
}

func receiver(verb string, n uint64) string {
	if verb == "send-cn" {
		return fmt.Sprintf("channel %d", n)
	}
	return fmt.Sprintf("station %d", n)
}

func (f *fnpStation) table() {
	st := f.station.Status()
	e := StationEvent{Event: "table", Version: st.Version, Complete: st.Complete, Stations: []api.FNPEntry{}}
	now := time.Now().UnixMilli()
	var rows []string
	for _, entry := range f.station.Table() {
		e.Stations = append(e.Stations, api.NewFNPEntry(entry, now))
		rows = append(rows, fnpRow(f.out, e.Stations[len(e.Stations)-1]))
	}
	if f.json {
		f.print(e, "")
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = cli.Table(f.out, fnpHeader, rows...)
}

// leave tells the centre, and is no error if none answers: it finds out by itself.
func (f *fnpStation) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := f.station.Leave(ctx); err != nil {
		f.print(StationEvent{Event: "left", Error: err.Error()}, "left, but no centre knows: %v", err)
		return nil
	}
	f.print(StationEvent{Event: "left"}, "left")
	return nil
}
