package clusterpb

import (
	"time"

	"github.com/fepha/fepha/replica"
)

// VitalsOf is how a node is, on its way; nil: it doesn't tell.
func VitalsOf(v *replica.Vitals) *Vitals {
	if v == nil {
		return nil
	}
	out := &Vitals{
		Memory: v.Memory, Cpu: v.CPU, Fsync: int64(v.Fsync), DiskFree: v.DiskFree, DiskSize: v.DiskSize,
		ClockKnown: v.ClockKnown, ClockSynchronised: v.ClockSynchronised, Reaches: v.Reaches, Misses: v.Misses,
	}
	if !v.CertificateEnds.IsZero() {
		out.CertificateEnds = v.CertificateEnds.UnixMilli()
	}
	return out
}

// Told is the same once it has come; nil: the node didn't tell.
func (v *Vitals) Told() *replica.Vitals {
	if v == nil {
		return nil
	}
	out := &replica.Vitals{
		Memory: v.Memory, CPU: v.Cpu, Fsync: time.Duration(v.Fsync), DiskFree: v.DiskFree, DiskSize: v.DiskSize,
		ClockKnown: v.ClockKnown, ClockSynchronised: v.ClockSynchronised, Reaches: v.Reaches, Misses: v.Misses,
	}
	if v.CertificateEnds != 0 {
		out.CertificateEnds = time.UnixMilli(v.CertificateEnds)
	}
	return out
}
