package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/condition"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/replica"
)

const (
	// machinePeriod is how often the machine is looked at. Nothing there changes the station within seconds.
	machinePeriod = 10 * time.Second

	// How long it may take to make a small write safe, and how often in a row it may take longer.
	slowWrite  = 100 * time.Millisecond
	slowWrites = 3
	probeFile  = "probe"
)

// Machine looks at what a node runs on. What it finds is the node's own.
type Machine struct {
	Node     string // id
	DataDir  string
	Disk     func() cluster.Disk        // that of the data folder
	Files    func() []configs.NamedFile // that the configuration names
	Synced   bool                       // whether the clock matters: not where all nodes have one
	Redis    func() (address, reason string)
	Reporter condition.Reporter

	slow       int       // probes of the disk in a row that took too long
	redisSince time.Time // since when Redis doesn't answer; zero: it does
	used       usage     // when it was looked at last
	usedAt     time.Time // zero: never
	seen       atomic.Pointer[replica.Vitals]
}

// Run looks until ctx ends.
func (m *Machine) Run(ctx context.Context) error {
	tick := time.NewTicker(machinePeriod)
	defer tick.Stop()
	for {
		m.round(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (m *Machine) round(now time.Time) {
	disk := m.Disk()
	m.disk(disk)
	synchronised, known := ClockSynchronised()
	m.clock(synchronised, known)
	took := m.fsync()
	files := m.Files()
	ends := m.certificates(now, files)
	m.keys(files)
	m.redis(now)
	m.vitals(now, replica.Vitals{
		Fsync: took, DiskFree: uint64(disk.Free), DiskSize: uint64(disk.Size), CertificateEnds: ends, ClockKnown: known, ClockSynchronised: synchronised,
	})
}

// state sets or clears one of the node's conditions.
func (m *Machine) state(k *condition.Kind, holds bool, severity condition.Severity, values ...any) {
	about := "node/" + m.Node
	if !holds {
		m.Reporter.Clear(k, about)
		return
	}
	m.Reporter.Set(condition.Report{Kind: k, Resource: about, Severity: severity, Values: condition.Values(values...)})
}

// disk goes by the rule by which the log warns and what can wait is refused.
func (m *Machine) disk(d cluster.Disk) {
	severity := condition.Warning
	if d.Short() {
		severity = condition.Alarm
	}
	m.state(condition.Disk, d.Low(), severity, fmt.Sprintf("%s (%d %%)", sizeWords(d.Free), d.Free*100/max(d.Size, 1)), m.DataDir)
}

// clock tells of a clock that nothing sets, where that is known and matters.
func (m *Machine) clock(synchronised, known bool) {
	if m.Synced && known {
		m.state(condition.ClockUnsynchronised, !synchronised, 0)
	}
}

// fsync tries how long the disk takes to make a small write safe; 0: it can't be told.
func (m *Machine) fsync() time.Duration {
	began := time.Now()
	if err := probe(filepath.Join(m.DataDir, probeFile)); err != nil {
		return 0 // the log says so soon enough, and ends the node
	}
	took := time.Since(began)
	m.took(took)
	return took
}

func (m *Machine) took(d time.Duration) {
	if m.slow++; d < slowWrite {
		m.slow = 0
	}
	m.state(condition.SlowDisk, m.slow >= slowWrites, 0, d.Milliseconds())
}

func probe(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Sync(), f.Close())
}

// redis reports an outage that goes on: a connection that is made anew is none.
func (m *Machine) redis(now time.Time) {
	if m.Redis == nil {
		return
	}
	address, reason := m.Redis()
	switch {
	case reason == "":
		m.redisSince = time.Time{}
	case m.redisSince.IsZero():
		m.redisSince = now
	}
	m.state(condition.Redis, reason != "" && now.Sub(m.redisSince) >= machinePeriod, 0, address, reason)
}

// sizeWords is a size as one says it, rounded so that it doesn't change all the time.
func sizeWords(octets int64) string {
	if octets < 1<<30 {
		return fmt.Sprintf("%d MiB", octets>>20/16*16)
	}
	return fmt.Sprintf("%.1f GiB", float64(octets)/(1<<30))
}
