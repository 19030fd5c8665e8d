package rig

import (
	"context"
	"fmt"

	"github.com/fepha/fepha/api"
)

// faultsOfProcesses befall a node's process.
func faultsOfProcesses() []Fault {
	stop := ofProcess("stop", "SIGSTOP, then SIGCONT", (*Station).Pause, (*Station).Resume)
	stop.NearLease = true
	return []Fault{
		ofProcess("kill", "SIGKILL, started again", (*Station).Kill, (*Station).Start),
		ofLeader(ofProcess("kill-leader", "SIGKILL of the leader, started again", (*Station).Kill, (*Station).Start)),
		{Name: "kill-all", About: "SIGKILL of all nodes at once, started again",
			Inject: func(_ context.Context, s *Station, _ string) error { return s.KillAll() },
			Heal:   func(_ context.Context, s *Station, _ string) error { return s.StartAll() }},
		stop,
		{Name: "witness-ahead", About: "SIGKILL when the witness alone has what it stored last: the other FEP was stopped for a while",
			MovesRTU: true, MovesUplink: true, Inject: leaveWitnessAhead, Heal: of((*Station).Start)},
		clock("clock-ahead", "its wall clock goes forward by an hour", true),
		clock("clock-back", "its wall clock goes back by an hour", false),
	}
}

func ofProcess(name, about string, begin, end func(*Station, string) error) Fault {
	return Fault{
		Name: name, About: about, MovesRTU: true, MovesUplink: true, Anywhere: true,
		Inject: of(begin), Heal: of(end),
	}
}

// of makes an Inject or Heal of a method that needs nothing else.
func of(do func(*Station, string) error) func(context.Context, *Station, string) error {
	return func(_ context.Context, s *Station, node string) error { return do(s, node) }
}

func clock(name, about string, forward bool) Fault {
	step := func(forward bool) func(context.Context, *Station, string) error {
		return func(ctx context.Context, s *Station, node string) error { return s.StepClock(ctx, node, forward) }
	}
	return Fault{Name: name, About: about, Clock: true, Anywhere: true, Inject: step(forward), Heal: step(!forward)}
}

// witnessLead is how many events the other FEP misses at least.
const witnessLead = 30

// leaveWitnessAhead stops the FEP that isn't the owner, waits until the owner
// and the witness have committed more, and kills the owner as it lets the
// other go on: what was committed last is on one disk that votes.
func leaveWitnessAhead(ctx context.Context, s *Station, owner string) (err error) {
	other := otherFEP(owner)
	if err := s.Pause(other); err != nil {
		return err
	}
	from := uint64(0)
	_, err = s.WaitFor(ctx, "events that "+other+" misses", func(st api.Status) bool {
		if from == 0 && st.Leader != other {
			from = st.Journal.Last
		}
		return from > 0 && st.Journal.Last >= from+witnessLead
	})
	if err == nil {
		err = s.Kill(owner)
	}
	if resumed := s.Resume(other); resumed != nil {
		return fmt.Errorf("letting %s go on: %w", other, resumed)
	}
	return err
}
