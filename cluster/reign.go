package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

// reign is what a node does while it leads, in one term: it grants leases and has decided who owns what. It begins when
// Raft says that leadership was won and ends when Raft says that it was lost; in between it may be wrong about still
// leading, which the rules of grantor and the fence on its entries make harmless.
type reign struct {
	node   *Node
	term   uint64
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kick   chan struct{} // look again what's to be decided
	ask    chan struct{} // probe now
	news   broadcast     // evidence has come in

	mu      sync.Mutex // taken after machine.mu
	regent  *regent
	probing underway

	proposed string          // digest that was proposed in this reign; govern's, as is the next
	asked    map[string]bool // voters that were asked for proof

	changing  sync.Mutex    // held while a change of the group waits its turn
	changedAt time.Duration // when the last one began; guarded by changing
}

func newReign(n *Node, term uint64) *reign {
	ctx, cancel := context.WithCancel(n.ctx)
	r := &reign{
		node: n, term: term, ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), ask: make(chan struct{}, 1), asked: map[string]bool{}, probing: underway{},
		regent: newRegent(n.self, n.members(), n.timing.wait, n.clock()-n.transport.silence(), time.Duration(n.campaigned.Load())),
	}
	if d, ok := n.keeper.elapsed(term); ok {
		r.noteElapsed(n.cfg.ID, n.clock(), d)
	}
	r.askNewVoters()
	r.wg.Go(r.prepare)
	r.wg.Go(r.probe)
	return r
}

// askNewVoters asks those for proof who weren't asked yet: all at the beginning, and who comes to the group.
func (r *reign) askNewVoters() {
	for _, id := range r.node.others() {
		if !r.asked[id] {
			r.asked[id] = true
			r.wg.Go(func() { r.askElapsed(id) })
		}
	}
}

// end waits until the reign has.
func (r *reign) end() {
	r.cancel()
	r.wg.Wait()
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// prepare waits until everything that earlier leaders committed is applied, then governs.
func (r *reign) prepare() {
	for {
		// Not Raft's Barrier: an entry of our own is answered even while Raft is being shut down, see Node.drain.
		_, err := r.mark()
		if err == nil {
			break
		}
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(retryElapsed):
		}
	}
	r.node.transport.amnesia.recover() // who commits in its own term has all that ever was (Raft, section 5.4)
	r.mu.Lock()
	r.regent.open(r.node.clock(), r.node.machine.owners.Load())
	r.mu.Unlock()
	r.node.log.Info("leading", "term", r.term, "silence", (r.node.clock() - r.regent.cause).Round(time.Millisecond))
	r.node.leaderChanged.fire()
	nudge(r.ask)
	r.govern()
}

func (r *reign) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.regent.readyAt != 0
}

