package node

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fepha/fepha/cluster"
	"github.com/fepha/fepha/internal/metric"
	"github.com/fepha/fepha/replica"
)

// The group as this node sees it.
var (
	raftTerm          = metric.Gauge("raft_term", "Term of Raft: it grows with each election.")
	raftCommitIndex   = metric.Gauge("raft_commit_index", "Newest log entry that this node knows to be committed.")
	raftAppliedIndex  = metric.Gauge("raft_applied_index", "Newest log entry that this node has applied.")
	raftLastIndex     = metric.Gauge("raft_last_index", "Newest entry in this node's log.")
	raftSnapshotIndex = metric.Gauge("raft_snapshot_index", "Newest log entry in this node's last snapshot.")
	raftLeader        = metric.Gauge("raft_leader", "1 on the leader, else 0.")
	raftQuorum        = metric.Gauge("raft_quorum", "1 while this node is in touch with a leader that a quorum follows, else 0: nothing is forwarded.")
	raftLeaderChanges = metric.Counter("raft_leader_changes", "Times that this node won or lost the leadership.")
	raftFirstIndex    = metric.Gauge("raft_first_index", "Oldest entry in this node's log.")
	raftLogFreePages  = metric.Gauge("raft_log_free_pages", "Pages of the log's file that are free; 0 where it is not known.")
	raftSnapshots     = metric.Counter("raft_snapshots", "Snapshots that this node has taken.")
	raftSnapshotPause = metric.Gauge("raft_snapshot_pause_seconds", "For how long the last snapshot kept entries from being applied.")
	raftRestoreTime   = metric.Gauge("raft_restore_seconds", "How long the last restore of a snapshot took.")
	heartbeatsQueued  = metric.Counter("raft_heartbeats_queued", "Heartbeats that did not take the fast path.")

	diskFree    = metric.Gauge("disk_free_bytes", "Octets that are free on the disk of the data folder; below a hundredth of it, what can wait is refused.")
	diskSize    = metric.Gauge("disk_size_bytes", "Octets of the disk of the data folder.")
	diskReserve = metric.Gauge("disk_reserve_bytes", "Octets that are kept for Raft on that disk; 0: they are in use.")

	leaseValid   = metric.Gauge("lease_valid", "1 while this node's lease is valid, else 0: it runs no live link.")
	leaseLeft    = metric.Gauge("lease_left_seconds", "How long this node's lease lasts without another answer of the leader.")
	leaseGranted = metric.Counter("lease_granted", "Answers of a leader that prolonged this node's lease.")
	leaseRefused = metric.Counter("lease_refused", "Answers of a leader that did not.")
	leaseLapsed  = metric.Counter("lease_lapsed", "Times that this node's lease ended.")

	proposalsWaiting = metric.Gauge("proposals_waiting", "Commands of this node that are not committed yet.")
	proposals        = metric.Counter("proposals", "Commands that this node has proposed.")
	proposalEntries  = metric.Counter("proposal_entries", "Log entries in which this node has proposed them.")
	entriesRetried   = metric.Counter("proposal_entries_retried", "Log entries that this node has proposed again, since the answer was lost.")
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
	count := func(m metric.Metric, n uint64) { ch <- m.Sample(float64(n)) }
	gauge := func(m metric.Metric, v float64) { ch <- m.Sample(v) }
	gauge(raftTerm, float64(m.Term))
	gauge(raftCommitIndex, float64(m.CommitIndex))
	gauge(raftAppliedIndex, float64(m.AppliedIndex))
	gauge(raftLastIndex, float64(m.LastIndex))
	gauge(raftSnapshotIndex, float64(m.SnapshotIndex))
	gauge(raftLeader, metric.Flag(m.Leader))
	gauge(raftQuorum, metric.Flag(info.Quorum))
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
	gauge(leaseValid, metric.Flag(info.Lease))
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

var commitLatencies = metric.Histogram("commit_latency_seconds", "From proposal to result, of this node's log entries.",
	.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10)

// commitLatency measures how long this node's entries take, from handing them to
// the leader to the result: all of them for Prometheus, the newest ones for
// people.
type commitLatency struct {
	prometheus.Histogram
	recent prometheus.Summary
}

func newCommitLatency() *commitLatency {
	return &commitLatency{
		Histogram: commitLatencies.New(),
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
