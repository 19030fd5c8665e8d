package rig

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/fepha/fepha/api"
	"github.com/fepha/fepha/fsm"
	"github.com/fepha/fepha/sim"
)

// Trial is what one fault cost, as the simulated neighbours saw it.
type Trial struct {
	Fault      string
	Owner      string        // the node that the fault hit
	Taker      string        // who owned the first RTU, or the uplink, afterwards
	Gap        time.Duration // longest time without a new event at the control centre
	Lost       []sim.Key     // events that never came
	Repeated   int           // events that came again
	Violations int           // frames of two masters, see Options.Judge
	Refused    string        // why the station would not have it, as it may say to what is asked by hand
	Ended      string        // last words of the node if it ended by itself, as it may when it can't go on
	Takeover   *api.Note     // how long each phase of the RTU's takeover took; nil: there was none
}

// settleTimeout bounds how long the station may take to be whole again.
const settleTimeout = 30 * time.Second

// calm is how long a station is left alone before a takeover: a fault that
// comes within a second of a standby probe looks to the FEPs like a device
// that serves a single client.
const calm = 1500 * time.Millisecond

// KillOwner kills the node that owns the first RTU with SIGKILL while its
// device emits, waits until the other FEP has everything, starts the node
// again, and judges once all that the devices had sent by then has had the
// chance to arrive.
func (s *Station) KillOwner(ctx context.Context) (Trial, error) {
	kill, err := FaultByName("kill")
	if err != nil {
		return Trial{}, err
	}
	return s.Takeover(ctx, kill)
}

// Takeover injects a fault that moves the first RTU or the uplink, while the
// RTU's device emits, and heals it when the other FEP has everything. The gap
// is that up to then.
func (s *Station) Takeover(ctx context.Context, f Fault) (Trial, error) {
	if _, err := s.whole(ctx); err != nil {
		return Trial{}, err
	}
	if err := Pause(ctx, calm); err != nil {
		return Trial{}, err
	}
	return s.try(ctx, f, f.Victim, func(ctx context.Context, t *Trial) error {
		if t.Refused != "" {
			return fmt.Errorf("%s of %s refused: %s", f.Name, t.Owner, t.Refused)
		}
		before := s.Centre.Received.Len()
		if _, err := s.WaitFor(ctx, "the other FEP to take over", func(st api.Status) bool {
			return Complete(st) && (!f.MovesRTU || st.RTUs[0].Owner != t.Owner) && (!f.MovesUplink || st.Uplinks[0].Owner != t.Owner)
		}); err != nil {
			return err
		}
		err := waitUntil(ctx, "events from the new owner", func() bool { return s.Centre.Received.Len() > before+10 })
		t.Gap = s.Centre.Received.LongestGap()
		return err
	})
}

// Endure injects a fault at a node, nil: at the one it is for, lets it last,
// and heals it, while the devices emit. The gap is that until all is well.
func (s *Station) Endure(ctx context.Context, f Fault, at func(api.Status) string, lasting time.Duration) (Trial, error) {
	if at == nil {
		at = f.Victim
	}
	t, err := s.try(ctx, f, at, func(ctx context.Context, _ *Trial) error { return Pause(ctx, lasting) })
	t.Gap = s.Centre.Received.LongestGap()
	return t, err
}

// try waits for a station that is whole, injects a fault, calls during, heals
// it, waits until the station is whole again and all events have come.
func (s *Station) try(ctx context.Context, f Fault, victim func(api.Status) string, during func(context.Context, *Trial) error) (t Trial, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*settleTimeout)
	defer cancel()
	t.Fault = f.Name
	if err := f.fits(s.opts); err != nil {
		return t, err
	}
	st, err := s.whole(ctx)
	if err != nil {
		return t, err
	}
	t.Owner = victim(st)
	epoch := st.RTUs[0].Epoch
	repeats, violations := s.Centre.Received.Repeats(), s.violations()
	s.Centre.Received.ResetGap()
	node := s.Node(t.Owner)
	node.mayEnd, node.ill, node.lastWords = f.mayEnd, f.mayEnd, ""
	err = f.Inject(ctx, s, t.Owner)
	if no, ok := errors.AsType[*api.Error](err); ok {
		t.Refused = no.Message
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("%s of %s: %w", f.Name, t.Owner, err)
	} else {
		err = during(ctx, &t)
	}
	if healed := f.Heal(context.WithoutCancel(ctx), s, t.Owner); healed != nil {
		err = errors.Join(err, fmt.Errorf("healing %s of %s: %w", f.Name, t.Owner, healed))
	}
	if err != nil {
		return t, err
	}
	node.ill = false
	after, err := s.whole(ctx)
	if err != nil {
		return t, err
	}
	node.mayEnd, t.Ended = false, node.lastWords
	if t.Taker = after.RTUs[0].Owner; f.uplink {
		t.Taker = after.Uplinks[0].Owner
	}
	t.Lost = s.Settle(ctx)
	if err := s.agree(ctx); err != nil {
		return t, err
	}
	t.Repeated, t.Violations = s.Centre.Received.Repeats()-repeats, s.violations()-violations
	t.Takeover, err = s.takeover(ctx, st.Journal.Last, epoch)
	return t, err
}

