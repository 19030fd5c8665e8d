// Package doctor looks at the machine of a node and at what the node needs around it, before and after installation and while it
// runs: `fepha doctor`. It changes nothing, and what it sends disturbs nobody (see devices.go).
//
// What there is to know is gathered first, and judged then by pure functions, one a subject: each line is good, doubtful or
// wrong, and what wasn't checked says why. Nothing is good that wasn't looked at.
package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/api/client"
	"github.com/fepha/fepha/configs"
	"github.com/fepha/fepha/node"
)

// Verdict is what a line says of its subject.
type Verdict string

const (
	Good      Verdict = "good"
	Unchecked Verdict = "not checked" // the text says why
	Doubtful  Verdict = "doubtful"    // it works, or will for a while
	Wrong     Verdict = "wrong"       // the node doesn't start, or doesn't do its work
)

// rank orders verdicts, the worst last.
var rank = map[Verdict]int{Good: 0, Unchecked: 1, Doubtful: 2, Wrong: 3}

// Line is one thing that was looked at.
type Line struct {
	Check   string  `json:"check"` // its subject, a word that stays, such as port or clock
	About   string  `json:"about"` // what of it, such as an address; "": the machine
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Advice  string  `json:"advice,omitempty"` // what to do; of what is doubtful or wrong
}

func good(check, about, text string, a ...any) Line {
	return Line{check, about, Good, fmt.Sprintf(text, a...), ""}
}

func unchecked(check, about, why string, a ...any) Line {
	return Line{check, about, Unchecked, "not checked: " + fmt.Sprintf(why, a...), ""}
}

func doubtful(check, about, advice, text string, a ...any) Line {
	return Line{check, about, Doubtful, fmt.Sprintf(text, a...), advice}
}

func wrong(check, about, advice, text string, a ...any) Line {
	return Line{check, about, Wrong, fmt.Sprintf(text, a...), advice}
}

// Report is all that was looked at, in the order in which one would mend it.
type Report struct {
	Node  string `json:"node"`
	AtMs  int64  `json:"at_ms"`
	Lines []Line `json:"lines"`
}

// Worst is the worst of the verdicts; what wasn't checked is better than what is doubtful.
func (r Report) Worst() Verdict {
	worst := Good
	for _, l := range r.Lines {
		if rank[l.Verdict] > rank[worst] {
			worst = l.Verdict
		}
	}
	return worst
}

// Count is how many lines have a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, l := range r.Lines {
		if l.Verdict == v {
			n++
		}
	}
	return n
}

// Options say what is looked at.
type Options struct {
	File    string // station.yaml
	Node    string // id of the node that this machine is, or is to be
	DataDir string // its data folder, which may not be there yet
}

// Run looks at everything, which takes a few seconds: silent addresses are waited for 3 s, all at once. It ends early with ctx, and
// what wasn't reached by then is told as not checked or as wrong.
func Run(ctx context.Context, o Options) Report {
	r := Report{Node: o.Node, AtMs: time.Now().UnixMilli()}
	add := func(lines ...Line) { r.Lines = append(r.Lines, lines...) }
	station, err := configs.Load(o.File)
	add(checkConfiguration(o.File, station, err)...)
	if err != nil {
		return r
	}
	self, ok := station.Node(o.Node)
	if !ok {
		add(wrong("configuration", o.File, "give the id of this machine's node with --node", "it has no node %q", o.Node))
		return r
	}
	p := patient{Options: o, station: station, self: self}
	p.dataDir, _ = filepath.Abs(o.DataDir)
	add(p.files()...)
	p.sockets, p.socketsErr = readSockets("/proc")
	p.processes = readProcesses("/proc")
	p.running, p.runs = nodeOf(p.processes, p.dataDir)
	local := client.Local(node.Socket(p.dataDir))
	p.status, p.statusErr = local.Status(ctx)
	p.raft, p.raftErr = local.Raft(ctx)
	add(p.node())
	add(p.addresses()...)
	add(p.ports()...)
	add(p.disk(ctx)...)
	add(p.machine()...)
	lines, peersAnswer, offsets := p.peers(ctx)
	add(lines...)
	add(p.clock(offsets)...)
	if self.Role == configs.RoleFEP {
		add(p.devices(ctx, peersAnswer)...)
		add(p.centres()...)
		add(p.redis(ctx)...)
		add(p.exports(ctx)...)
	}
	return r
}

// patient is a machine with what was gathered of it so far.
type patient struct {
	Options
	station *configs.Station
	self    configs.Node
	dataDir string // absolute

	sockets    []socket
	socketsErr error
	processes  []process
	running    process // the node's own
	runs       bool

	status    api.Status // as the running node tells it
	statusErr error
	raft      api.RaftStatus
	raftErr   error
}

func (p *patient) insecure() bool { return p.station.Security.Insecure }

// node tells whether the node runs.
func (p *patient) node() Line { return checkNode(p.Node, p.dataDir, p.running, p.runs, p.statusErr) }

func checkNode(id, dataDir string, running process, runs bool, statusErr error) Line {
	switch {
	case statusErr == nil && runs:
		return good("node", id, "it runs (%s) and answers", running)
	case statusErr == nil:
		return good("node", id, "it runs and answers")
	case runs:
		return wrong("node", id, "see its log: journalctl -u fepha@"+id+"; as root or its own user, if you are neither",
			"it runs (%s) and doesn't answer on the socket in %s: %v", running, dataDir, statusErr)
	}
	return unchecked("node", id, "it doesn't run, so what only it knows (links, clocks, who owns what) isn't either")
}
