package node

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/replica"
)

// The group as this node sees it.
var (
	raftTerm          = desc("raft_term", "Term of Raft.")
	raftCommitIndex   = desc("raft_commit_index", "Newest log entry that this node knows to be committed.")
	raftAppliedIndex  = desc("raft_applied_index", "Newest log entry that this node has applied.")
	raftLastIndex     = desc("raft_last_index", "Newest entry in this node's log.")
	raftSnapshotIndex = desc("raft_snapshot_index", "Newest log entry in this node's last snapshot.")
	raftLeader        = desc("raft_leader", "1 on the leader, else 0.")
	raftQuorum        = desc("raft_quorum", "1 while this node is in touch with a leader that a quorum follows, else 0: nothing is forwarded.")
	raftLeaderChanges = desc("raft_leader_changes_total", "Times that this node won or lost the leadership.")
	raftFirstIndex    = desc("raft_first_index", "Oldest entry in this node's log.")
	raftLogFreePages  = desc("raft_log_free_pages", "Pages of the log's file that are free; 0 where it is not known.")
	raftSnapshots     = desc("raft_snapshots_total", "Snapshots that this node has taken.")
	raftSnapshotPause = desc("raft_snapshot_pause_seconds", "For how long the last snapshot kept entries from being applied.")
	raftRestoreTime   = desc("raft_restore_seconds", "How long the last restore of a snapshot took.")
	heartbeatsQueued  = desc("raft_heartbeats_queued_total", "Heartbeats that did not take the fast path.")

	diskFree    = desc("disk_free_bytes", "Octets that are free on the disk of the data folder; below a hundredth of it, what can wait is refused.")
	diskSize    = desc("disk_size_bytes", "Octets of the disk of the data folder.")
	diskReserve = desc("disk_reserve_bytes", "Octets that are kept for Raft on that disk; 0: they are in use.")

	leaseValid   = desc("lease_valid", "1 while this node's lease is valid, else 0: it runs no live link.")
	leaseLeft    = desc("lease_left_seconds", "How long this node's lease lasts without another answer of the leader.")
	leaseGranted = desc("lease_granted_total", "Answers of a leader that prolonged this node's lease.")
	leaseRefused = desc("lease_refused_total", "Answers of a leader that did not.")
	leaseLapsed  = desc("lease_lapsed_total", "Times that this node's lease ended.")

	proposalsWaiting = desc("proposals_waiting", "Commands of this node that are not committed yet.")
	proposals        = desc("proposals_total", "Commands that this node has proposed.")
	proposalEntries  = desc("proposal_entries_total", "Log entries in which this node has proposed them.")
	entriesRetried   = desc("proposal_entries_retried_total", "Log entries that this node has proposed again, since the answer was lost.")
)

// clusterCollector reads the group at each scrape.
type clusterCollector struct{ group group }

// group is what cluster.Node tells of itself.
type group interface {
	Info() replica.Info
	Metrics() cluster.Metrics
	Disk() cluster.Disk
}

// Describe implements prometheus.Collector. It tells nothing, like the other collectors of a node.
func (clusterCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c clusterCollector) Collect(ch chan<- prometheus.Metric) {
	info, m := c.group.Info(), c.group.Metrics()
	count := func(d *prometheus.Desc, n uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n))
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(raftTerm, float64(m.Term))
	gauge(raftCommitIndex, float64(m.CommitIndex))
	gauge(raftAppliedIndex, float64(m.AppliedIndex))
	gauge(raftLastIndex, float64(m.LastIndex))
	gauge(raftSnapshotIndex, float64(m.SnapshotIndex))
	gauge(raftLeader, float64(truth(m.Leader)))
	gauge(raftQuorum, float64(truth(info.Quorum)))
	count(raftLeaderChanges, m.LeaderChanges)
	gauge(raftFirstIndex, float64(m.LogFirst))
	gauge(raftLogFreePages, float64(m.LogFreePages))
	count(raftSnapshots, m.SnapshotsTaken)
	gauge(raftSnapshotPause, m.SnapshotPause.Seconds())
	gauge(raftRestoreTime, m.RestoreDuration.Seconds())
	disk := c.group.Disk()
	gauge(diskFree, float64(disk.Free))
	gauge(diskSize, float64(disk.Size))
	gauge(diskReserve, float64(disk.Reserve))
	gauge(leaseValid, float64(truth(info.Lease)))
	gauge(leaseLeft, info.LeaseLeft.Seconds())
	count(leaseGranted, m.LeasesGranted)
	count(leaseRefused, m.LeasesRefused)
	count(leaseLapsed, m.LeasesLapsed)
	gauge(proposalsWaiting, float64(m.ProposalsWaiting))
	count(proposals, m.CommandsProposed)
	count(proposalEntries, m.EntriesProposed)
	count(entriesRetried, m.EntriesRetried)
	count(heartbeatsQueued, m.HeartbeatsQueued)
}

// recently is how far back `fepha raft status` looks.
const recently = 10 * time.Minute

// commitLatency measures how long this node's entries take, from handing them to
// the leader to the result: all of them for Prometheus, the newest ones for
// people.
type commitLatency struct {
	prometheus.Histogram
	recent prometheus.Summary
}

func newCommitLatency() *commitLatency {
	return &commitLatency{
		Histogram: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "fepha_commit_latency_seconds", Help: "From proposal to result, of this node's log entries.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
		recent: prometheus.NewSummary(prometheus.SummaryOpts{
			Name: "recent", Objectives: map[float64]float64{.5: .02, .99: .001}, MaxAge: recently,
		}),
	}
}

// observe counts one entry; see cluster.Config.OnCommit.
func (l *commitLatency) observe(took time.Duration) {
	l.Observe(took.Seconds())
	l.recent.Observe(took.Seconds())
}

// percentiles are those of the newest entries; 0 if there were none.
func (l *commitLatency) percentiles() (p50, p99 time.Duration) {
	var m dto.Metric
	if l.recent.Write(&m) != nil {
		return 0, 0
	}
	for _, q := range m.GetSummary().GetQuantile() {
		if math.IsNaN(q.GetValue()) {
			continue
		}
		took := time.Duration(q.GetValue() * float64(time.Second))
		if q.GetQuantile() == .5 {
			p50 = took
		} else {
			p99 = took
		}
	}
	return p50, p99
}
