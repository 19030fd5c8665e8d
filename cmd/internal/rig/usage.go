package rig

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Usage is what a node's process uses, as Linux counts it.
type Usage struct {
	Resident int64         // octets of memory just now
	File     int64         // of these, pages of files: the program and the log of Raft, which the system may take back
	Most     int64         // that it ever had
	CPU      time.Duration // since its start, of all cores
}

// clockTick is the unit of times in /proc (USER_HZ), on every architecture that
// Go runs on.
const clockTick = 10 * time.Millisecond

// Usage asks the system what a running node uses.
func (s *Station) Usage(id string) (u Usage, err error) {
	n := s.Node(id)
	if n.proc == nil || !n.proc.running() {
		return u, fmt.Errorf("%s is not running", id)
	}
	if u, err = usage(n.proc.cmd.Process.Pid); err != nil {
		return u, fmt.Errorf("%s: %w", id, err)
	}
	return u, nil
}

// Most is the most memory in octets that any process of a node has had.
func (s *Station) Most(id string) int64 {
	n := s.Node(id)
	if n.proc == nil {
		return n.most
	}
	return max(n.most, n.proc.most.Load())
}

func usage(pid int) (u Usage, err error) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return u, err
	}
	for line := range bytes.Lines(status) {
		f := bytes.Fields(line)
		if len(f) < 3 {
			continue
		}
		kib, _ := strconv.ParseInt(string(f[1]), 10, 64)
		switch string(f[0]) {
		case "VmRSS:":
			u.Resident = kib << 10
		case "RssFile:":
			u.File = kib << 10
		case "VmHWM:":
			u.Most = kib << 10
		}
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return u, err
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // the program's name may have blanks
	if u.Resident == 0 || len(f) < 13 {
		return u, fmt.Errorf("%sstatus and stat are not as expected", proc)
	}
	for _, field := range f[11:13] { // utime and stime, fields 14 and 15 of proc(5)
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return u, fmt.Errorf("%sstat: %w", proc, err)
		}
		u.CPU += time.Duration(ticks) * clockTick
	}
	return u, nil
}
