package rig

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Usage is what a node's process has taken of the processor since its start, and of memory now, in octets.
func (s *Station) Usage(id string) (cpu time.Duration, resident int64, err error) {
	pid := s.Node(id).proc.cmd.Process.Pid
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third on, see proc(5)
	var user, system, pages int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12]+" "+fields[21], &user, &system, &pages); err != nil {
		return 0, 0, fmt.Errorf("usage of %s: %w", id, err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond, pages * int64(os.Getpagesize()), nil // USER_HZ is 100
}
