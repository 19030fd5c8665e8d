package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/node/watch"
)

// clockLimit is by how much two nodes' clocks may differ (condition clock_off).
const clockLimit = 100 * time.Millisecond

// timekeepers are the programs that keep a machine's time, as /proc/PID/comm names them.
var timekeepers = []string{"chronyd", "systemd-timesyn", "ntpd", "ntpsec", "openntpd", "ptp4l", "phc2sys"}

// clock looks at who keeps this machine's time, and by how much the nodes' clocks differ.
func (p *patient) clock(answers map[string]answer) (lines []Line) {
	lines = append(lines, checkTimekeeper(p.processes, watch.ClockSynchronised))
	for _, n := range p.station.Cluster.Nodes {
		if n.ID == p.Node {
			continue
		}
		if sharesMachine(p.self, n) {
			lines = append(lines, good("clock", n.ID, "on this machine: it has the same clock"))
			continue
		}
		mine, theirs, known := p.measured(n.ID)
		a := answers[n.ID]
		lines = append(lines, checkOffset(n.ID, time.Duration(theirs-mine)*time.Millisecond, known, a))
	}
	return lines
}

// sharesMachine tells whether two nodes are on one host for certain.
func sharesMachine(a, b configs.Node) bool {
	loopback := func(x netip.AddrPort) bool { return x.Addr().IsLoopback() }
	return loopback(a.Address) && loopback(b.Address)
}

// measured are this node's clock and another's against the leader's, as the group measures them.
func (p *patient) measured(id string) (mine, theirs int64, known bool) {
	if p.raftErr != nil {
		return 0, 0, false
	}
	of := func(id string) (int64, bool) {
		for _, peer := range p.raft.Peers {
			if peer.ID == id && peer.ClockMs != nil {
				return *peer.ClockMs, true
			}
		}
		return 0, id == p.raft.Leader
	}
	mine, known = of(p.Node)
	theirs, known2 := of(id)
	return mine, theirs, known && known2
}

func checkTimekeeper(all []process, synchronised func() (yes, known bool)) Line {
	const check, advice = "time source", "set up chrony with two sources at least, or systemd-timesyncd: chronyc sources, timedatectl timesync-status"
	var running []string
	for _, p := range all {
		if slices.Contains(timekeepers, p.name) && !slices.Contains(running, p.name) {
			running = append(running, p.name)
		}
	}
	yes, known := synchronised()
	who := strings.Join(running, " and ")
	switch {
	case len(running) > 1 && !slices.Contains(running, "phc2sys"):
		return doubtful(check, "", "leave one of them running", "%s keep the clock at the same time, and push it about", who)
	case !known:
		return unchecked(check, "", "the kernel doesn't tell whether the clock is synchronised")
	case yes && who == "":
		return good(check, "", "the kernel says that the clock is synchronised; by whom isn't seen (a container's host, or a hypervisor)")
	case yes:
		return good(check, "", "%s keeps the clock synchronised", who)
	case who == "":
		return doubtful(check, "", advice, "nothing keeps this machine's clock: none of %s runs, and the kernel says that it isn't synchronised", strings.Join(timekeepers, ", "))
	}
	return doubtful(check, "", advice, "%s runs, and the kernel says that the clock isn't synchronised: its sources don't answer, or it has only just begun", who)
}

// checkOffset judges by what the group has measured, to 10 ms, or else by the date of an answer.
func checkOffset(id string, measured time.Duration, known bool, a answer) Line {
	const check, advice = "clock", "compare both with a watch, and mend the source of time of the one that is wrong: chronyc sources"
	switch {
	case known && measured.Abs() > clockLimit:
		return wrong(check, id, advice, "%s ahead of this machine's, as the group measures it", measured)
	case known && measured.Abs() > clockLimit/2:
		return doubtful(check, id, advice, "%s ahead of this machine's, as the group measures it", measured)
	case known:
		return good(check, id, "%s ahead of this machine's, as the group measures it", measured)
	case !a.dated:
		return unchecked(check, id, "it doesn't answer")
	case a.offset.Abs() > a.within+clockLimit:
		return wrong(check, id, advice, "%s ahead of this machine's, give or take %s", a.offset.Round(100*time.Millisecond), a.within.Round(100*time.Millisecond))
	}
	return unchecked(check, id, "the node here doesn't run, so that only a difference of more than about %s would be seen; there's none", a.within.Round(100*time.Millisecond))
}
