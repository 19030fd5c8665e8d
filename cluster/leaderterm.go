package cluster

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fepha/fepha/cluster/internal/lease"
	"github.com/fepha/fepha/cluster/internal/placement"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// leaderTerm is what a node does while it leads, in one term: it grants leases and commits who owns what. It begins when
// Raft says that leadership was won and ends when Raft says that it was lost; in between it may be wrong about still
// leading, which the rules of leases and the fence on its entries make harmless.
type leaderTerm struct {
	*grants
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	entries *termLog

	proposed string          // digest that was proposed in this term; run's, as is the next
	asked    map[string]bool // voters that were asked for proof

	changing  sync.Mutex    // held while a change of the group is kept waiting
	changedAt time.Duration // when the last one began; guarded by changing
}

func newLeaderTerm(ctx context.Context, p *leaderParts, term uint64, outage bool) *leaderTerm {
	ctx, cancel := context.WithCancel(ctx)
	t := &leaderTerm{
		cancel: cancel, asked: map[string]bool{},
		entries: &termLog{term: term, raft: p.raft, stamp: p.stamp, note: p.note, known: p.state.understood, log: p.log},
	}
	t.grants = newGrants(ctx, &t.wg, p, term)
	t.askNewVoters()
	t.wg.Go(func() { t.prepare(outage) })
	t.wg.Go(t.probe)
	return t
}

// askNewVoters asks those for proof who weren't asked yet: all at the beginning, and who comes to the group.
func (t *leaderTerm) askNewVoters() {
	for _, id := range t.group.others() {
		if !t.asked[id] {
			t.asked[id] = true
			t.wg.Go(func() { t.askElapsed(id) })
		}
	}
}

// end waits until the term has.
func (t *leaderTerm) end() {
	t.cancel()
	t.wg.Wait()
}

// prepare waits until everything that earlier leaders committed is applied, then decides. After an outage it first has the state
// know of it: no node has a lease of this term before, so no control centre is told old values as topical.
func (t *leaderTerm) prepare(outage bool) {
	for {
		// Not Raft's Barrier: an entry of our own is answered even while Raft is being shut down, see leadership.drain.
		if err := t.open(outage); err == nil {
			break
		}
		if t.pause(t.ctx, retryElapsed) != nil {
			return
		}
	}
	t.upToDate() // who commits in its own term has all that ever was (Raft, section 5.4)
	t.mu.Lock()
	t.core.Open(t.clock(), t.state.owners.Load())
	t.mu.Unlock()
	t.log.Info("leading", "term", t.term, "silence", (t.clock() - t.core.LastLeader()).Round(time.Millisecond))
	t.changed.fire()
	nudge(t.probeNow)
	t.run()
}

// open commits the term's first entries.
func (t *leaderTerm) open(outage bool) error {
	if _, err := t.entries.barrier(); err != nil || !outage {
		return err
	}
	err := t.entries.propose(&fsmpb.Command{Op: &fsmpb.Command_Outage{Outage: &fsmpb.Outage{}}})
	if errors.Is(err, replica.ErrNotYet) { // a former build is there yet, which knows no outage
		return nil
	}
	return err
}

func (t *leaderTerm) ready() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.core.Ready()
}

