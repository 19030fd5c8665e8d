package iec104

import "time"

// Limits bound what clients can take of a server. Zero fields have defaults.
type Limits struct {
	Connections     int // at a time; 256
	PerAddress      int // at a time from one IP address; 16
	FramesPerSecond int // received from one client; no limit
	Backlog         int // octets of received ASDUs that wait for Handle, a session; 64 KiB
}

const defaultBacklog = 64 << 10

func (l Limits) withDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 256
	}
	if l.PerAddress == 0 {
		l.PerAddress = 16
	}
	if l.Backlog == 0 {
		l.Backlog = defaultBacklog
	}
	return l
}

// rate allows limit frames in each second, counted from the first one of it.
type rate struct {
	limit int // 0: no limit
	began time.Duration
	count int
}

func (r *rate) allow(now time.Duration, frames uint64) bool {
	if r.limit == 0 {
		return true
	}
	if now-r.began >= time.Second {
		r.began, r.count = now, 0
	}
	r.count += int(frames)
	return r.count <= r.limit
}
