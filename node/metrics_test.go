package node

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fepha/fepha/acquisition"
	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/forwarder"
	"github.com/fepha/fepha/iec104"
	"github.com/fepha/fepha/replica"
)

// Every counter of both sides is told once, with help.
func TestFEPMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(fepCollector{
		acquisition: func() []acquisition.Counters {
			return []acquisition.Counters{{RTU: 1, ASDUs: 42, Faults: map[string]uint64{"bad time": 2}}, {RTU: 2}}
		},
		forwarder: func() []forwarder.UplinkStats {
			return []forwarder.UplinkStats{{
				Name: "occ", Listening: true, Groups: []forwarder.GroupStats{{Name: "main", Events: 7}, {Name: "backup"}},
				Server: iec104.ServerCounters{Accepted: 3, Refused: map[string]uint64{"no group": 5}, Counters: iec104.Counters{SentOctets: 1000}},
			}}
		},
	})
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"fepha_acquisition_asdus_total 1": 42, "fepha_acquisition_asdus_total 2": 0, "fepha_acquisition_device_faults_total bad time 1": 2, "fepha_acquisition_troubles_total bad time 1": 2,
		"fepha_uplink_listening occ": 1, "fepha_uplink_clients_accepted_total occ": 3, "fepha_uplink_clients_refused_total no group occ": 5,
		"fepha_uplink_octets_total sent occ": 1000, "fepha_uplink_events_sent_total main occ": 7, "fepha_uplink_events_sent_total backup occ": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
}

// The group's counters are told once, with help.
func TestClusterMetrics(t *testing.T) {
	registry, latency := prometheus.NewPedanticRegistry(), newCommitLatency()
	registry.MustRegister(latency, clusterCollector{aGroup{}})
	if p50, p99 := latency.percentiles(); p50 != 0 || p99 != 0 {
		t.Errorf("before the first entry: %v, %v", p50, p99)
	}
	for i := range 1000 {
		latency.observe(time.Duration(i) * time.Millisecond)
	}
	if p50, p99 := latency.percentiles(); (p50-500*time.Millisecond).Abs() > 25*time.Millisecond || (p99-990*time.Millisecond).Abs() > 5*time.Millisecond {
		t.Errorf("of 0 to 999 ms: p50 %v, p99 %v", p50, p99)
	}
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"fepha_raft_term ": 3, "fepha_raft_leader ": 1, "fepha_raft_quorum ": 1, "fepha_lease_valid ": 1, "fepha_lease_left_seconds ": .4,
		"fepha_proposals_total ": 17, "fepha_disk_free_bytes ": 7, "fepha_commit_latency_seconds ": 1000,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
}

type aGroup struct{}

func (aGroup) Info() replica.Info {
	return replica.Info{Quorum: true, Lease: true, LeaseLeft: 400 * time.Millisecond}
}
func (aGroup) Metrics() cluster.Metrics {
	return cluster.Metrics{Term: 3, Leader: true, CommandsProposed: 17}
}
func (aGroup) Disk() cluster.Disk { return cluster.Disk{Free: 7} }

// gathered are the values of all metrics, by name and labels; of a histogram, how many it has counted.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "fepha_") || f.GetHelp() == "" {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[f.GetName()+" "+strings.Join(labels, " ")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}