// run decides, until the term ends: when something that the policy depends on has changed, and a few times a lease.
func (t *leaderTerm) run() {
	tick := t.timing.renew / 2
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var seen fsm.Revisions
	for {
		grown := t.state.grown.wait()
		select {
		case <-timer.C:
		case <-t.decideNow:
		case <-grown:
			var now fsm.Revisions
			t.state.view(func(s *fsm.State) { now = s.Revisions() })
			if now.Resources == seen.Resources && now.Links == seen.Links && now.Clients == seen.Clients &&
				now.Nodes == seen.Nodes && now.Config == seen.Config {
				continue
			}
			seen = now
		case <-t.ctx.Done():
			return
		}
		t.askNewVoters()
		t.raiseLevel()
		t.declare()
		wait := tick
		endOverdue(t.state, time.Now(), t.entries.propose, t.log)
		if again := t.decide(); again > 0 { // a lease may end between two ticks
			wait = min(tick, max(again-t.clock(), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// waitUnchanged waits until the group may be changed, and counts that as a change.
func (t *leaderTerm) waitUnchanged(ctx context.Context) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	for {
		now, voters := t.clock(), t.group.voters()
		t.mu.Lock()
		free, known := t.core.OldFree(t.changedAt, voters)
		ready := t.core.Ready()
		t.mu.Unlock()
		wait := free - now
		switch {
		case !ready || !known:
			wait = t.timing.renew
		case wait <= 0:
			t.changedAt = now
			return nil
		}
		if err := t.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// raiseLevel raises the state's feature level to what all members understand. A group that is being formed begins with what a
// majority does, so that a member that isn't there yet keeps nobody waiting; it has no former program to go back to.
func (t *leaderTerm) raiseLevel() {
	var level uint32
	var formed bool
	t.state.view(func(s *fsm.State) { level, formed = s.Level(), s.Config().GetDigest() != "" })
	if level >= fsm.Level {
		return
	}
	voters := t.group.voters()
	needed := len(voters)
	if !formed {
		needed = lease.Quorum(needed)
	}
	t.mu.Lock()
	heard, understood := 0, uint32(fsm.Level)
	for _, v := range voters {
		if v == t.group.self.ID {
			heard++
		} else if m := t.core.Member(v); m.Digest != "" { // it has asked in this term
			heard, understood = heard+1, min(understood, m.Level)
		}
	}
	t.mu.Unlock()
	if heard < needed || understood <= level {
		return
	}
	if err := t.entries.propose(&fsmpb.Command{Op: &fsmpb.Command_FeatureLevel{FeatureLevel: &fsmpb.FeatureLevel{Level: understood}}}); err == nil {
		t.log.Info("all nodes understand a higher feature level: there is no way back to a program that doesn't", "level", understood)
	}
}

// declare commits the station's configuration when most members have it: a member that was restarted with another one, or
// isn't restarted yet, doesn't impose its own. Once the group has the files of what is in force, that is so for what a running
// station can't change alone.
func (t *leaderTerm) declare() {
	var digest string
	var own *declaration
	var may bool
	t.state.view(func(s *fsm.State) { digest, own, may = s.Config().GetDigest(), t.own.now(), t.own.mayPropose(s) })
	if digest == own.digest {
		t.proposed = ""
		return
	}
	if t.proposed == own.digest || !may {
		return
	}
	voters := t.group.voters()
	same := 0
	t.mu.Lock()
	for _, v := range voters {
		if v == t.group.self.ID || t.core.Member(v).Digest == own.digest {
			same++
		}
	}
	t.mu.Unlock()
	if same < lease.Quorum(len(voters)) {
		return
	}
	if err := t.entries.propose(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: own.configure}}); err == nil {
		t.proposed = own.digest
	}
}

// decide commits the policy's decisions, and says when to decide again if nothing happens; 0 for whenever.
func (t *leaderTerm) decide() (again time.Duration) {
	voters, commit := t.group.voters(), t.raft.CommitIndex()
	var p lease.Plan
	t.state.view(func(s *fsm.State) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.core.Member(t.group.self.ID).Lacks = t.own.now().lacks(s)
		p = t.core.Decide(t.clock(), s, voters, commit)
	})
	if p.TransferTo != "" {
		t.transferTo(p.TransferTo)
	}
	if len(p.Decisions) == 0 {
		return p.Again
	}
	commands := make([]*fsmpb.Command, len(p.Decisions))
	for i, d := range p.Decisions {
		commands[i] = d.Command()
	}
	t.logDecisions(p.Decisions)
	err := t.entries.propose(commands...)
	if err != nil {
		t.log.Warn("a decision may not be committed", "error", err)
		_, err = t.entries.barrier() // once this is applied, what was under way is, or never will be
	}
	if err == nil {
		t.mu.Lock()
		t.core.Finish(p, t.state.owners.Load())
		t.mu.Unlock()
	}
	return p.Again
}

// maxLogged is how many decisions made at once are logged one by one. A lost node may have owned hundreds of resources.
const maxLogged = 10

func (t *leaderTerm) logDecisions(decisions []placement.Decision) {
	if len(decisions) > maxLogged {
		t.log.Info("deciding", "decisions", len(decisions), "first", decisions[0], "last", decisions[len(decisions)-1])
		return
	}
	for _, d := range decisions {
		if d.Node == nil {
			t.log.Info("deciding", "what", d)
			continue
		}
		m, _ := t.group.member(d.Node.Node)
		switch {
		case !d.Node.Alive:
			t.log.Warn("node is lost", "peer", m.ID)
		case d.Node.Lease:
			t.log.Info("node has a lease", "peer", m.ID)
		case m.Role == replica.RoleFEP:
			t.log.Info("node has no lease", "peer", m.ID)
		default:
			t.log.Info("node is heard", "peer", m.ID)
		}
	}
}

// transferTo gives leadership to a FEP. Leases go on: they're of this term, and its proof is asked for in the next.
func (t *leaderTerm) transferTo(id string) {
	t.log.Info("handing on leadership", "to", id)
	t.wg.Go(func() {
		if err := t.calls.transfer(t.ctx, id); err != nil && t.ctx.Err() == nil {
			t.log.Warn("handing on leadership failed", "error", err)
		}
	})
}

var errRestoring = errors.New("another restore is under way")

// shut lets all leases run out, and grants none any more before Reopen. On an error it's taken back.
func (t *leaderTerm) shut(ctx context.Context) error {
	t.mu.Lock()
	ok := t.core.Shut()
	t.mu.Unlock()
	if !ok {
		return errRestoring
	}
	for {
		voters := t.group.voters()
		t.mu.Lock()
		free, known := t.core.AllFree(voters)
		t.mu.Unlock()
		wait := free - t.clock()
		switch {
		case !known:
			wait = t.timing.renew
		case wait <= 0:
			return nil
		}
		if err := t.pause(ctx, wait); err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.core.Unshut()
			return err
		}
	}
}

// restore replaces the state by a snapshot.
func (t *leaderTerm) restore(ctx context.Context, snapshot io.Reader, size int64) error {
	if err := t.shut(ctx); err != nil {
		return err
	}
	// From here on leases stay shut for this term if something goes wrong: the next one knows what came of it.
	if err := t.raft.Restore(&raft.SnapshotMeta{Version: raft.SnapshotVersionMax, Size: size}, snapshot, t.timing.stuck); err != nil {
		return err
	}
	index, err := t.entries.barrier() // nodes that have applied it have the new state
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.core.Reopen(t.clock(), index)
	t.mu.Unlock()
	nudge(t.decideNow)
	return nil
}
