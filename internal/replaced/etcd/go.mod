// raft-wal needs one function of a module that is no longer kept. It is here instead, since the rest of that module, and
// all that it needs, would otherwise be part of the binary.
module github.com/coreos/etcd

go 1.26.0