// govern decides, until the reign ends: when something that the policy looks at has changed, and a few times a lease.
func (r *reign) govern() {
	tick := r.node.timing.renew / 2
	timer := time.NewTimer(tick)
	defer timer.Stop()
	var seen fsm.Revisions
	for {
		grown := r.node.machine.grown.wait()
		select {
		case <-timer.C:
		case <-r.kick:
		case <-grown:
			var now fsm.Revisions
			r.node.machine.view(func(s *fsm.State) { now = s.Revisions() })
			if now.Resources == seen.Resources && now.Links == seen.Links && now.Clients == seen.Clients &&
				now.Nodes == seen.Nodes && now.Config == seen.Config {
				continue
			}
			seen = now
		case <-r.ctx.Done():
			return
		}
		r.askNewVoters()
		r.declare()
		wait := tick
		r.endOverdue(time.Now())
		if again := r.decide(); again > 0 { // a lease may end between two ticks
			wait = min(tick, max(again-r.node.clock(), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// waitUnchanged waits until the group may be changed, and counts that as a change.
func (r *reign) waitUnchanged(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	for {
		now, voters := r.node.clock(), r.node.voters()
		r.mu.Lock()
		old, known := r.regent.grantor.lastOld(anyNode, voters)
		ready := r.regent.readyAt != 0
		free := max(old, r.changedAt) + r.regent.grantor.wait
		r.mu.Unlock()
		wait := free - now
		switch {
		case !ready || !known:
			wait = r.node.timing.renew
		case wait <= 0:
			r.changedAt = now
			return nil
		}
		if err := r.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// declare has the station's configuration applied when most members have it: a member that was restarted with another
// one, or isn't restarted yet, doesn't impose its own.
func (r *reign) declare() {
	var digest string
	var own *declaration
	r.node.machine.view(func(s *fsm.State) { digest, own = s.Config().GetDigest(), r.node.own(s) })
	if digest == own.digest || r.proposed == own.digest {
		return
	}
	voters := r.node.voters()
	same := 0
	r.mu.Lock()
	for _, v := range voters {
		if v == r.node.cfg.ID || r.regent.member(v).digest == own.digest {
			same++
		}
	}
	r.mu.Unlock()
	if same < quorum(len(voters)) {
		return
	}
	if err := r.propose(&fsmpb.Command{Op: &fsmpb.Command_Configure{Configure: own.configure}}); err == nil {
		r.proposed = own.digest
	}
}

// decide has the policy's decisions committed, and says when to decide again if nothing happens; 0 for whenever.
func (r *reign) decide() (again time.Duration) {
	n := r.node
	voters, commit := n.voters(), n.raft.CommitIndex()
	var p plan
	n.machine.view(func(s *fsm.State) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.regent.member(n.cfg.ID).lacks = n.own(s).lacks(s)
		p = r.regent.decide(n.clock(), s, voters, commit)
	})
	if p.handOn != "" {
		r.handOn(p.handOn)
	}
	if len(p.decisions) == 0 {
		return p.again
	}
	commands := make([]*fsmpb.Command, len(p.decisions))
	for i, d := range p.decisions {
		commands[i] = d.command()
	}
	r.tell(p.decisions)
	err := r.propose(commands...)
	if err != nil {
		n.log.Warn("a decision may not be committed", "error", err)
		_, err = r.mark() // once this is applied, what was under way is, or never will be
	}
	if err == nil {
		r.mu.Lock()
		r.regent.settle(p, n.machine.owners.Load())
		r.mu.Unlock()
	}
	return p.again
}

// maxTold is how many decisions made at once are told one by one. A lost node may have owned hundreds of resources.
const maxTold = 10

// tell has the log say what's decided.
func (r *reign) tell(decisions []decision) {
	log := r.node.log
	if len(decisions) > maxTold {
		log.Info("deciding", "decisions", len(decisions), "first", decisions[0], "last", decisions[len(decisions)-1])
		return
	}
	for _, d := range decisions {
		if d.node == nil {
			log.Info("deciding", "what", d)
			continue
		}
		m, _ := r.node.member(d.node.Node)
		switch {
		case !d.node.Alive:
			log.Warn("node is lost", "peer", m.ID)
		case d.node.Lease:
			log.Info("node has a lease", "peer", m.ID)
		case m.Role == replica.RoleFEP:
			log.Info("node has no lease", "peer", m.ID)
		default:
			log.Info("node is heard", "peer", m.ID)
		}
	}
}

// propose commits commands in this reign's term or not at all.
func (r *reign) propose(commands ...*fsmpb.Command) error {
	now := time.Now()
	for _, c := range commands {
		r.node.stamp(c, now)
	}
	data, err := proto.Marshal(&fsmpb.Entry{Commands: commands})
	if err != nil {
		return fmt.Errorf("encoding a decision: %w", err)
	}
	o, _, err := r.apply(data)
	for i, res := range o.results {
		if res.GetCode() > fsmpb.Result_DUPLICATE {
			r.node.log.Debug("a decision was overtaken", "command", commands[i], "result", res)
		}
	}
	return err
}

// mark commits an entry that says nothing. Once it's applied, so is everything before it.
func (r *reign) mark() (index uint64, err error) {
	_, index, err = r.apply(nil)
	return index, err
}

func (r *reign) apply(entry []byte) (outcome, uint64, error) {
	future := r.node.raft.ApplyLog(raft.Log{Data: entry, Extensions: fence(r.term)}, enqueueTimeout)
	err := future.Error()
	r.node.refusals.note(r.node.clock(), err)
	if err != nil {
		return outcome{}, 0, fmt.Errorf("committing a decision: %w", err)
	}
	o, _ := future.Response().(outcome)
	return o, future.Index(), o.err
}

// handOn gives leadership to a FEP. Leases go on: they're of this term, and its proof is asked for in the next.
func (r *reign) handOn(to string) {
	address, ok := r.node.address(to)
	if !ok {
		return
	}
	r.node.log.Info("handing on leadership", "to", to)
	r.wg.Go(func() {
		if err := r.node.handOn(r.ctx, to, address); err != nil && r.ctx.Err() == nil {
			r.node.log.Warn("handing on leadership failed", "error", err)
		}
	})
}

// pause waits, but not longer than ctx or the reign.
func (r *reign) pause(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return fmt.Errorf("%w any more", replica.ErrNotLeader)
	}
}