// whole waits until nothing is left of any fault: all nodes are there and know
// all, RTUs and uplinks have an owner, and another FEP stands by.
func (s *Station) whole(ctx context.Context) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	st, err := s.WaitFor(ctx, "a whole station", func(st api.Status) bool {
		return Complete(st) && s.standsBy(st) && !slices.ContainsFunc(st.Nodes, func(n api.NodeStatus) bool { return !n.Alive })
	})
	if err != nil {
		return st, err
	}
	for _, n := range s.nodes {
		if err := waitUntil(ctx, n.ID+" to catch up", func() bool {
			own, err := n.status(ctx)
			return err == nil && own.Quorum && own.Journal.Last >= st.Journal.Last
		}); err != nil {
			return st, err
		}
	}
	return st, nil
}

// standsBy tells whether the FEP that is not an RTU's owner reaches it, and
// the control centre is connected to both where the mode wants that.
func (s *Station) standsBy(st api.Status) bool {
	for _, r := range st.RTUs {
		if s.opts.Probe != "off" && !slices.ContainsFunc(r.Channels, func(c api.ChannelStatus) bool {
			return slices.ContainsFunc(c.Links, func(l map[string]string) bool { return l[otherFEP(r.Owner)] == "standby" })
		}) {
			return false
		}
	}
	for _, u := range st.Uplinks {
		if s.opts.Mode != "exclusive" && !slices.ContainsFunc(u.Links, func(l api.UplinkClient) bool { return l.Node != u.Owner }) {
			return false
		}
	}
	return true
}

func otherFEP(id string) string {
	if id == "fep1" {
		return "fep2"
	}
	return "fep1"
}

// violations is how many the devices have seen so far.
func (s *Station) violations() int {
	sum := 0
	for _, d := range s.Devices {
		_, count := d.Violations()
		sum += count
	}
	return sum
}

// takeover finds the newest note about the first RTU in the journal, of an
// epoch after the one given, that tells how its takeover went. nil: none.
func (s *Station) takeover(ctx context.Context, after, epoch uint64) (*api.Note, error) {
	var found *api.Note
	resource := fsm.RTUResource(s.opts.RTUs[0].Number)
	for {
		page, err := s.Client().Events(ctx, after, 1000)
		if err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		for _, e := range page.Events {
			if n := e.Note; n != nil && n.Resource == resource && n.Epoch > epoch && (n.Kind == "owner" || n.Kind == "activated") {
				found = n
			}
			after = e.Seq
		}
		if len(page.Events) == 0 || after >= page.Last {
			return found, nil
		}
	}
}

// agreed is how many of the newest events agree compares.
const agreed = 1000

// agree has all nodes tell the same newest events.
func (s *Station) agree(ctx context.Context) error {
	newest, err := s.nodes[0].client.NewestEvents(ctx, agreed)
	if err != nil {
		return fmt.Errorf("reading the journal of %s: %w", s.nodes[0].ID, err)
	}
	if len(newest.Events) == 0 {
		return nil
	}
	for _, n := range s.nodes[1:] {
		var page api.EventPage
		if err := waitUntil(ctx, n.ID+" to know the same events", func() bool {
			page, err = n.client.Events(ctx, newest.Events[0].Seq-1, len(newest.Events))
			return err != nil || len(page.Events) == len(newest.Events)
		}); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("reading the journal of %s: %w", n.ID, err)
		}
		for i, e := range page.Events {
			if want := newest.Events[i]; !reflect.DeepEqual(e, want) {
				return fmt.Errorf("%w about event %d: %s has %+v, %s has %+v", ErrDisagree, want.Seq, s.nodes[0].ID, want, n.ID, e)
			}
		}
	}
	return nil
}

// ErrDisagree: two nodes tell different things of one event.
var ErrDisagree = errors.New("nodes disagree")

// Settle waits until the control centre has every event that the devices have
// sent so far, and returns those that it still lacks when settleTimeout or ctx
// ends. Devices may go on emitting: what is younger than the call counts only
// if it has to wait anyway.
func (s *Station) Settle(ctx context.Context) []sim.Key {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var lost []sim.Key
	for i := range s.Devices {
		missing := s.Lost(i)
		for len(missing) > 0 && ctx.Err() == nil {
			_ = waitUntil(ctx, "", func() bool {
				missing = s.Centre.Received.Lacks(missing)
				return len(missing) == 0
			})
		}
		lost = append(lost, missing...)
	}
	return lost
}

func waitUntil(ctx context.Context, what string, good func() bool) error {
	for !good() {
		if err := Pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
	}
	return nil
}

// Pause waits, but not longer than ctx, whose error it returns then.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
