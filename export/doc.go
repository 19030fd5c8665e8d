// Package export brings what the station has recorded into databases, buses and files.
//
// An export is a reader of the replicated journal with a replicated cursor: a resource with an owner and an epoch, like a
// group of an uplink. Its owner reads what is committed, writes it to the target, and moves the cursor once the target
// holds it; after a failover the other FEP goes on after the cursor. So a target gets every record at least once, and
// knows by (station, seq) what it has already.
//
// An export is never in the way of a commit or an uplink: it reads, at most maxBatch records at a time, on a goroutine of
// its own. One that can't keep up loses what the journal drops meanwhile; that is counted, and a condition.
//
// The targets are in the packages beside: postgres, mqtt, kafka, file, syslog.
package export
