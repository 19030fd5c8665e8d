package node

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/fsm/fsmpb"
	"github.com/fepha/fepha/replica"
)

const (
	// handOverLimit is how long a node that was asked to end may take to give everything away first.
	handOverLimit = 2 * time.Second

	// handOverCheck is how often it's checked who leads, which isn't in the replicated state.
	handOverCheck = 5 * time.Millisecond
)

// leaver is a node as handing over sees it.
type leaver interface {
	replica.Replica
	Info() replica.Info
}

// handOver gives away what a node owns, and leadership, before it ends: a planned stop is no death, which the others would
// have to notice first. The leader's policy moves it all as soon as the state says that the node stops; this waits for
// that, unless nobody is there to take it.
func handOver(node leaver, log *slog.Logger) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), handOverLimit)
	defer cancel()
	saying, said := context.WithTimeout(ctx, handOverLimit/4)
	defer said()
	for !node.Info().Quorum { // an election may be under way, even this node's own
		select {
		case <-time.After(handOverCheck):
		case <-saying.Done():
			log.Warn("without a quorum nothing can be handed over")
			return
		}
	}
	if err := sayStopping(saying, node, true); err != nil {
		log.Warn("nothing is handed over: the others can't be told", "error", err)
		return
	}
	for {
		what, to := left(node)
		switch {
		case what == "":
			log.Info("handed over", "after", time.Since(began).Round(time.Millisecond))
			return
		case to == "":
			log.Warn("nobody is there to take over", "left", what)
			return
		}
		select {
		case <-time.After(handOverCheck):
		case <-ctx.Done():
			log.Warn("ending before everything is handed over", "left", what, "after", handOverLimit)
			return
		}
	}
}

// left is what a node has yet to give away, and a FEP that may take it; "" for none.
func left(node leaver) (what, to string) {
	owned := 0
	node.View(func(s *fsm.State) {
		for _, n := range s.Nodes() {
			if n.ID != node.ID() && n.Role == string(replica.RoleFEP) && n.Alive && n.Lease && !n.Away() {
				to = n.ID
			}
		}
		for _, r := range s.Resources() {
			if r.Owner == node.ID() {
				owned++
			}
		}
	})
	switch leader := node.Info().Leader; {
	case owned > 0:
		return fmt.Sprintf("%d resources", owned), to
	case leader == node.ID():
		return "leadership", to
	case leader == "":
		return "leadership, which is on its way", to
	}
	return "", to
}

// sayStopping tells the group that this node stops, or is back.
func sayStopping(ctx context.Context, node replica.Replica, on bool) error {
	result, err := node.Propose(ctx, &fsmpb.Command{Op: &fsmpb.Command_Stopping{Stopping: &fsmpb.Stopping{Node: node.ID(), On: on}}})
	switch {
	case err != nil:
		return err
	case result.Code > fsmpb.Result_DUPLICATE:
		return fmt.Errorf("%v: %s", result.Code, result.Message)
	}
	return node.WaitApplied(ctx, result.Index)
}

// service is a node that may own something.
type service struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// servicePace is how often it's checked at most whether the node is said to stop.
const servicePace = 100 * time.Millisecond

// enterService takes back what the node's former process has said when it was asked to end, whenever the state comes to show
// it, until end.
func enterService(node replica.Replica, log *slog.Logger) *service {
	ctx, cancel := context.WithCancel(context.Background())
	s := &service{cancel, make(chan struct{})}
	go func() {
		defer close(s.done)
		for range replica.Follow(ctx, node, replica.Pace{Least: servicePace}) {
			stopping := false
			node.View(func(s *fsm.State) {
				n, _ := s.Node(node.ID())
				stopping = n.Stopping
			})
			if stopping && sayStopping(ctx, node, false) == nil {
				log.Info("in service again")
			}
		}
	}()
	return s
}

func (s *service) end() {
	s.cancel()
	<-s.done
}
